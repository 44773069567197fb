package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Interruptible returns a context for Main that the first signal to stop ends:
// work in hand is saved. At the second one workers are killed, and this
// process ends soon after, whatever it is busy with.
func Interruptible() context.Context {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup: the work is to outlive the terminal
		signal.Notify(signals, syscall.SIGHUP)
	}
	ctx, stop := context.WithCancel(context.Background())
	kill := make(chan struct{})
	go func() {
		<-signals
		stop()
		<-signals
		close(kill)
		time.Sleep(2 * time.Second)
		os.Exit(exitInterrupted)
	}()
	return withKill(ctx, kill)
}

// killKey is the key under which a context carries the order to kill.
type killKey struct{}

func withKill(ctx context.Context, kill <-chan struct{}) context.Context {
	return context.WithValue(ctx, killKey{}, kill)
}

// killed returns the channel that is closed when workers are to be killed; nil
// if that cannot happen.
func killed(ctx context.Context) <-chan struct{} {
	kill, _ := ctx.Value(killKey{}).(<-chan struct{})
	return kill
}

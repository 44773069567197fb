package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

const (
	// DefaultPort is where the page is, unless the port is taken.
	DefaultPort = 8377
	// tries is how many ports from there on are tried.
	tries = 20
)

// Address reads where to listen: PORT, :PORT or HOST:PORT, where HOST is this
// machine by itself. It says what is wrong with any other.
func Address(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = "", text
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q is no address to listen at: it takes HOST:PORT or PORT, as in 127.0.0.1:%d", text, DefaultPort)
	} else if host == "" {
		host = "127.0.0.1"
	} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("the page is for this machine alone, at 127.0.0.1, not at %s; to look from another one, forward the port: "+
			"ssh -L %d:127.0.0.1:%d THIS-MACHINE", host, max(n, 1), max(n, 1))
	}
	return net.JoinHostPort(host, port), nil
}

// Listen listens at an address of Address's, or if it is "", at the first port
// from DefaultPort on that nobody else has.
func Listen(address string) (net.Listener, error) {
	if address != "" {
		l, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("another program listens at %s already; name another port, or none to have one found", address)
		}
		return l, err
	}
	for port := DefaultPort; ; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		if port == DefaultPort+tries {
			return nil, fmt.Errorf("other programs listen at all ports from %d to %d; name another one", DefaultPort, port)
		}
	}
}

// stopWithin is how long answers may still take when the server is to stop.
const stopWithin = 2 * time.Second

// Serve answers requests until the context ends that the server was made with,
// and then the last ones at work. It closes the listener and the store.
func (s *Server) Serve(l net.Listener) error {
	defer s.Close()
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    1 << 15,
	}
	stopped := make(chan error, 1)
	go func() {
		<-s.done
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(ctx), server.Close())
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

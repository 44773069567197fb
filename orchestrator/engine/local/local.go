// Package local executes each attempt as a child process on this machine.
//
// A worker holds the read end of a pipe as its standard input and stops when
// the pipe ends, so that none outlives a head that was killed. It leads a
// session of its own: Ctrl-C on the terminal reaches the head alone, and
// whatever the worker started can be killed with it.
package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"ablate/orchestrator/engine"
	"ablate/orchestrator/worker"
)

// Engine starts the program at Path.
type Engine struct {
	Path string
	Args []string // argv, to which "--leash --token TOKEN RUNDIR" is appended, with "--memory BYTES" where Linux bounds no group
	Env  []string // added to the environment, KEY=value
}

// Self is the engine that runs this very program as "worker", each with one
// thread: runs side by side use the cores better than threads within a run.
func Self() Engine { return Program(self()) }

// Program is Self for another file of this program, such as an older one.
func Program(path string) Engine {
	return Engine{
		Path: path,
		Args: []string{os.Args[0], "worker"},
		Env:  []string{"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "GOMAXPROCS=1"},
	}
}

// self is this program, if possible by the link to the running file: so that
// a night's later workers are the same program although it was rebuilt.
func self() string {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// Launch starts a worker. What it says before it has an attempt goes to the
// run's launch log.
func (e Engine) Launch(ctx context.Context, l engine.Launch) (engine.Handle, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	log, err := os.Create(worker.LaunchLog(l.RunDir))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	leash, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer leash.Close()

	args := []string{"--leash", "--token", l.Token}
	var group *memoryGroup
	if l.Memory > 0 {
		if group = newMemoryGroup(l.Memory, l.Token); group == nil {
			args = append(args, "--memory", strconv.FormatInt(l.Memory, 10)) // it bounds itself
		}
	}
	cmd := &exec.Cmd{
		Path:        e.Path,
		Args:        slices.Concat(e.Args, args, []string{l.RunDir}),
		Env:         slices.Concat(os.Environ(), e.Env, l.Env),
		Stdin:       leash,
		Stderr:      log,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if group != nil {
		group.hold(cmd.SysProcAttr)
	}
	if err := cmd.Start(); err != nil {
		if group != nil {
			group.remove()
		}
		end.Close()
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	return &process{cmd: cmd, leash: end, group: group}, nil
}

// process is a running worker.
type process struct {
	cmd   *exec.Cmd
	leash *os.File // the write end of its standard input
	group *memoryGroup

	mu   sync.Mutex
	gone bool // reaped: the group's number may mean others by now
}

// Wait reaps the worker, and kills whatever it left behind: in its group, or
// if it had no time to clean up itself, in its session.
func (p *process) Wait() error {
	err := p.cmd.Wait()
	p.Kill()
	if err != nil {
		killSession(p.cmd.Process.Pid)
	}
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	p.leash.Close()
	if p.group != nil {
		defer p.group.remove()
		if err != nil && p.group.killed() {
			return fmt.Errorf("%w: %w", engine.ErrMemory, err)
		}
	}
	return err
}

// killSession kills what is left of a session, in whatever process group it is:
// a worker that was killed has left the processes that its trainer started.
func killSession(id int) {
	for _, pid := range worker.Session(id) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Stop ends the worker's standard input, as the death of the head would.
func (p *process) Stop() { p.leash.Close() }

// Kill sends SIGKILL to the worker's process group.
func (p *process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

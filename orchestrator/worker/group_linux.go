package worker

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// processGroup makes a child lead a process group of its own and die with the
// thread that started it.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// waitForGroup waits for the end of a child that leads a process group, and
// kills what it left behind in it: before the child is reaped, since its number
// may mean others after that.
func waitForGroup(cmd *exec.Cmd) error {
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return cmd.Wait()
}

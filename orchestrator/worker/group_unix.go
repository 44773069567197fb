//go:build unix && !linux

package worker

import (
	"os/exec"
	"syscall"
)

// processGroup makes a child lead a process group of its own. These systems
// cannot tie its life to the worker's.
func processGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// waitForGroup waits for the end of a child that leads a process group, and
// kills what it left behind in it.
func waitForGroup(cmd *exec.Cmd) error {
	err := cmd.Wait()
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return err
}

package worker

import "golang.org/x/sys/unix"

// replaceStderr makes fd the process's standard error.
func replaceStderr(fd int) error { return unix.Dup3(fd, 2, 0) }

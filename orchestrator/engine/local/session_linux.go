package local

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// killSession kills what is left of a session, in whatever process group it is:
// a worker that was killed has left the processes that its trainer started.
func killSession(id int) {
	for _, pid := range session(id) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// session lists the processes of a session.
func session(id int) (pids []int) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // gone meanwhile
		}
		// PID (NAME) STATE PPID PGRP SESSION ..., and NAME may hold anything.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 3 && string(fields[3]) == strconv.Itoa(id) {
			pids = append(pids, pid)
		}
	}
	return pids
}

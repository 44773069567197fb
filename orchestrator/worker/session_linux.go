package worker

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// Session lists the processes of a session.
func Session(id int) (pids []int) {
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

// killLeft kills what an older attempt's program has started, and waits until it
// is gone: a head and a worker that were killed at once have left it. It lives in
// the session that the worker led, with the attempt's own report in its
// environment. Both have to be so: a session's number may mean others by now, and
// a shell may have the environment to try a program by hand.
func (a Attempt) killLeft() {
	claim, err := a.Claimed()
	if err != nil {
		return
	}
	for end := time.Now().Add(afterKill); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		left := false
		for _, pid := range Session(claim.PID) {
			p, err := os.FindProcess(pid) // from here on it means this process and no later one
			if err == nil && pid != os.Getpid() && a.started(pid) {
				left = p.Kill() == nil || left
			}
			if err == nil {
				p.Release()
			}
		}
		if !left {
			return
		}
	}
}

// started reports whether a process has the environment that the attempt gave its
// program. That of a dead one is empty.
func (a Attempt) started(pid int) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		if path, ok := strings.CutPrefix(variable, "ABLATE_METRICS="); ok && sameFile(path, a.Reports()) {
			return true
		}
	}
	return false
}

//go:build unix && !linux

package worker

// Session would list the processes of a session; only Linux says what they are.
func Session(int) []int { return nil }

// killLeft would kill what an older attempt's program has left.
func (Attempt) killLeft() {}

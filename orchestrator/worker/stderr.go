package worker

import "os"

// RedirectStderr sends all that this process says on standard error, the last
// words of a dying runtime included, to the attempt's log.
func RedirectStderr(a Attempt) error {
	log, err := os.OpenFile(a.Stderr(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer log.Close()
	return replaceStderr(int(log.Fd()))
}

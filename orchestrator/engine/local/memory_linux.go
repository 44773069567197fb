package local

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroups is where Linux shows its control groups.
const cgroups = "/sys/fs/cgroup"

// memoryGroup is a control group that bounds the memory of a worker and of all
// that it starts.
type memoryGroup struct {
	dir  string
	file *os.File
}

// newMemoryGroup makes a group, or returns nil where that is not this process's
// right: systemd gives it to units with Delegate=yes, and marks their groups.
func newMemoryGroup(limit int64, token string) *memoryGroup {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	own := ""
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			own = strings.TrimSpace(path)
		}
	}
	if parent := delegated(cgroups, own); parent != "" {
		return memoryGroupIn(parent, limit, token)
	}
	return nil
}

// delegated is the nearest group from path upwards that was handed over, "" if
// none was.
func delegated(root, path string) string {
	for path = filepath.Clean("/" + path); path != "/"; path = filepath.Dir(path) {
		dir := filepath.Join(root, path)
		for _, name := range []string{"trusted.delegate", "user.delegate"} {
			value := make([]byte, 1)
			if n, err := unix.Getxattr(dir, name, value); err == nil && n == 1 && value[0] == '1' {
				return dir
			}
		}
	}
	return ""
}

// memoryGroupIn makes a group below parent. There may be processes in parent
// itself, this one for example: then Linux lets no group below it have a limit.
func memoryGroupIn(parent string, limit int64, token string) *memoryGroup {
	controllers := filepath.Join(parent, "cgroup.subtree_control")
	enabled, err := os.ReadFile(controllers)
	if err != nil {
		return nil
	}
	if !strings.Contains(" "+strings.TrimSpace(string(enabled))+" ", " memory ") && write(controllers, "+memory") != nil {
		return nil
	}
	g := &memoryGroup{dir: filepath.Join(parent, "ablate-"+token)}
	if os.Mkdir(g.dir, 0o755) != nil {
		return nil
	}
	err = write(filepath.Join(g.dir, "memory.max"), strconv.FormatInt(limit, 10))
	if err == nil {
		write(filepath.Join(g.dir, "memory.swap.max"), "0") // there may be none
		g.file, err = os.Open(g.dir)
	}
	if err != nil {
		os.Remove(g.dir)
		return nil
	}
	return g
}

// write writes into a file that is there.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// hold makes a process start in the group.
func (g *memoryGroup) hold(a *syscall.SysProcAttr) {
	a.UseCgroupFD, a.CgroupFD = true, int(g.file.Fd())
}

// killed reports whether Linux has killed a process of the group because it was
// over its limit.
func (g *memoryGroup) killed() bool {
	text, _ := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return count != "0"
		}
	}
	return false
}

// remove removes the group, whose processes are gone.
func (g *memoryGroup) remove() {
	g.file.Close()
	os.Remove(g.dir)
}

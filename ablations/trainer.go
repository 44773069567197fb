package ablations

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ablate/trainer/config"
)

// Trainer is a program of the study's own that trains its runs.
type Trainer struct {
	// Command is the program with its arguments, never a shell's line. {KEY}
	// stands for a setting, {seed} for the seed, {{ and }} for braces: see config.Fill.
	Command []string `json:"command"`
	// Files are files and folders that the command needs, relative to the study's
	// own folder, with slashes. What is in them is part of a run's identity.
	Files []string `json:"files"`
	// Keys are the types of the settings, "string", "bool", "int" or "float", by
	// their paths; nil if the study does not say.
	Keys map[string]string `json:"keys,omitempty"`
}

// File is one of a trainer's files as it was when it was hashed.
type File struct {
	Name       string // relative to the study's folder, with slashes
	Content    []byte
	Executable bool
}

// maxFiles is how large a trainer's files may be together: they are held in
// memory and copied into the store. Data belongs elsewhere.
const maxFiles = 64 << 20

var trainerKeys = []string{"command", "files", "keys"}

// keyTypes are the types that a key can be declared to have, by name.
var keyTypes = map[string]any{"string": "", "bool": false, "int": int64(0), "float": 0.0}

var keyTypeNames = []string{"string", "bool", "int", "float"}

// trainer reads the table [trainer], and what it makes of the study's keys.
func (p *parser) trainer(t *node) {
	f := p.fields(t, "trainer", trainerKeys...)
	f.need("command")
	trainer := &Trainer{Command: p.strings(f, "command"), Files: p.strings(f, "files")}
	p.study.Trainer = trainer
	p.command = f.t.fields["command"]
	if n := f.get("command", kindList); n != nil && (len(n.items) == 0 || n.items[0].value == "") {
		p.at(n.line, `command must begin with a program, such as ["python3", "train.py"]`)
	}
	for i, name := range trainer.Files {
		if !filepath.IsLocal(filepath.FromSlash(name)) || strings.Contains(name, `\`) {
			p.at(t.fields["files"].items[i].line, "files must lie in the study's folder and be named relative to it, with slashes, not %q", name)
		}
	}
	p.vocab = free{}
	if t.fields["keys"] != nil || f.meant["keys"] {
		d := &declared{keys: map[string]config.Key{}}
		p.vocab = d
		if n := f.get("keys", kindTable); n != nil {
			trainer.Keys = map[string]string{}
			p.declare(d, n, "")
		} else {
			p.vocab = free{} // what was meant, nobody knows
		}
	}
}

// strings reads a list of strings, none of which holds a NUL.
func (p *parser) strings(f fields, name string) (found []string) {
	n := f.get(name, kindList)
	if n == nil {
		return nil
	}
	for _, item := range n.items {
		s, ok := item.value.(string)
		if !ok || strings.Contains(s, "\x00") {
			p.at(item.line, "%s must list strings, not %s", name, item.show())
		}
		found = append(found, s)
	}
	return found
}

// declare reads the types of an external trainer's keys.
func (p *parser) declare(d *declared, t *node, prefix string) {
	for _, name := range t.keys {
		n, path := t.fields[name], prefix+name
		if n.kind == kindTable {
			p.declare(d, n, path+".")
			continue
		}
		text, _ := n.value.(string)
		def, ok := keyTypes[text]
		switch {
		case !goodKey.MatchString(path) || path == "seed":
			p.at(n.line, "%s", badKey(path))
		case !ok:
			p.at(n.line, "the type of %s must be one of %s, not %s", path, strings.Join(keyTypeNames, ", "), n.show())
		case d.isTable(path) || slices.ContainsFunc(d.paths, func(o string) bool { return strings.HasPrefix(path, o+".") }):
			p.at(n.line, "%s cannot be a key and a table of others", path)
		default:
			p.study.Trainer.Keys[path] = text
			d.add(config.Key{Path: path, Default: def})
			continue
		}
		if !ok || p.study.Trainer.Keys[path] == "" { // a use of it is no second error
			d.add(config.Key{Path: path})
		}
	}
}

// placeholders checks the command against every cell's settings.
func (p *parser) placeholders() {
	if p.command == nil || p.partial {
		return
	}
	for _, item := range p.command.items {
		text, _ := item.value.(string)
		var missing []string
		_, err := config.Fill(text, func(name string) (string, bool) {
			if name != "" && name != "seed" {
				missing = append(missing, name)
			}
			return "", name != ""
		})
		if err != nil {
			p.at(item.line, "command: %v", err)
			continue
		}
		for _, name := range missing {
			if message := p.placeholder(name); message != "" {
				p.at(item.line, "command: %q has the placeholder {%s}, %s", text, name, message)
			}
		}
	}
}

// placeholder says what is wrong with a placeholder, "" if every cell has a
// value for it.
func (p *parser) placeholder(name string) string {
	known := map[string]bool{"seed": true}
	for _, l := range p.layers() {
		for key := range l.lines {
			known[key] = true
		}
	}
	if !known[name] {
		if _, isKey := p.vocab.key(name); !isKey {
			message, _ := p.vocab.unknown(name)
			return "but " + message
		}
		names := sortedNames(known)
		if near := config.Near(name, names); len(near) > 0 {
			return "which no cell sets; did you mean " + strings.Join(near, " or ") + "?"
		}
		return "which no cell sets; the study sets " + list(names)
	}
	var without []string
	for _, c := range p.study.Cells {
		if !c.sets(name) {
			without = append(without, c.Name)
		}
	}
	if len(without) == 0 {
		return ""
	}
	return "which has no value in some cells; set it in [base] (cells " + list(without) + ")"
}

// sets reports whether the study sets a key of the cell.
func (c Cell) sets(key string) bool {
	has := func(s config.Settings) bool { _, ok := s[key]; return ok }
	return has(c.source.start) || slices.ContainsFunc(c.over, has)
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// External begins the numeric version of every external trainer; a hash of the
// program follows.
const External = "external:"

// Snapshot reads the trainer's files in the folder dir, sorted by name, and hashes command and files:
// 16 hex digits. Folders are walked without what begins with a dot and without Python's __pycache__, which
// come and go by themselves. Whatever is neither file nor folder, a symbolic link above all, is an error: what
// it stands for could change.
func (t *Trainer) Snapshot(dir string) (hash string, files []File, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", nil, fmt.Errorf("cannot read the trainer's files: %w", err)
	}
	defer root.Close()
	s := snapshot{fsys: root.FS(), found: map[string]File{}}
	var errs []error
	for _, name := range t.Files {
		errs = append(errs, s.add(path.Clean(name)))
	}
	for _, arg := range t.Command {
		errs = append(errs, s.unlisted(arg))
	}
	if err := errors.Join(errs...); err != nil {
		return "", nil, err
	}
	for _, f := range s.found {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return t.hash(files), files, nil
}

// hash covers the command and every file's name and content, a JSON value
// each, so that none can pass for another.
func (t *Trainer) hash(files []File) string {
	h := sha256.New()
	e := json.NewEncoder(h) // neither it nor a hash can fail
	_ = e.Encode(t.Command)
	for _, f := range files {
		_ = e.Encode([]string{f.Name, fmt.Sprintf("%x", sha256.Sum256(f.Content))})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

type snapshot struct {
	fsys  fs.FS
	found map[string]File
	size  int64
}

// add reads a file, or all files of a folder.
func (s *snapshot) add(name string) error {
	for at := range slashes(name) { // a link on the way leads elsewhere too
		info, err := fs.Lstat(s.fsys, at)
		if err != nil {
			return fmt.Errorf("trainer: files names %s, which cannot be read: %w", name, bare(err))
		}
		if mode := info.Mode(); mode&fs.ModeSymlink != 0 || at != name && !info.IsDir() {
			return notPlain(at, info.Mode())
		}
	}
	files := 0
	err := fs.WalkDir(s.fsys, name, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("trainer: cannot read %s: %w", at, bare(err))
		case at != name && (strings.HasPrefix(d.Name(), ".") || d.Name() == "__pycache__"):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return notPlain(at, d.Type())
		}
		files++
		return s.read(at)
	})
	if err == nil && files == 0 {
		return fmt.Errorf("trainer: the folder %s of files has no file in it", name)
	}
	return err
}

func (s *snapshot) read(name string) error {
	if _, known := s.found[name]; known {
		return nil
	}
	info, err := fs.Stat(s.fsys, name)
	if err != nil {
		return fmt.Errorf("trainer: cannot read %s: %w", name, bare(err))
	}
	if s.size += info.Size(); s.size > maxFiles {
		return fmt.Errorf("trainer: files are more than %d MiB; list the program alone, and let it find its data by an absolute path", maxFiles>>20)
	}
	content, err := fs.ReadFile(s.fsys, name)
	if err != nil {
		return fmt.Errorf("trainer: cannot read %s: %w", name, bare(err))
	}
	s.found[name] = File{name, content, info.Mode()&0o111 != 0}
	return nil
}

// unlisted refuses an argument that names a file of the study's folder which
// the command, run with the listed files alone, would not find.
func (s *snapshot) unlisted(arg string) error {
	name := path.Clean(arg)
	if arg == "" || !fs.ValidPath(name) {
		return nil
	}
	if _, listed := s.found[name]; listed {
		return nil
	}
	if info, err := fs.Stat(s.fsys, name); err == nil && info.Mode().IsRegular() && !slices.Contains(strings.Split(name, "/"), "..") {
		return fmt.Errorf("trainer: command names the file %s, which files does not list: a run would not find it; add it", name)
	}
	return nil
}

// slashes yields a path's folders from the outermost on, and the path.
func slashes(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i, c := range name {
			if c == '/' && !yield(name[:i]) {
				return
			}
		}
		yield(name)
	}
}

func notPlain(name string, mode fs.FileMode) error {
	what := "neither file nor folder"
	if mode&fs.ModeSymlink != 0 {
		what = "a symbolic link"
	}
	return fmt.Errorf("trainer: %s is %s; files must be plain files and folders, so that what is hashed is what runs", name, what)
}

// bare takes the path off a file error, which the message has already.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

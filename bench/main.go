// Command bench compares the trainer's speed with PyTorch's on this machine:
// the same network, the same batch, one thread each, in turns. It prints a
// table of the ratios and writes it with date and machine to bench/RESULTS.md.
//
//	./justw bench-torch            all rows: about three quarters of an hour
//	./justw bench-torch --quick    one row in one round of few steps; writes no file
//
// It is run in the project's folder, and needs an interpreter of Python that
// has PyTorch (on Debian: apt install python3-torch). Ours is measured by
// "ablate bench trainer", PyTorch by torch_byol.py, which say what a step is.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is a size of the network.
type row struct {
	Arch         string
	Width, Batch int
	Steps        int  // to time, in a round
	AsItComes    bool // measure untuned PyTorch too
}

func (r row) String() string { return fmt.Sprintf("%s-%d", r.Arch, r.Width) }

var rows = []row{
	{"resnet8", 32, 128, 10, true},
	{"resnet8", 16, 128, 20, false},
	{"resnet8", 64, 128, 4, false},
	{"resnet18", 64, 32, 4, false},
}

// norms are ours; those that PyTorch's side calls otherwise are in peers.
var norms = []string{"bn", "ln", "none", "init", "gn+ws"}

// peers: after its first batch, init compensation is no norm at all.
var peers = map[string]string{"init": "none"}

// options are the command line.
type options struct {
	args          []string // what it takes to measure the same
	rows          []row
	norms         []string
	rounds, steps int // steps 0: the row's own
	sides         sides
	out           string
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.sides.python, err = findPython(o.sides.python); err != nil {
		return err
	}
	if err := o.sides.check(); err != nil {
		return err
	}
	r := report{
		Args: o.args, Date: time.Now().UTC(), Ours: revision(), Load: loadAverage(), Cores: runtime.NumCPU(), Rounds: o.rounds,
	}
	if r.Load > quiet {
		fmt.Fprintf(os.Stderr, "bench: the load average is %.2f%s: something else is running, which distorts the figures\n", r.Load, busy(r.Load))
	}
	return o.measure(r)
}

// measure fills r with both sides and then two processes at once, prints it
// and writes it to the file.
func (o options) measure(r report) error {
	if err := o.compare(&r); err != nil {
		return err
	}
	err := o.save(r) // before what may fail yet
	if err == nil && r.Cores > 1 {
		o.addJoint(&r)
		err = o.save(r)
	}
	fmt.Print(r.markdown())
	return err
}

func (o options) save(r report) error {
	if o.out == "" {
		return nil
	}
	return os.WriteFile(o.out, []byte(r.markdown()), 0o666)
}

// jointSteps is how many steps two processes need at least to be sure to run
// side by side for some of them.
const jointSteps = 6

// addJoint measures two processes at once, or notes why it could not.
func (o options) addJoint(r *report) {
	var err error
	if r.Joint, err = o.sides.joint(max(jointSteps, cmp.Or(o.steps, rows[0].Steps))); err != nil {
		r.Joint, r.NoJoint = nil, err.Error()
	}
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := f.Bool("quick", false, "one row, one round of two steps, and no file: to see whether all works")
	names := f.String("rows", "", "the `ROWS` to measure, comma separated, of "+rowNames()+" (default all)")
	kinds := f.String("norms", strings.Join(norms, ","), "the `NORMS` to measure")
	f.IntVar(&o.rounds, "rounds", 3, "`N` times each; the median counts")
	f.IntVar(&o.steps, "steps", 0, "`N` steps to time in a round (default: by row)")
	f.StringVar(&o.sides.python, "python", "", "the `INTERPRETER` that has PyTorch (default: python3, else /usr/bin/python3)")
	f.StringVar(&o.sides.ablate, "ablate", "bin/ablate", "the `PROGRAM` to measure")
	f.StringVar(&o.out, "out", "bench/RESULTS.md", "write the result to `FILE` too; \"\" for none")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	f.Visit(func(f *flag.Flag) { // not those that name something of this machine
		if value := f.Value.String(); f.Name == "rows" || f.Name == "norms" || f.Name == "rounds" || f.Name == "steps" {
			o.args = append(o.args, "--"+f.Name, value)
		}
	})
	if *quick {
		o.rounds, o.steps, o.out = 1, 2, ""
		*names = cmp.Or(*names, rows[0].String())
	}
	if o.rounds < 1 || o.steps < 0 || f.NArg() > 0 {
		return o, errors.New("--rounds must be at least 1, --steps at least 0, and there are no arguments")
	}
	if o.rows, err = chosen(*names); err != nil {
		return o, err
	}
	for _, n := range strings.Split(*kinds, ",") {
		if !slices.Contains(norms, n) {
			return o, fmt.Errorf("there is no norm %q; there is %s", n, strings.Join(norms, ", "))
		}
		o.norms = append(o.norms, n)
	}
	return o, nil
}

func rowNames() string {
	var names []string
	for _, r := range rows {
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// chosen returns the rows of these names, all for none.
func chosen(names string) (some []row, err error) {
	if names == "" {
		return rows, nil
	}
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(rows, func(r row) bool { return r.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q; there is %s", name, rowNames())
		}
		some = append(some, rows[i])
	}
	return some, nil
}

// compare measures both sides in turns, every round all that there is, so that
// a slow hour of the machine meets all alike.
func (o options) compare(r *report) error {
	for _, size := range o.rows {
		if o.steps > 0 {
			size.Steps = o.steps
		}
		for _, norm := range o.norms {
			r.Results = append(r.Results, result{row: size, Norm: norm})
		}
	}
	for round := range o.rounds {
		for i := range r.Results {
			res := &r.Results[i]
			if err := o.sides.measure(res); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "round %d of %d, %s, %s: %s\n", round+1, o.rounds, res.row, res.Norm, res.last())
		}
	}
	return nil
}

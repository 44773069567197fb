// Package results is the store: a SQLite file that holds every study, run,
// attempt, metric and event. The head has it open for writing; others may ask it
// something (OpenShared), and readers look, at any time.
package results

import (
	"slices"
	"time"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes. The first four are results; the rest are not.
const (
	Completed      Outcome = "completed"
	Collapsed      Outcome = "collapsed"       // separated at first, then not
	NeverSeparated Outcome = "never_separated" // not separated from step 0 on
	Diverged       Outcome = "diverged"        // NaN or infinity in the loss
	Failed         Outcome = "failed"
	Cancelled      Outcome = "cancelled"
	TimedOut       Outcome = "timed_out"
)

// IsResult reports whether the run has an outcome that counts as a result.
func (o Outcome) IsResult() bool {
	return o == Completed || o == Collapsed || o == NeverSeparated || o == Diverged
}

// Words is the outcome as people read it.
func (o Outcome) Words() string {
	switch o {
	case NeverSeparated:
		return "never separated"
	case TimedOut:
		return "timed out"
	}
	return string(o)
}

// Outcomes lists the outcomes in the order in which they are counted up:
// results first.
var Outcomes = []Outcome{Completed, Collapsed, NeverSeparated, Diverged, Failed, Cancelled, TimedOut}

// known reports whether o is one of the outcomes.
func (o Outcome) known() bool { return slices.Contains(Outcomes, o) }

// Study is a study as it was when it was started: text, overrides, cells and
// which run stands in which place.
type Study struct {
	ID      int64
	Name    string
	Text    []byte
	Sets    []string // overrides given on the command line
	Cells   []string // names, in order
	Slots   []Slot
	Created time.Time // when it was first started
	Started time.Time // when it was last started
	Paused  bool      // whether its runs are not to start
	Hash    string    // SHA-256 of name, text, overrides, cells and slots; of a study that is in a store
}

// Slot is the place of a run in a study.
type Slot struct {
	Cell  int // index into Study.Cells
	Seed  int
	RunID string
}

// Run is one run and what is known of it.
type Run struct {
	ID      string
	Cell    string // name of the cell that first asked for it
	Seed    int
	Config  []byte // canonical JSON of the resolved settings; nil in a list of runs
	Dataset string // content hash
	Trainer string // numeric version

	Outcome         Outcome // "" while there is none
	Reason          string  // why it failed, or how it collapsed
	Attempts        int
	Running         bool
	Step            int64 // progress of the newest attempt
	Steps           int64
	ImagesPerSecond float64
	Seconds         float64   // wall-clock time of all its attempts
	Phase           string    // what the newest attempt does: "train", "probe", "evaluate"
	Active          time.Time // its last sign of life, by its machine's clock; zero if none
}

// State is where an attempt stands.
type State string

// The states of an attempt.
const (
	Running     State = "running"     // at work, for all the store knows
	Interrupted State = "interrupted" // stopped without an outcome; the run can go on in another
	Ended       State = "ended"       // has an outcome
	Fenced      State = "fenced"      // a newer attempt took over before this one ended
)

// Attempt is one try at a run.
type Attempt struct {
	Number  int // 1, 2, ...
	State   State
	Outcome Outcome // "" unless it ended
	Reason  string
	Started time.Time // as its start line says, with the set-up before it; until then the time of its claim
	Active  time.Time // newest line of its journal that tells the time; zero if none
	Ended   time.Time // zero while it runs

	// Provenance, from its start line; zero before that.
	ResumeStep int64 // steps done when it took over
	Version    string
	Kernels    string
	CPU        string
	Host       string
	PID        int

	Offset  int64  // bytes of its journal that are in the store
	NextSeq int64  // number of the journal line that begins there
	Damage  string // why the journal is not read further, if it is not
}

// Event is something worth telling a person.
type Event struct {
	Key     int64 // rises with every event that the store takes
	Attempt int
	Time    time.Time
	Text    string
}

// Point is one value of a metric.
type Point struct {
	Step  int64
	Value float64 // NaN where the run reported NaN
}

// Ends are the first and the last point of a metric in a run.
type Ends struct {
	First, Last Point
}

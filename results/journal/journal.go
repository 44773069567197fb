// Package journal is the one codec of journals: the append-only files of JSON
// lines that an attempt's worker writes and the store ingests.
//
// A line is a JSON object with a sequence number, starting at 1, that ends in
// the CRC-32C of everything before it:
//
//	{"seq":7,"kind":"metrics","step":120,"metrics":{"loss":1.25},"crc":"5d2f01aa"}
package journal

// Kind says what a line reports.
type Kind string

// The kinds of line.
const (
	Start    Kind = "start"    // first line: who runs this, from which step
	Progress Kind = "progress" // how far and how fast; wall-clock figures live here, never in Metrics
	Metrics  Kind = "metrics"  // figures at a step
	Event    Kind = "event"    // something worth telling a person
	Outcome  Kind = "outcome"  // last line: how the run ended
)

// Line is one line of a journal.
type Line struct {
	Seq  int64 `json:"seq"`
	Kind Kind  `json:"kind"`
	Time int64 `json:"time,omitempty"` // Unix milliseconds; on the Start line, when the attempt began; never on Metrics lines

	Start    *StartInfo       `json:"start,omitempty"`
	Progress *ProgressInfo    `json:"progress,omitempty"`
	Step     int64            `json:"step,omitempty"`    // Metrics: optimizer steps done
	Metrics  map[string]Value `json:"metrics,omitempty"` // Metrics
	Text     string           `json:"text,omitempty"`    // Event; Outcome: why
	Outcome  string           `json:"outcome,omitempty"` // Outcome: a results.Outcome
}

// StartInfo is the provenance of an attempt.
type StartInfo struct {
	// ResumeStep is how many steps were done when this attempt took over; 0
	// for a fresh start. From here on the attempt speaks for the run: every
	// figure at this step or a later one is its to report, again if need be.
	ResumeStep int64  `json:"resume_step"`
	Steps      int64  `json:"steps"`   // steps of the whole run
	Version    string `json:"version"` // of the program: module version or VCS revision, "+dirty"
	Kernels    string `json:"kernels"` // "onednn 2.6.3" or "portable"
	CPU        string `json:"cpu"`     // model name and widest vector extension
	Host       string `json:"host"`
	PID        int    `json:"pid"`
}

// ProgressInfo tells how far an attempt is.
type ProgressInfo struct {
	Step            int64   `json:"step"`
	Steps           int64   `json:"steps"`
	ImagesPerSecond float64 `json:"images_per_second"`
	Phase           string  `json:"phase"` // "train", "probe", "evaluate"
}

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"ablate/orchestrator"
	"ablate/reports"
	"ablate/results"

	"github.com/urfave/cli/v2"
)

func notifyFlag() cli.Flag {
	return &cli.StringFlag{Name: "notify-command", Usage: "start `COMMAND` when a study or the queue has ended, with what\n\tbecame of it as JSON on its standard input; a program and arguments with spaces\n\tbetween, or a JSON list of them; it may take a minute"}
}

// notice is what a notify command is told.
type notice struct {
	Event    string                  `json:"event"`              // "study" or "queue": what has ended; "rest": nothing more is done for now
	Store    string                  `json:"store"`              // its folder
	Stopped  string                  `json:"stopped"`            // why before all was done, such as "out of time"; "" if all was done
	Study    string                  `json:"study,omitempty"`    // its name
	Sets     []string                `json:"sets,omitempty"`     // its overrides
	Total    int                     `json:"total,omitempty"`    // its different runs
	Done     int                     `json:"done,omitempty"`     // those that have a result
	Outcomes map[results.Outcome]int `json:"outcomes,omitempty"` // how many runs ended how
	Failed   []failureJSON           `json:"failed,omitempty"`   // the runs that ended without a result
	Claims   []verdictJSON           `json:"claims,omitempty"`   // what became of the study's claims
	Seconds  float64                 `json:"seconds,omitempty"`  // how long it took this time
}

type failureJSON struct {
	Run    string `json:"run"`    // its id
	Cell   string `json:"cell"`   // name
	Seed   int    `json:"seed"`   // of all its random streams
	Reason string `json:"reason"` // why
	Log    string `json:"log"`    // file with what its worker said
}

type verdictJSON struct {
	ID      string `json:"id"`      // the claim's name
	Verdict string `json:"verdict"` // "supported", "contradicted", "inconclusive" or "not run"
}

// notice tells what became of a study.
func (h *head) notice(study *results.Study, s orchestrator.Summary) notice {
	n := notice{
		Event: "study", Store: h.dir, Stopped: string(s.Stopped), Study: study.Name, Sets: study.Sets, Total: s.Total, Done: s.Done,
		Outcomes: s.Outcomes, Seconds: s.Took.Seconds(),
	}
	for _, f := range s.Failed {
		n.Failed = append(n.Failed, failureJSON{f.ID, f.Cell, f.Seed, f.Reason, f.Log})
	}
	report, err := reports.Build(h.store, study)
	if err != nil {
		h.say(fmt.Sprintf("%s cannot be reported on: %v", study.Name, err))
		return n
	}
	for _, claim := range report.Claims {
		n.Claims = append(n.Claims, verdictJSON{claim.ID, string(claim.Verdict)})
	}
	return n
}

// notifyPatience is how long a notify command may take.
const notifyPatience = time.Minute

// notifier passes notices to the --notify-command; nil if there is none.
type notifier func(notice)

func (n notifier) tell(what notice) {
	if n != nil {
		n(what)
	}
}

func (n notifier) study(h *head, study *results.Study, s orchestrator.Summary) {
	if n != nil {
		n(h.notice(study, s))
	}
}

func newNotifier(c *cli.Context) (notifier, error) {
	text := strings.TrimSpace(c.String("notify-command"))
	if text == "" {
		return nil, nil
	}
	argv := strings.Fields(text)
	if strings.HasPrefix(text, "[") {
		argv = nil
		if err := json.Unmarshal([]byte(text), &argv); err != nil || len(argv) == 0 {
			return nil, usagef("--notify-command must be a program and its arguments, or a JSON list of them, not %q", text)
		}
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return nil, usagef("--notify-command: %v", err)
	}
	return func(n notice) {
		if err := notifyOf(c.Context, argv, n); err != nil {
			fmt.Fprintf(c.App.ErrWriter, "ablate: the notify command failed: %v\n", err)
		}
	}, nil
}

func notifyOf(ctx context.Context, argv []string, n notice) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(append(text, '\n'))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return err
}

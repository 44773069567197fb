package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ablate/results"
	"ablate/words"
)

// What can be asked of a store's head.
const (
	AskPause  = "pause"  // a study: its runs save their state and stop, and none is started
	AskResume = "resume" // a paused study
	AskCancel = "cancel" // a run, a cell or a study: what has no result is not to be done
	AskRetry  = "retry"  // a study, its runs that ended in the outcomes listed behind a colon: "retry:failed,cancelled"
)

// Retry is the kind of request that asks for another try at the runs that ended
// in one of outcomes.
func Retry(outcomes []results.Outcome) string {
	names := make([]string, len(outcomes))
	for i, o := range outcomes {
		names[i] = string(o)
	}
	return AskRetry + ":" + strings.Join(names, ",")
}

// Demand has a request carried out: by the store's head, or here where there is
// none. It returns what became of it.
func Demand(ctx context.Context, dir string, r results.Request) (string, error) {
	for tries := 0; ; tries++ {
		answer, err := demandHere(dir, r)
		var held *HeldError
		if !errors.As(err, &held) || held.Reader {
			return answer, err
		}
		if held.Head.PID != 0 {
			if answer, err = demandOf(ctx, dir, r); !errors.Is(err, errNoHead) {
				return answer, err
			}
		}
		// Somebody has the store for a moment, or is about to become its head.
		if tries == demandTries {
			return "", held
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// demandTries is how often Demand looks for a head.
const demandTries = 20

// demandHere carries a request out as the head of a store that has none.
func demandHere(dir string, r results.Request) (string, error) {
	lock, err := Acquire(dir)
	if err != nil {
		return "", err
	}
	defer lock.Release()
	store, err := results.Open(dir)
	if err != nil {
		return "", err
	}
	defer store.Close()
	return carryOut(store, dir, r, nobody)
}

func nobody(string) bool { return false }

// errNoHead reports that the head is gone.
var errNoHead = errors.New("the head is gone")

// demandOf asks the head, and waits for its answer.
func demandOf(ctx context.Context, dir string, r results.Request) (string, error) {
	store, err := results.OpenShared(dir)
	if err != nil {
		return "", err
	}
	defer store.Close()
	if err := store.Ask(&r); err != nil {
		return "", err
	}
	for {
		now, err := store.Request(r.ID)
		if err != nil {
			return "", err
		}
		if why, refused := strings.CutPrefix(now.Answer, refusal); refused {
			return "", errors.New(why)
		}
		if !now.Done.IsZero() {
			return now.Answer, nil
		}
		if CurrentHead(dir) == nil {
			// Nobody else will answer it. Whoever is the next head may do so all the
			// same: doing it twice does no harm.
			return "", errors.Join(errNoHead, store.Answer(r.ID, "the head was gone; asked again"))
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(pollEvery / 4):
		}
	}
}

// answer carries out what was asked since the last look.
func (x *execution) answer() error {
	return answerRequests(x.Store, x.Dir, x.Display.Say, x.cancel, func(r results.Request) bool {
		if r.Study == x.study.ID {
			x.obey(r.Kind)
		}
		return r.Study == x.study.ID
	})
}

// AnswerRequests carries out, in a head that executes nothing at the moment, what
// was asked.
func AnswerRequests(store *results.Store, dir string, say func(string)) error {
	return answerRequests(store, dir, say, nobody, func(results.Request) bool { return false })
}

// answerRequests carries out what was asked and answers it. For atWork see
// carryOut; obey is told what was carried out, and reports whether it concerns a
// study that is being executed.
func answerRequests(store *results.Store, dir string, say func(string), atWork func(id string) bool, obey func(results.Request) bool) error {
	open, err := store.OpenRequests()
	if err != nil {
		return err
	}
	for _, r := range open {
		answer, err := carryOut(store, dir, r, atWork)
		if err != nil {
			answer = refusal + err.Error()
		} else if !obey(r) {
			answer += unattended(store, r)
		}
		say(answer)
		if err := store.Answer(r.ID, answer); err != nil {
			return err
		}
	}
	return nil
}

// unattended says of runs that are to be tried again if nobody is going to: their
// study is neither executed nor in the queue.
func unattended(store *results.Store, r results.Request) string {
	if !strings.HasPrefix(r.Kind, AskRetry) {
		return ""
	}
	queue, err := store.Queue()
	waits := func(e results.Entry) bool { return e.Study == r.Study && !e.State.Ended() }
	if err != nil || slices.ContainsFunc(queue, waits) {
		return ""
	}
	return "; nobody is going to do that yet: add the study to the queue, or run it when this head has ended"
}

// refusal begins the answer to a request that could not be carried out.
const refusal = "refused: "

// obey brings the execution in line with what was carried out in the store.
func (x *execution) obey(kind string) {
	switch {
	case kind == AskPause:
		x.paused = true
		for _, t := range x.active {
			t.stop()
		}
	case kind == AskResume:
		x.paused = false
	case strings.HasPrefix(kind, AskRetry):
		x.readmit()
	}
}

// readmit queues the runs that have been reopened.
func (x *execution) readmit() {
	known := map[string]bool{}
	for _, t := range slices.Concat(x.waiting, x.active) {
		known[t.id] = true
	}
	stored, err := x.Store.Runs(x.study)
	x.fail(err)
	for _, t := range x.tasks(stored) {
		run := stored[t.id]
		if known[t.id] || run.Outcome != "" {
			continue
		}
		x.summary.Outcomes[x.outcomes[t.id]]--
		x.summary.Failed = slices.DeleteFunc(x.summary.Failed, func(f Failure) bool { return f.ID == t.id })
		t.open(run)
		x.wait(t)
	}
}

// carryOut does in the store what is asked. atWork is told which runs are
// cancelled, and reports whether there is a worker that stops because of it.
func carryOut(store *results.Store, dir string, r results.Request, atWork func(id string) bool) (answer string, err error) {
	if r.Kind == AskCancel && r.Run != "" {
		return cancelRuns(store, dir, "run "+r.Run, []string{r.Run}, atWork)
	}
	study, err := store.StudyByID(r.Study)
	if err != nil {
		return "", err
	}
	kind, outcomes, _ := strings.Cut(r.Kind, ":")
	switch kind {
	case AskPause:
		return study.Name + " is paused: runs at work save their state and stop, and none is started", store.SetPaused(study.ID, true)
	case AskResume:
		return study.Name + " is no longer paused", store.SetPaused(study.ID, false)
	case AskCancel:
		what := study.Name
		if r.Cell != "" {
			what += ", cell " + r.Cell
		}
		return cancelRuns(store, dir, what, runsOf(study, r.Cell), atWork)
	case AskRetry:
		var which []results.Outcome
		for o := range strings.SplitSeq(outcomes, ",") {
			which = append(which, results.Outcome(o))
		}
		n, err := store.Reopen(study, which...)
		return fmt.Sprintf("%s: %s to be tried again", study.Name, words.Plural(n, "run")), err
	}
	return "", fmt.Errorf("this version of the program does not know how to %q; it is at work on the store, ask again when it has ended", r.Kind)
}

// runsOf lists the runs of a study, or of one of its cells, each once.
func runsOf(study *results.Study, cell string) []string {
	var ids []string
	known := map[string]bool{}
	for _, slot := range study.Slots {
		if (cell == "" || study.Cells[slot.Cell] == cell) && !known[slot.RunID] {
			known[slot.RunID] = true
			ids = append(ids, slot.RunID)
		}
	}
	return ids
}

// cancelRuns cancels those of the runs that have no outcome.
func cancelRuns(store *results.Store, dir, what string, ids []string, atWork func(id string) bool) (string, error) {
	stopping, cancelled, ended := 0, 0, 0
	for _, id := range ids {
		working := atWork(id)
		run, err := upToDate(store, dir, id, working)
		if err != nil {
			return "", err
		}
		switch {
		case run.Outcome != "":
			ended++
			continue
		case working:
			stopping++
		default:
			cancelled++
		}
		if err := store.CancelRun(id, "cancelled by request"); err != nil && !errors.Is(err, results.ErrHasResult) {
			return "", err
		}
	}
	parts := []string{words.Plural(cancelled+stopping, "run") + " cancelled"}
	if stopping > 0 {
		parts = append(parts, fmt.Sprintf("%d of them at work and stopping", stopping))
	}
	if ended > 0 {
		parts = append(parts, words.Plural(ended, "run")+" had ended before")
	}
	return what + ": " + strings.Join(parts, ", "), nil
}

// upToDate is a run after all that a dead head's workers have written about it
// was read. A living head reads what its own workers write.
func upToDate(store *results.Store, dir, id string, working bool) (*results.Run, error) {
	run, err := store.Run(id)
	if err != nil || working || run.Outcome != "" {
		return run, err
	}
	x := &execution{Scheduler: &Scheduler{Store: store, Dir: dir}}
	now := x.takeOver(x.newTask(*run), *run)
	return &now, x.err
}

// cancel cancels a run of the study that is executed. The caller records that;
// a worker that is at it is stopped, and the run counted when that is gone.
func (x *execution) cancel(id string) (atWork bool) {
	for _, t := range x.active {
		if t.id == id {
			t.ending, t.reason = results.Cancelled, "cancelled by request"
			t.stop()
			return true
		}
	}
	waiting := len(x.waiting)
	x.waiting = slices.DeleteFunc(x.waiting, func(t *task) bool { return t.id == id })
	if len(x.waiting) < waiting {
		x.note(id, results.Cancelled)
	}
	return false
}

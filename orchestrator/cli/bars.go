package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"ablate/orchestrator"
	"ablate/words"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars shows a line for each active run and one for the whole, on a terminal.
type bars struct {
	p     *mpb.Progress
	total *line
	runs  map[string]*line
}

// line is a bar with text at its sides. The screen is drawn by a goroutine of
// its own, so the texts are guarded.
type line struct {
	bar         *mpb.Bar
	mu          sync.Mutex
	left, right string
}

// barSteps is the resolution of a bar.
const barSteps = 1000

func newBars(w io.Writer, options ...mpb.ContainerOption) *bars {
	options = append([]mpb.ContainerOption{mpb.WithOutput(w), mpb.WithWidth(24), mpb.WithRefreshRate(300 * time.Millisecond)}, options...)
	b := &bars{p: mpb.New(options...), runs: map[string]*line{}}
	b.total = b.add("all runs", mpb.BarPriority(1<<20)) // the last line
	return b
}

func (b *bars) add(left string, options ...mpb.BarOption) *line {
	l := &line{left: left}
	text := func(get func() string) func(decor.Statistics) string {
		return func(decor.Statistics) string {
			l.mu.Lock()
			defer l.mu.Unlock()
			return get()
		}
	}
	options = append(options, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(text(func() string { return l.left }), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(text(func() string { return l.right }))))
	l.bar = b.p.AddBar(barSteps, options...)
	return l
}

func (l *line) set(fraction float64, right string) {
	l.mu.Lock()
	l.right = right
	l.mu.Unlock()
	l.bar.SetCurrent(int64(fraction * (barSteps - 1))) // a full bar would vanish
}

func (b *bars) Begin(s orchestrator.Status) {
	if b.runs[s.ID] == nil {
		b.runs[s.ID] = b.add(runName(s))
	}
	b.runs[s.ID].set(s.Fraction(), "starting")
}

func (b *bars) Progress(active []orchestrator.Status, total orchestrator.Total) {
	done := float64(total.Done)
	for _, s := range active {
		done += s.Fraction()
		if l := b.runs[s.ID]; l != nil && s.Steps > 0 {
			right := fmt.Sprintf("%3.0f %%", 100*s.Fraction())
			if s.Phase != "" {
				right += " " + s.Phase
			}
			l.set(s.Fraction(), right+speed(s))
		}
	}
	b.total.set(done/float64(max(1, total.All)), progressOf(total))
}

func (b *bars) End(s orchestrator.Status, e orchestrator.End) {
	b.drop(s.ID)
	b.say(runName(s) + ": " + ending(e))
}

func (b *bars) Idle(s orchestrator.Status) { b.drop(s.ID) }

func (b *bars) Say(text string) { b.say("ablate: " + text) }

// say prints a line above the bars, over what the terminal may have put there:
// a Ctrl-C leaves a ^C, and the cursor behind it.
func (b *bars) say(text string) { fmt.Fprintf(b.p, "\r\x1b[K%s\n", words.Printable(text)) }

func (b *bars) drop(id string) {
	if l := b.runs[id]; l != nil {
		l.bar.Abort(true)
		delete(b.runs, id)
	}
}

// close removes what is left of the bars.
func (b *bars) close() {
	for id := range b.runs {
		b.drop(id)
	}
	b.total.bar.Abort(true)
	b.p.Wait()
}

package orchestrator

import (
	"fmt"
	"strings"
	"time"
)

// ClockTime is a time of the day on the wall.
type ClockTime struct{ Hour, Minute int }

// ParseClock reads a time of the day such as "08:00".
func ParseClock(text string) (ClockTime, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return ClockTime{}, fmt.Errorf("a time of the day is written as 08:00, not %q", text)
	}
	return ClockTime{t.Hour(), t.Minute()}, nil
}

func (c ClockTime) String() string { return fmt.Sprintf("%02d:%02d", c.Hour, c.Minute) }

// on is the time on the day of t, some days later.
func (c ClockTime) on(t time.Time, days int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+days, c.Hour, c.Minute, 0, 0, t.Location())
}

// Next is the first such time after t. On a day whose clocks are set forward
// over it, it is what time.Date makes of it: as much later.
func (c ClockTime) Next(t time.Time) time.Time {
	for days := 0; ; days++ {
		if next := c.on(t, days); next.After(t) {
			return next
		}
	}
}

// Window is a part of every day, such as the night from 22:00 to 08:00.
type Window struct{ From, To ClockTime }

// ParseWindow reads a window such as "22:00-08:00".
func ParseWindow(text string) (Window, error) {
	from, to, ok := strings.Cut(text, "-")
	f, errFrom := ParseClock(strings.TrimSpace(from))
	t, errTo := ParseClock(strings.TrimSpace(to))
	if !ok || errFrom != nil || errTo != nil || f == t {
		return Window{}, fmt.Errorf("a part of the day is written as 22:00-08:00, not %q", text)
	}
	return Window{f, t}, nil
}

func (w Window) String() string { return w.From.String() + "-" + w.To.String() }

// Length is how long the window is on most days.
func (w Window) Length() time.Duration {
	minutes := 60*(w.To.Hour-w.From.Hour) + w.To.Minute - w.From.Minute
	return time.Duration((minutes+24*60)%(24*60)) * time.Minute
}

// At returns when the window that t lies in closes; or, if it lies in none, when
// the next one opens.
func (w Window) At(t time.Time) (open bool, until time.Time) {
	for days := -1; days <= 0; days++ {
		from := w.From.on(t, days)
		if to := w.To.Next(from); !t.Before(from) && t.Before(to) {
			return true, to
		}
	}
	return false, w.From.Next(t)
}

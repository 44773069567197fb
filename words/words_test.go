package words

import (
	"testing"
	"time"
)

func TestQuote(t *testing.T) {
	for arg, want := range map[string]string{"epochs=1": "epochs=1", "a b": "'a b'", "it's": `'it'\''s'`, "": "''"} {
		if got := Quote(arg); got != want {
			t.Errorf("Quote(%q) = %s, want %s", arg, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 runs", 1: "1 run", 2: "2 runs"} {
		if got := Plural(n, "run"); got != want {
			t.Errorf("Plural(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got, want := Printable("a\x1b[31mré\u009bd\n"), "a [31mré d "; got != want {
		t.Errorf("Printable gives %q, want %q", got, want)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1000: "1000 B", 1023 << 10: "1023 KiB", 512 << 20: "512 MiB", 3 << 29: "1.5 GiB", 1500e6: "1.397 GiB", 1 << 50: "1024 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0.0 s",
		1234 * time.Millisecond: "1.2 s",
		59 * time.Second:        "59 s",
		61 * time.Second:        "1 min 01 s",
		3*time.Hour + 29*time.Minute + 31*time.Second: "3 h 30 min",
		50 * time.Hour: "2 d 02 h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond:          "0 s",
		99 * time.Second:                "99 s",
		35*time.Minute + 44*time.Second: "36 min",
		99 * time.Minute:                "99 min",
		100 * time.Minute:               "1.5 h",
		7*time.Hour + 50*time.Minute:    "8 h",
		31 * time.Hour:                  "31 h",
		50 * 24 * time.Hour:             "50 days",
	} {
		if got := Roughly(d); got != want {
			t.Errorf("Roughly(%v) = %q, want %q", d, got, want)
		}
	}
}

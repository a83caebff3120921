package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// visible shows characters that cannot be seen, or change how others are read, as their code. Line ends and tabs stay.
func visible(s string) string {
	odd := func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029')
	}
	if !strings.ContainsFunc(s, odd) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if odd(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// line is a text in one line of at most n bytes.
func line(s string, n int) string {
	return visible(clipped(strings.Join(strings.Fields(s), " "), n))
}

// clipped cuts a text to at most n bytes and says so by an ellipsis.
func clipped(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// number groups digits by thousands.
func number[T int | int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a count with its noun.
func plural[T int | int64](n T, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "ch"):
		noun += "es"
	default:
		noun += "s"
	}
	return number(n) + " " + noun
}

// size writes a number of bytes.
func size(n int) string {
	switch {
	case n < 1<<10:
		return plural(n, "byte")
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// score writes a number of votes or a share with as many digits as it needs, at most four behind the point.
func score(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 4, 64), "0"), ".")
}

// cost says what was used, in words; nothing for what was not.
func cost(u *runtime.Usage) []string {
	var parts []string
	if n := u.InputTokens + u.OutputTokens; n > 0 {
		parts = append(parts, plural(n, "token"))
	}
	if u.CostMicroUSD > 0 {
		parts = append(parts, story.Dollars(u.CostMicroUSD))
	}
	return parts
}

// moment is a time on the page.
type moment struct {
	Machine string // RFC 3339
	People  string
}

func momentOf(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &moment{t.Format(time.RFC3339Nano), t.Format("2006-01-02 15:04:05 UTC")}
}

package screen

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"github.com/parallax-run/parallax/runtime"
)

// clean makes text from a script or an agent safe for a terminal and fit for one line: control characters, which could move
// the cursor or set the window's title, become spaces, and runs of spaces become one.
func clean(s string) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		if unicode.IsControl(r) || unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		if b.Len() > maxLabel {
			break
		}
	}
	return b.String()
}

// maxLabel bounds, in bytes, what is kept of any text for the screen.
const maxLabel = 400

// columns is the number of terminal cells that s takes; s has no control characters.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += cells(r)
	}
	return n
}

func cells(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	case width.Neutral, width.EastAsianAmbiguous, width.EastAsianNarrow, width.EastAsianHalfwidth:
	}
	return 1
}

// fit shortens s to at most n cells.
func fit(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	if n <= 0 {
		return ""
	}
	used := 0
	for i, r := range s {
		c := cells(r)
		if used+c > n-1 {
			return s[:i] + "…"
		}
		used += c
	}
	return s
}

// elapsed writes a duration in at most six characters where it can.
func elapsed(d time.Duration) string {
	switch {
	case d < 0:
		return "0ms"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// number groups digits by thousands.
func number[T int | int64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a count with its noun.
func plural[T int | int64](n T, noun string) string {
	if n == 1 {
		return number(n) + " " + noun
	}
	if strings.HasSuffix(noun, "ch") {
		return number(n) + " " + noun + "es"
	}
	return number(n) + " " + noun + "s"
}

// dollars writes an amount in millionths of a dollar, two significant digits below a cent.
func dollars(micro int64) string {
	switch usd := float64(micro) / 1e6; {
	case micro >= 10_000:
		return fmt.Sprintf("$%.2f", usd)
	case micro >= 100:
		return fmt.Sprintf("$%.4f", usd)
	default:
		return fmt.Sprintf("$%.6f", usd)
	}
}

// metrics describes tokens, money and confidence; what is not known is left out.
func metrics(u *runtime.Usage, confidence *float64) []string {
	var parts []string
	if u != nil {
		if t := u.InputTokens + u.OutputTokens; t > 0 {
			parts = append(parts, number(t)+" tok")
		}
		if u.CostMicroUSD > 0 {
			parts = append(parts, dollars(u.CostMicroUSD))
		}
	}
	if confidence != nil {
		parts = append(parts, fmt.Sprintf("conf %.2f", *confidence))
	}
	return parts
}

// says describes an error in one line: its code where the message does not say as much, and the message.
func says(e *runtime.Error) string {
	if e == nil {
		return "failed"
	}
	msg := clean(e.Message)
	if e.Code == runtime.Script || e.Code == runtime.Failed || strings.Contains(msg, string(e.Code)) {
		return msg
	}
	return string(e.Code) + ": " + msg
}

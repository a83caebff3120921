package screen

import (
	"fmt"
	"io"
	"strings"
)

// maxAgents is how many agents a summary lists.
const maxAgents = 12

// summary writes what the run took, who worked and what failed. end says in words how it ended, state as a colour.
func summary(w io.Writer, s style, t *Tally, end string, good bool) {
	var b strings.Builder
	mark, paint := "✓", s.good
	if !good {
		mark, paint = "✗", s.bad
	}
	fmt.Fprintf(&b, "%s in %s", paint(mark+" "+end), elapsed(t.Ended.Sub(t.Started)))
	for _, part := range t.totals() {
		b.WriteString(s.faint(", ") + part)
	}
	b.WriteByte('\n')
	agents(&b, s, t)
	failures(&b, s, t)
	_, _ = io.WriteString(w, b.String())
}

func (t *Tally) totals() []string {
	var parts []string
	if n := len(t.Agents); n > 0 {
		parts = append(parts, plural(n, "agent"), plural(t.Calls, "call"))
	}
	if t.Cached > 0 {
		parts = append(parts, number(t.Cached)+" cached")
	}
	if t.Branches > 0 {
		parts = append(parts, plural(t.Branches, "branch"))
	}
	if t.Retries > 0 {
		parts = append(parts, number(t.Retries)+" tried again")
	}
	if t.Failed > 0 {
		parts = append(parts, number(t.Failed)+" failed")
	}
	if n := t.Usage.InputTokens + t.Usage.OutputTokens; n > 0 {
		parts = append(parts, plural(n, "token"))
	}
	if t.Usage.CostMicroUSD > 0 {
		parts = append(parts, dollars(t.Usage.CostMicroUSD))
	}
	return parts
}

func agents(b *strings.Builder, s style, t *Tally) {
	list := t.ranked()
	widest := 0
	for _, a := range list[:min(len(list), maxAgents)] {
		widest = max(widest, min(columns(clean(a.Name)), 32))
	}
	for i, a := range list {
		if i == maxAgents {
			fmt.Fprintf(b, "  %s\n", s.faint("… "+plural(len(list)-i, "more agent")))
			return
		}
		name := fit(clean(a.Name), 32)
		fmt.Fprintf(b, "  %s%s  %s", name, strings.Repeat(" ", widest-columns(name)), s.faint(plural(a.Calls, "call")))
		if a.Failed > 0 {
			b.WriteString(s.faint(", ") + s.bad(number(a.Failed)+" failed"))
		}
		b.WriteString(s.faint(", " + elapsed(a.Time)))
		for _, m := range metrics(&a.Usage, nil) {
			b.WriteString(s.faint(", " + m))
		}
		b.WriteByte('\n')
	}
}

func failures(b *strings.Builder, s style, t *Tally) {
	if len(t.Failures) == 0 {
		return
	}
	b.WriteString("  failures:\n")
	for _, f := range t.Failures {
		who := ""
		if f.Agent != "" {
			who = clean(f.Agent) + " "
		}
		fmt.Fprintf(b, "    %s %s%s\n", s.faint(f.Where), s.bad(who), fit(says(f.Err), maxLabel))
		if f.Err != nil && f.Err.Hint != "" {
			fmt.Fprintf(b, "      %s\n", s.faint("hint: "+fit(clean(f.Err.Hint), 200)))
		}
	}
	if t.More > 0 {
		fmt.Fprintf(b, "    %s\n", s.faint("… "+plural(t.More, "more failure")))
	}
}

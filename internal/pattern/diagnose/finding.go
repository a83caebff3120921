// Package diagnose says what an author meant who wrote something that is not Starlark, or is Starlark and wrong.
//
// The interpreter stops at the first thing it cannot read. This package reads on: a tolerant scanner and one rule for each habit
// from Python, JavaScript and C name the construct, say why there is none, and propose edits. What can be read is searched for what is
// legal and wrong. Everything here is a pure function of the text.
package diagnose

import (
	"slices"
	"strings"
)

// Finding is one thing wrong with a text.
type Finding struct {
	Code    string
	Offset  int // in bytes
	Message string
	Hint    string // the next step, or ""
	Warning bool   // a pattern with warnings only may run
	Fix     *Fix   // nil when there is no mechanical one
}

// Fix is a change of the text that ends a finding.
type Fix struct {
	// Safe says that the change means what the author wrote. What is not safe is for the author to judge.
	Safe bool `json:"safe"`
	// Edits are in the order of the text and do not overlap.
	Edits []Edit `json:"edits"`
	// Rewrite is the changed lines as they would read then.
	Rewrite string `json:"rewrite"`
}

// Edit replaces the bytes from Start up to End.
type Edit struct {
	Start int    `json:"start"`
	End   int    `json:"end"`
	New   string `json:"new"`
}

// Apply makes edits that are in order and do not overlap.
func Apply(text string, edits []Edit) string {
	var b strings.Builder
	at := 0
	for _, e := range edits {
		b.WriteString(text[at:e.Start])
		b.WriteString(e.New)
		at = e.End
	}
	b.WriteString(text[at:])
	return b.String()
}

// tidy orders edits and says whether they are sound: within the text, whole characters apart, not overlapping.
func tidy(text string, edits []Edit) bool {
	slices.SortStableFunc(edits, func(a, b Edit) int { return a.Start - b.Start })
	at := 0
	for _, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(text) {
			return false
		}
		at = e.End
	}
	return true
}

// maxRewrite is how many lines of a rewrite are shown.
const maxRewrite = 24

// rewrite gives the lines that edits touch, as they read afterwards, without the indentation that all of them have.
func rewrite(text string, edits []Edit) string {
	if len(edits) == 0 {
		return ""
	}
	first, last := edits[0].Start, edits[len(edits)-1].End
	from := strings.LastIndexByte(text[:first], '\n') + 1
	to := len(text)
	if last == 0 || last == from || text[last-1] != '\n' {
		if i := strings.IndexByte(text[last:], '\n'); i >= 0 {
			to = last + i
		}
	} else {
		to = last
	}
	moved := make([]Edit, len(edits))
	for i, e := range edits {
		moved[i] = Edit{e.Start - from, e.End - from, e.New}
	}
	lines := strings.Split(strings.Trim(Apply(text[from:to], moved), "\n"), "\n")
	if len(lines) > maxRewrite {
		lines = append(lines[:maxRewrite], "...")
	}
	return Redact(dedent(lines))
}

// dedent joins lines without the indentation that all of them share.
func dedent(lines []string) string {
	common := -1
	for _, l := range lines {
		if body := strings.TrimLeft(l, " \t"); body != "" && l != "..." {
			if n := len(l) - len(body); common < 0 || n < common {
				common = n
			}
		}
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l[min(max(common, 0), len(l)-len(strings.TrimLeft(l, " \t"))):]
	}
	return strings.TrimRight(strings.Join(out, "\n"), " \t\n")
}

// ApplySafe makes the safe changes among the findings that do not get in each other's way, and says how many.
func ApplySafe(text string, findings []Finding) (string, int) {
	return apply(text, findings, func(f *Fix) bool { return f.Safe })
}

// apply makes the chosen changes, the first in the text first; what overlaps an earlier one waits for the next round.
func apply(text string, findings []Finding, choose func(*Fix) bool) (string, int) {
	var taken []Edit
	n := 0
	for _, f := range findings {
		if f.Fix == nil || !choose(f.Fix) {
			continue
		}
		all := append(slices.Clone(taken), f.Fix.Edits...)
		if tidy(text, all) && !crowded(taken, f.Fix.Edits) {
			taken = all
			n++
		}
	}
	return Apply(text, taken), n
}

// crowded says that two changes meet at one place, where their order would matter.
func crowded(taken, edits []Edit) bool {
	for _, e := range edits {
		i, _ := slices.BinarySearchFunc(taken, e, func(a, b Edit) int { return a.End - b.Start })
		if i < len(taken) && taken[i].Start <= e.End {
			return true
		}
	}
	return false
}

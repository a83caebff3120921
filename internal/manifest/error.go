package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a manifest, line and column counted from 1, the column in characters.
type Pos struct{ Line, Col int }

// Problem is one thing wrong with a manifest.
type Problem struct {
	File    string
	Pos     Pos
	Message string
	Hint    string // the next step, or ""
	Source  string // the line at Pos, with what may be a secret left out
}

func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Pos.Line, p.Pos.Col, p.Message)
}

// Error is everything wrong with a manifest, in the order in which it stands there. There is at least one Problem.
type Error struct{ Problems []Problem }

// Error shows each problem with its source line and the next step.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
		if p.Source != "" {
			fmt.Fprintf(&b, "\n  %s\n  %s^", p.Source, indent(p.Source, p.Pos.Col))
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "\n  %s", p.Hint)
		}
	}
	return b.String()
}

// indent is the blank that puts a caret below column col of a line, tabs kept.
func indent(line string, col int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= col-1 {
			break
		}
		if r == '\t' {
			b.WriteRune('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// maxProblems is how many problems an Error lists.
const maxProblems = 20

// err gives the problems found so far, or nil.
func (d *document) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
	if n := len(d.problems); n > maxProblems {
		d.problems = d.problems[:maxProblems]
		d.problems[maxProblems-1].Hint = fmt.Sprintf("and %d more problems", n-maxProblems)
	}
	return &Error{d.problems}
}

// problem notes what is wrong at a place.
func (d *document) problem(pos Pos, hint, format string, args ...any) {
	d.problems = append(d.problems, Problem{
		File: d.name, Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint, Source: redact(d.line(pos.Line)),
	})
}

// maxExcerpt is how many characters of a source line are shown.
const maxExcerpt = 200

var keyAtStart = lazily(`["']?([A-Za-z0-9_.-]+)["']?\s*=\s*`)

// redact takes out of a source line what may be a secret, and what is too long to show.
func redact(line string) string {
	for _, at := range keyAtStart().FindAllStringSubmatchIndex(line, -1) {
		key := line[at[2]:at[3]]
		if secretKey(key[strings.LastIndexByte(key, '.')+1:]) {
			line = line[:at[1]] + "..."
			break
		}
	}
	line = secretText().ReplaceAllString(line, "...")
	if runes := []rune(line); len(runes) > maxExcerpt {
		line = string(runes[:maxExcerpt]) + " ..."
	}
	return line
}

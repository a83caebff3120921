package pattern

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/parallax-run/parallax/internal/pattern/diagnose"
	"github.com/parallax-run/parallax/runtime"
)

// Severity says how bad a finding is.
type Severity string

// Severities. A pattern with an error does not run.
const (
	IsError   Severity = "error"
	IsWarning Severity = "warning"
)

// Finding is one thing wrong with a pattern.
type Finding struct {
	File     string   `json:"file"` // as the package calls it: its path below the root
	Line     int      `json:"line"`
	Col      int      `json:"col"`  // in characters, from 1
	Code     string   `json:"code"` // stable
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	Severity Severity `json:"severity"`
	// Fix is a change that ends the finding, or nil. Its edits count bytes of the file.
	Fix *diagnose.Fix `json:"fix,omitempty"`

	captured string // of late binding: the name of the variable
	trace    string // of top-level code: the way there, where it has several stations
}

func (f Finding) String() string {
	if f.File == "" {
		return f.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Message)
}

// Manual is the command that prints the page of the finding's code, "" where there is none.
func (f Finding) Manual() string {
	if _, ok := diagnose.Lookup(f.Code); !ok {
		return ""
	}
	return "parallax explain " + f.Code
}

// SourceError says what is wrong with a pattern's source. It wraps the runtime's *SourceError, or the *Error of top-level code, and
// knows the sources, so that excerpts can be shown.
type SourceError struct {
	Findings []Finding
	Sources  map[string][]byte // by Finding.File
	err      error
}

func (e *SourceError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

func (e *SourceError) Unwrap() error { return e.err }

// Excerpts shows each finding with its line of source.
func (e *SourceError) Excerpts() string { return excerpts(e.Findings, e.Sources) }

func excerpts(findings []Finding, sources map[string][]byte) string {
	parts := make([]string, len(findings))
	for i, f := range findings {
		parts[i] = Excerpt(f, sources[f.File])
	}
	return strings.Join(parts, "\n\n")
}

// wrong makes the error of a graph.
func (g *graph) wrong(findings []runtime.Finding) error {
	return &SourceError{Findings: g.explained(findings), Sources: g.sources(), err: &runtime.SourceError{Findings: findings}}
}

// sourced adds sources to what the compiler says.
func (g *graph) sourced(err error) error {
	if wrong, ok := errors.AsType[*runtime.SourceError](err); ok {
		return g.wrong(wrong.Findings)
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return &SourceError{Findings: []Finding{topLevel(e)}, Sources: g.sources(), err: err}
	}
	return err
}

// topLevel is the finding of top-level code that failed, at the place of the trace that is of most use.
func topLevel(e *runtime.Error) Finding {
	pos, message := e.Told()
	f := Finding{Code: "top-level", Message: message, Hint: e.Hint, Severity: IsError}
	if file, line, col, ok := cutPos(pos); ok {
		f.File, f.Line, f.Col = file, line, col
	}
	stations := 0
	for _, frame := range e.Trace {
		if frame.Pos != "" {
			stations++
		}
	}
	if stations > 1 {
		f.trace = strings.TrimRight(e.Backtrace(), "\n")
	}
	return f
}

// SplitPos takes "file:line:col" apart; what is no such text is the file.
func SplitPos(pos string) (file string, line, col int) {
	if file, line, col, ok := cutPos(pos); ok {
		return file, line, col
	}
	return pos, 0, 0
}

// cutPos takes file:line:col apart.
func cutPos(pos string) (file string, line, col int, ok bool) {
	rest, c, ok := cutLast(pos)
	if !ok {
		return "", 0, 0, false
	}
	file, l, ok := cutLast(rest)
	return file, l, c, ok
}

func cutLast(s string) (string, int, bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(s[i+1:])
	return s[:i], n, err == nil
}

// errorsOf makes findings of the runtime's.
func errorsOf(list []runtime.Finding) []Finding {
	out := make([]Finding, len(list))
	for i, f := range list {
		out[i] = Finding{
			File: f.Pos.Filename(), Line: int(f.Pos.Line), Col: int(f.Pos.Col),
			Code: f.Code, Message: f.Message, Hint: f.Hint, Severity: IsError,
		}
	}
	return out
}

// Width of an excerpt in characters, and how much of it stands before the caret of a long line.
const (
	excerptWidth  = 140
	excerptBefore = 60
)

// Excerpt shows a finding for people: place and message, the line of source, a caret below the column, what to write, the next step, the
// manual page. Control characters and secrets of the source are not passed on.
func Excerpt(f Finding, source []byte) string {
	var b strings.Builder
	b.WriteString(diagnose.Redact(plain(f.String())))
	if line, ok := lineOf(source, f.Line); ok && strings.TrimSpace(line) != "" {
		text, indent := clip([]rune(diagnose.Redact(plain(line))), f.Col)
		fmt.Fprintf(&b, "\n    %s\n    %s^", text, indent)
	}
	if f.Fix != nil && f.Fix.Rewrite != "" {
		b.WriteString("\n  write:")
		for line := range strings.SplitSeq(f.Fix.Rewrite, "\n") {
			text, _ := clip([]rune(plain(line)), 1)
			b.WriteString("\n    " + text)
		}
	}
	if f.trace != "" {
		b.WriteString("\n" + plain(f.trace))
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "\n  hint: %s", plain(f.Hint))
	}
	if manual := f.Manual(); manual != "" {
		b.WriteString("\n  more: " + manual)
	}
	return b.String()
}

// lineOf is a line of a text, counted from 1.
func lineOf(source []byte, n int) (string, bool) {
	for line := range strings.Lines(string(source)) {
		if n--; n == 0 {
			return strings.TrimRight(line, "\r\n"), true
		}
	}
	return "", false
}

// clip cuts a long line around column col and gives what indents a caret below it.
func clip(line []rune, col int) (text, indent string) {
	col = max(col, 1)
	prefix, suffix := "", ""
	if len(line) > excerptWidth {
		start := max(0, min(col-1-excerptBefore, len(line)-excerptWidth))
		end := start + excerptWidth
		if start > 0 {
			prefix = "..."
		}
		if end < len(line) {
			suffix = "..."
		}
		line, col = line[start:end], col-start
	}
	blank := []rune(strings.Repeat(" ", len(prefix)))
	for _, r := range line[:min(col-1, len(line))] {
		if r == '\t' {
			blank = append(blank, '\t')
		} else {
			blank = append(blank, ' ')
		}
	}
	return prefix + string(line) + suffix, string(blank)
}

// plain replaces what would act on a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return '\ufffd'
		}
		return r
	}, s)
}

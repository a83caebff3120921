package index

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is one thing to say about a file of an index.
type Finding struct {
	File    string `json:"file"`           // below the root of the index, with slashes
	Line    int    `json:"line,omitempty"` // from 1; 0 where it is about the file as a whole
	Warning bool   `json:"warning"`        // for a person to judge; without it the index cannot be built
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // the next step
}

func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// Problems is an error made of findings that are not warnings. There is at least one.
type Problems []Finding

func (p Problems) Error() string {
	var b strings.Builder
	for i, f := range p {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// findings collects what is found in one file after the other.
type findings struct {
	file  string
	lines map[string]int // of file, by path; nil when they are not known
	list  []Finding

	signed bool // somebody vouches for what is read: values are not looked into
}

// wrong notes what must not be at a path of the file: versions[2].h1, or "".
func (f *findings) wrong(path, hint, format string, args ...any) {
	f.list = append(f.list, Finding{File: f.file, Line: f.line(path), Message: fmt.Sprintf(format, args...), Hint: hint})
}

// remark notes what a person should look at.
func (f *findings) remark(path, hint, format string, args ...any) {
	f.wrong(path, hint, format, args...)
	f.list[len(f.list)-1].Warning = true
}

// line finds the line of a path, or of what is around it.
func (f *findings) line(path string) int {
	for {
		if n, ok := f.lines[path]; ok || path == "" {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

func (f *findings) errors() []Finding { return errorsIn(f.list) }

func errorsIn(list []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(list), func(f Finding) bool { return f.Warning })
}

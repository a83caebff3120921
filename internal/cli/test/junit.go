package test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
)

// The results as JUnit writes them, which build servers read.
type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"` // seconds
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr,omitempty"`
	Time    string        `xml:"time,attr"`
	Failure *junitTrouble `xml:"failure,omitempty"`
	Error   *junitTrouble `xml:"error,omitempty"`
	Out     string        `xml:"system-out,omitempty"` // warnings
}

type junitTrouble struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junit writes the results to a file, in one step.
func (r *report) junit(path string, took time.Duration) error {
	all := junitReport{Tests: r.ok + r.failed + r.wrong, Failures: r.failed, Errors: r.wrong, Time: seconds(took)}
	for _, f := range r.files {
		all.Suites = append(all.Suites, junitOf(f))
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return replace(path, append([]byte(xml.Header), append(text, '\n')...))
}

func junitOf(f *file) junitSuite {
	s := junitSuite{Name: f.name, Tests: len(f.tests)}
	if f.err != nil {
		trouble := &junitTrouble{Message: "the file has errors", Type: "source", Text: f.err.Error()}
		s.Tests, s.Errors, s.Time = 1, 1, seconds(0)
		s.Cases = []junitCase{{Class: f.name, Name: f.name, File: f.name, Time: seconds(0), Error: trouble}}
		return s
	}
	var sum time.Duration
	for _, t := range f.tests {
		c := junitCase{Class: f.name, Name: t.name, File: f.name, Line: f.line(t.name), Time: seconds(t.out.Took)}
		if t.out.Err != nil {
			s.Failures++
			c.Failure = &junitTrouble{Message: t.out.Err.Error(), Type: codeOf(t.out.Err), Text: t.out.Failure(f.suite)}
		}
		for _, warning := range t.out.Warnings {
			c.Out += "warning: " + warning + "\n"
		}
		sum += t.out.Took
		s.Cases = append(s.Cases, c)
	}
	s.Time = seconds(sum)
	return s
}

// line is where a test begins.
func (f *file) line(test string) int {
	for _, t := range f.suite.Tests {
		if t.Name == test {
			_, line, _ := pattern.SplitPos(t.Pos.String())
			return line
		}
	}
	return 0
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return string(e.Code)
	}
	return "host"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// replace writes a file so that a reader finds all of the old text or all of the new one.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

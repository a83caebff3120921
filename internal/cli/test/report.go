package test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
)

// report tells how tests end, as they do.
type report struct {
	app    *cli.App
	files  []*file
	json   bool
	start  time.Time
	ok     int
	failed int
	wrong  int // files that could not be compiled
}

func newReport(o *Options) *report { return &report{app: o.App, json: o.JSON, start: time.Now()} }

// line is a test as --json tells it.
type line struct {
	File    string          `json:"file"`
	Test    string          `json:"test,omitempty"` // missing for a file that cannot be compiled
	Status  string          `json:"status"`         // "ok", "failed" or "error"
	Millis  float64         `json:"ms"`
	Message string          `json:"message,omitempty"`
	Pos     string          `json:"pos,omitempty"` // file:line:col, the file as its package calls it
	Code    runtime.Code    `json:"code,omitempty"`
	Details runtime.Payload `json:"details,omitempty"` // got and want of an assertion
	Trace   string          `json:"trace,omitempty"`

	Warnings []string `json:"warnings,omitempty"`
}

// summary is the last line of --json.
type summary struct {
	Tests  int     `json:"tests"`
	OK     int     `json:"ok"`
	Failed int     `json:"failed"`
	Errors int     `json:"errors"` // files that cannot be compiled
	Millis float64 `json:"ms"`
}

func (r *report) print(format string, args ...any) error {
	_, err := fmt.Fprintf(r.app.Out, format, args...)
	return err
}

// file begins the tests of a file.
func (r *report) file(name string) error {
	if r.json {
		return nil
	}
	return r.print("%s\n", name)
}

// broken tells of a file that cannot be compiled.
func (r *report) broken(f *file, err error) error {
	name := f.name
	wrong, ok := errors.AsType[*pattern.SourceError](err)
	if !ok {
		return err
	}
	r.wrong++
	if r.json {
		return cli.JSON(r.app, line{File: name, Status: "error", Message: wrong.Error()})
	}
	if _, err := io.WriteString(r.app.Err, wrong.Excerpts()+"\n\n"); err != nil {
		return err
	}
	return r.print("%s\n  FAIL the file has errors\n", name)
}

// test tells how one test ended.
func (r *report) test(f *file, o Outcome) error {
	if o.Err == nil {
		r.ok++
	} else {
		r.failed++
	}
	if r.json {
		return cli.JSON(r.app, lineOf(f.name, o))
	}
	verdict, text := "ok  ", ""
	if o.Err != nil {
		verdict, text = "FAIL", indented(o.Failure(f.suite))
	}
	for _, warning := range o.Warnings {
		text += indented("warning: " + warning)
	}
	return r.print("  %s %s (%s)\n%s", verdict, o.Name, short(o.Took), text)
}

func lineOf(file string, o Outcome) line {
	l := line{File: file, Test: o.Name, Status: "ok", Millis: millis(o.Took), Warnings: o.Warnings}
	if o.Err == nil {
		return l
	}
	l.Status, l.Message, l.Pos = "failed", o.Err.Error(), o.Pos
	if e, ok := errors.AsType[*runtime.Error](o.Err); ok {
		l.Code, l.Details, l.Trace = e.Code, e.Details, e.Backtrace()
	}
	return l
}

// end tells how all ended, and is the error of the command.
func (r *report) end(o *Options) error {
	took := time.Since(r.start)
	n := r.ok + r.failed
	if o.JUnit != "" {
		if err := r.junit(absolute(o.App.Dir, o.JUnit), took); err != nil {
			return cli.Usagef("give a path that can be written", "--junit: %v", err)
		}
	}
	if n+r.wrong == 0 {
		return cli.Usagef("give a regular expression that a test's name matches", "no test has that name")
	}
	if o.Cover {
		if err := r.covers(); err != nil {
			return err
		}
	}
	if o.Profile != "" {
		if err := r.lcov(absolute(o.App.Dir, o.Profile)); err != nil {
			return cli.Usagef("give a path that can be written", "--cover-profile: %v", err)
		}
	}
	var err error
	if r.json {
		err = cli.JSON(r.app, summary{Tests: n, OK: r.ok, Failed: r.failed, Errors: r.wrong, Millis: millis(took)})
	} else {
		err = r.print("%s (%s)\n", r.verdict(n), short(took))
	}
	switch {
	case err != nil:
		return err
	case r.wrong > 0:
		return &cli.Told{Code: cli.Source}
	case r.failed > 0:
		return &cli.Told{Code: cli.PatternFailed}
	}
	return nil
}

func (r *report) verdict(n int) string {
	parts := []string{count(n, "test")}
	if r.failed == 0 && r.wrong == 0 {
		parts = append(parts, "all ok")
	}
	if r.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", r.failed))
	}
	if r.wrong > 0 {
		parts = append(parts, count(r.wrong, "file")+" with errors")
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// indented puts a failure below its test.
func indented(text string) string {
	return "       " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n       ") + "\n"
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

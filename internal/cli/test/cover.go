package test

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// counting gives what counts the lines of the modules that a file of tests loads, without those of tests and of the standard modules.
func counting() *runtime.Coverage {
	return &runtime.Coverage{Skip: func(file string) bool { return runtime.IsTest(file) || strings.HasPrefix(file, "@") }}
}

// covering gives limits that hold for the same work when its lines are counted.
func covering(l runtime.Limits) runtime.Limits {
	l = l.WithDefaults()
	l.Steps *= runtime.CoverSteps
	l.StepsInARow *= runtime.CoverSteps
	l.Bytes *= runtime.CoverSteps
	return l
}

// covered is what the tests ran of one file.
type covered struct {
	path  string
	lines map[int]uint64
	funcs map[int]runtime.FuncCount // by line
}

// coverage adds up what all tests ran, sorted by path.
func (r *report) coverage() []*covered {
	all := make(map[string]*covered)
	for _, f := range r.files {
		if f.suite == nil {
			continue
		}
		for _, c := range f.cover.Files() {
			path := filepath.Join(f.suite.Loaded.Root, filepath.FromSlash(c.File))
			if all[path] == nil {
				all[path] = &covered{path: path, lines: make(map[int]uint64), funcs: make(map[int]runtime.FuncCount)}
			}
			all[path].add(c)
		}
	}
	var list []*covered
	for _, path := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[path])
	}
	return list
}

func (c *covered) add(more runtime.FileCoverage) {
	for _, l := range more.Lines {
		c.lines[l.Line] += l.Count
	}
	for _, f := range more.Funcs {
		f.Count += c.funcs[f.Line].Count
		c.funcs[f.Line] = f
	}
}

// ran says how many lines ran.
func (c *covered) ran() int {
	n := 0
	for _, count := range c.lines {
		if count > 0 {
			n++
		}
	}
	return n
}

// missed gives the lines that did not run, as ranges of lines that follow each other: "12-14".
func (c *covered) missed() []string {
	var ranges []string
	lines := slices.Sorted(maps.Keys(c.lines))
	for i := 0; i < len(lines); i++ {
		if c.lines[lines[i]] > 0 {
			continue
		}
		first := i
		for i+1 < len(lines) && c.lines[lines[i+1]] == 0 {
			i++
		}
		if first == i {
			ranges = append(ranges, fmt.Sprint(lines[i]))
		} else {
			ranges = append(ranges, fmt.Sprintf("%d-%d", lines[first], lines[i]))
		}
	}
	return ranges
}

// coverLine is what the tests ran of a file, as --json tells it.
type coverLine struct {
	Cover  string   `json:"cover"`
	Lines  int      `json:"lines"`
	Ran    int      `json:"ran"`
	Missed []string `json:"missed,omitempty"` // "12", "12-14"
}

// covers tells what the tests ran, a line for each file.
func (r *report) covers() error {
	all := r.coverage()
	var lines []coverLine
	width, n, ran := len("in all"), 0, 0
	for _, c := range all {
		l := coverLine{Cover: cli.Short(r.app.Dir, c.path), Lines: len(c.lines), Ran: c.ran(), Missed: c.missed()}
		lines = append(lines, l)
		width, n, ran = max(width, len(l.Cover)), n+l.Lines, ran+l.Ran
	}
	if r.json {
		for _, l := range lines {
			if err := cli.JSON(r.app, l); err != nil {
				return err
			}
		}
		return nil
	}
	if err := r.print("lines that ran\n"); err != nil {
		return err
	}
	if len(lines) != 1 {
		lines = append(lines, coverLine{Cover: "in all", Lines: n, Ran: ran})
	}
	for _, l := range lines {
		text := fmt.Sprintf("  %-*s  %5.1f %%  %d of %d", width, l.Cover, percent(l.Ran, l.Lines), l.Ran, l.Lines)
		if len(l.Missed) > 0 {
			text += ", not " + strings.Join(l.Missed, " ")
		}
		if err := r.print("%s\n", text); err != nil {
			return err
		}
	}
	return nil
}

func percent(n, of int) float64 {
	if of == 0 {
		return 100
	}
	return 100 * float64(n) / float64(of)
}

// lcov writes what the tests ran in the format of lcov, which editors and build servers read.
func (r *report) lcov(path string) error {
	var b bytes.Buffer
	for _, c := range r.coverage() {
		fmt.Fprintf(&b, "TN:\nSF:%s\n", c.path)
		called := 0
		for _, line := range slices.Sorted(maps.Keys(c.funcs)) {
			fmt.Fprintf(&b, "FN:%d,%s\n", line, c.funcs[line].Name)
		}
		for _, line := range slices.Sorted(maps.Keys(c.funcs)) {
			fmt.Fprintf(&b, "FNDA:%d,%s\n", c.funcs[line].Count, c.funcs[line].Name)
			if c.funcs[line].Count > 0 {
				called++
			}
		}
		fmt.Fprintf(&b, "FNF:%d\nFNH:%d\n", len(c.funcs), called)
		for _, line := range slices.Sorted(maps.Keys(c.lines)) {
			fmt.Fprintf(&b, "DA:%d,%d\n", line, c.lines[line])
		}
		fmt.Fprintf(&b, "LF:%d\nLH:%d\nend_of_record\n", len(c.lines), c.ran())
	}
	return replace(path, b.Bytes())
}

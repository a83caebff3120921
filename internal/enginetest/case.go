package enginetest

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

//go:embed testdata/cases/*.txtar
var archives embed.FS

// folder is where the cases are.
const folder = "testdata/cases"

// Case is a pattern, the world that it meets, and what must come of it: an archive in testdata/cases. Its main.star is run, beside which there may be
// other .star files, and case.json is the Script. The golden files are result or error, and events.
type Case struct {
	Name   string
	Script Script
	Want   map[string]string // the golden files

	archive *txtar.Archive // nil of an example
	main    string         // path of an example's pattern
	stage   func() actors  // makes the agents of an example
}

// Script is what happens around the pattern.
type Script struct {
	Inputs    runtime.Payload      `json:"inputs"`
	Seed      uint64               `json:"seed"`
	Limits    runtime.Limits       `json:"limits"`
	Budget    runtime.BudgetLimits `json:"budget"`
	Agents    map[string]Agent     `json:"agents"` // those that there are; nil means one, called a
	Replies   []Reply              `json:"replies"`
	Signals   []Signal             `json:"signals"`   // sent in this order
	Decisions []Decision           `json:"decisions"` // each is made when it is asked for
	Cancel    []string             `json:"cancel"`    // the run is cancelled when all of this has happened, see Cast.Emit
	Or        []runtime.Payload    `json:"or"`        // what else may be the result where the host died on the way
	OrErrors  []runtime.Code       `json:"or_errors"` // and in what else it may end then
}

// Signal is sent to the run.
type Signal struct {
	Name   string          `json:"name"`
	Value  runtime.Payload `json:"value"`
	Behind []string        `json:"behind"` // what must have happened before, see Cast.Emit
}

// Decision is what a person decides.
type Decision struct {
	Run   string          `json:"run"` // of which child run, without the id of the run and the slash; "" for the run itself
	At    string          `json:"at"`  // address of the approval
	Value runtime.Payload `json:"value"`
}

// goldens are the names of the files that say what must come of a case.
var goldens = []string{"result", "error", "events"}

// Cases gives all of them, by name.
func Cases(t *testing.T) []*Case {
	t.Helper()
	cases, err := Read()
	require.NoError(t, err)
	return cases
}

// Read is Cases for those who are no test.
func Read() ([]*Case, error) {
	entries, err := archives.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	cases := make([]*Case, len(entries))
	for i, e := range entries {
		text, err := archives.ReadFile(path.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		if cases[i], err = parse(strings.TrimSuffix(e.Name(), ".txtar"), text); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return cases, nil
}

func parse(name string, text []byte) (*Case, error) {
	c := &Case{Name: name, Want: make(map[string]string), archive: txtar.Parse(text)}
	for _, f := range c.archive.Files {
		switch {
		case f.Name == "case.json":
			d := json.NewDecoder(bytes.NewReader(f.Data))
			d.DisallowUnknownFields()
			if err := d.Decode(&c.Script); err != nil {
				return nil, fmt.Errorf("case.json: %w", err)
			}
		case isGolden(f.Name):
			c.Want[f.Name] = string(f.Data)
		case !strings.HasSuffix(f.Name, ".star"):
			return nil, fmt.Errorf("%s is no part of a case", f.Name)
		}
	}
	if c.Script.Inputs == nil {
		c.Script.Inputs = runtime.Payload("{}")
	}
	if c.Script.Agents == nil {
		c.Script.Agents = map[string]Agent{"a": {}}
	}
	return c, nil
}

func isGolden(name string) bool { return slices.Contains(goldens, name) }

// Config is how the pattern is run.
func (c *Case) Config() runtime.Config {
	return runtime.Config{Limits: c.Script.Limits, Seed: c.Script.Seed}
}

// Main gives the path of the main file, after writing it and what is beside it into a directory if need be.
func (c *Case) Main(t *testing.T) string {
	t.Helper()
	if c.main != "" {
		return c.main
	}
	dir := t.TempDir()
	for _, f := range c.archive.Files {
		if !strings.HasSuffix(f.Name, ".star") {
			continue
		}
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, f.Data, 0o600))
	}
	return filepath.Join(dir, "main.star")
}

// Load compiles the pattern.
func (c *Case) Load(t *testing.T) *pattern.Loaded {
	t.Helper()
	loaded, err := Compile(c.Main(t))
	require.NoError(t, err)
	return loaded
}

// Compile compiles a pattern, given the path of its main file.
func Compile(main string) (*pattern.Loaded, error) {
	return pattern.Load(main, runtime.Environment{Builtins: builtins.All()}, pattern.Options{Std: stdlib.FS()})
}

// Rewrite writes what came of the case as its goldens, below the working directory.
func (c *Case) Rewrite(o Outcome) error {
	if c.archive == nil {
		return errors.Join(o.Err, os.WriteFile(filepath.FromSlash(c.golden()), []byte(o.Result.String()+"\n"), 0o600))
	}
	got := o.Goldens()
	a := &txtar.Archive{Comment: c.archive.Comment}
	for _, f := range c.archive.Files {
		if !isGolden(f.Name) {
			a.Files = append(a.Files, f)
		}
	}
	for _, name := range goldens {
		if text, ok := got[name]; ok {
			a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	return os.WriteFile(filepath.Join(filepath.FromSlash(folder), c.Name+".txtar"), txtar.Format(a), 0o600)
}

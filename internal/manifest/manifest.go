// Package manifest reads parallax.toml: which agents a project has, what a run may use, where its state is kept.
//
// Find looks for the file, Parse turns its text into a Manifest, and every mistake in it becomes a Problem with the place at which it
// stands. Nothing is started, asked or resolved here, and no secret is read: a manifest only names environment variables.
package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// FileName is what a manifest is called.
const FileName = "parallax.toml"

// MaxBytes bounds the text of a manifest: some 20,000 agents. The TOML reader takes quadratic time for tables under one name; those
// who want more agents write a count.
const MaxBytes = 2 << 20

// Manifest is what a project says of itself. The zero Manifest is that of a directory without parallax.toml.
type Manifest struct {
	Path    string // of the file, absolute; "" when there is none
	Dir     string // the project's directory, absolute
	Project Project
	Agents  []Agent        // by name, in byte order
	Absent  []Agent        // left out by Available
	Limits  runtime.Limits // fields at zero where the manifest says nothing
	State   State
	Run     Run
	Market  Market

	Providers []Provider // by name, in byte order
	Published
}

// Project is the table [project].
type Project struct {
	Name        string
	Description string
	Main        string // the pattern that `parallax run` runs without arguments: slash-separated, below Dir; "" when not given
}

// Run is the table [run]: what holds for a run unless the command line says otherwise.
type Run struct {
	Timeout time.Duration   // of the whole run; zero means none
	Inputs  runtime.Payload // a JSON object, or nil
}

// Agent is one agent of a project.
type Agent struct {
	Name           string
	Use            string          // a bundled agent's name, or Plugin
	Command        []string        // that starts the agent's process when Use is Plugin, Command[0] absolute if it names a path
	Capabilities   []string        // sorted, each once
	Secrets        []string        // environment variables whose values the agent may have as secrets
	RequiresEnv    []string        // environment variables without which there is no such agent here
	Env            []string        // environment variables passed to the agent's process
	Timeout        time.Duration   // of a call that states none; zero means none
	Provider       string          // whom it asks: one of the manifest's; "" when not given
	MaxConcurrency int             // calls at a time; zero means as many as come
	Rate           Rate            // at which calls begin
	Dir            string          // working directory, absolute
	Files          string          // folder in which Command names files, "" for Dir: that of the package that the agent comes from
	Roles          []string        // of packages that it fills: ROLE of any, or @ALIAS/ROLE of one of [dependencies]
	Queue          string          // of the workers of a cluster that have it; "" means all. It says nothing on one machine
	Description    string          // for people
	Permissions    *Permissions    // nil means that it is not sandboxed
	Config         runtime.Payload // the agent's own settings: all other keys, a JSON object
	Why            error           // it cannot be had here; nil while nobody found a reason
	File           string          // where it is configured
	Pos            Pos             // in File
}

// Plugin is the Use of an agent that runs a command of its own.
const Plugin = "plugin"

// Find looks for a manifest in dir and then in each directory above it.
func Find(dir string) (path string, ok bool, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", false, fmt.Errorf("find %s: %w", FileName, err)
	}
	for {
		path := filepath.Join(dir, FileName)
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, true, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", false, fmt.Errorf("find %s: %w", FileName, err)
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", false, nil
		}
		dir = above
	}
}

// Near loads the manifest that Find gives. Without one it is empty, with dir as its Dir.
func Near(dir string) (*Manifest, error) {
	path, ok, err := Find(dir)
	if err != nil {
		return nil, err
	}
	if ok {
		return Load(path)
	}
	dir, err = filepath.Abs(dir)
	return &Manifest{Dir: dir}, err
}

// Load reads the manifest at path, a file or the directory it stands in. What is wrong with its text is an *Error.
func Load(path string) (*Manifest, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// read gives the text of a regular file of at most MaxBytes.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read the manifest: %s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("read the manifest: %s has more than %d MiB", path, MaxBytes>>20)
	}
	return text, nil
}

// Parse makes a manifest of its text. name is its path, which messages show; relative paths inside are below its directory.
// The error is an *Error.
func Parse(name string, text []byte) (*Manifest, error) {
	doc, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	return manifestOf(doc, name, filepath.Dir(name)), doc.err()
}

// manifestOf reads all tables. Paths in [permissions] are seen from workspace.
func manifestOf(doc *document, name, workspace string) *Manifest {
	m := &Manifest{Path: name, Dir: filepath.Dir(name)}
	top := doc.top()
	top.only(append([]string{"project", "agents", "providers", "limits", "state", "run", "market"}, publishedTables()...)...)
	m.Project = projectOf(top.table("project"))
	m.Agents = agentsOf(top.table("agents"), m.Dir)
	m.Providers = providersOf(top.table("providers"))
	m.providersThere(top.table("agents"))
	m.Limits = limitsOf(top.table("limits"))
	m.State = stateOf(top.table("state"), m.Dir)
	m.Run = runOf(top.table("run"))
	m.Market = marketOf(top.table("market"), "index", "verified")
	m.Published = publishedOf(top, workspace)
	m.known(doc)
	m.rolesFit(doc)
	return m
}

func projectOf(t *table) Project {
	t.only("name", "description", "main")
	p := Project{Name: t.text("name"), Description: t.text("description"), Main: t.text("main")}
	if p.Main != "" && (!filepath.IsLocal(filepath.FromSlash(p.Main)) || filepath.Ext(p.Main) != ".star") {
		t.wrong("main", `write main = "pattern.star"`, "main is %q, want a .star file below the project's directory", p.Main)
	}
	return p
}

func runOf(t *table) Run {
	t.only("timeout", "inputs")
	r := Run{Timeout: t.duration("timeout")}
	if in := t.table("inputs"); in.m != nil {
		r.Inputs = in.payload(nil)
	}
	return r
}

// below makes path absolute, seen from dir. "" stays "".
func below(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, filepath.FromSlash(path))
}

// Package project brings together what commands need to work on a pattern: its manifest, its program and its agents.
package project

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/input"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// Project is a pattern and what surrounds it.
type Project struct {
	Manifest *manifest.Manifest
	Loaded   *pattern.Loaded
}

// Open loads the pattern at path, "" for the project's main, and the manifest nearest to it. agentsFile, "" for none,
// replaces and adds agents.
func Open(app *cli.App, path, agentsFile string) (*Project, error) {
	m, err := Manifest(app, path, agentsFile)
	if err != nil {
		return nil, err
	}
	path, err = Path(app, m, path)
	if err != nil {
		return nil, err
	}
	loaded, err := pattern.Load(path, app.Environment(), Options(app, m))
	if err != nil {
		return nil, ShortPath(app, err)
	}
	return &Project{Manifest: m, Loaded: loaded}, nil
}

// InputReader reads inputs for the pattern, from the command line and from files.
func (p *Project) InputReader(app *cli.App) input.Reader {
	return input.Reader{
		Dir: app.Dir, In: app.In, Defaults: p.Manifest.Run.Inputs,
		Package: p.Loaded.Root, Main: p.Loaded.Files[len(p.Loaded.Files)-1],
	}
}

// Path gives what pattern.Load takes: the pattern at path, "" for the project's main.
func Path(app *cli.App, m *manifest.Manifest, path string) (string, error) {
	if path != "" {
		return absolute(app, path), nil
	}
	if m.Path == "" {
		return "", cli.Usagef("name a pattern, or run parallax init", "there is no pattern named and no %s in this directory or above", manifest.FileName)
	}
	return m.Dir, nil
}

// PatternOptions says how patterns are loaded.
func PatternOptions(app *cli.App) pattern.Options {
	o := pattern.Options{
		Std: app.Std, Main: mainOf,
		Packages:  func(root string) (pattern.Packages, error) { return packagesAt(app, root) },
		Elsewhere: func(root string) bool { return fetched(app, root) },
	}
	if app.Apart != nil {
		o.Apart = app.Apart().Compile
	}
	return o
}

// fetched says whether a directory is that of an installed package.
func fetched(app *cli.App, dir string) bool {
	cache, err := Cache(app)
	if err != nil {
		return false
	}
	for _, base := range []string{cache.Dir, resolved(cache.Dir)} {
		if strings.HasPrefix(dir, base+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// resolved is a path without links, where it is there.
func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// Options is PatternOptions for a run with the agents of m, which fill the roles of packages.
func Options(app *cli.App, m *manifest.Manifest) pattern.Options {
	o := PatternOptions(app)
	o.Packages = func(root string) (pattern.Packages, error) {
		found, err := packagesAt(app, root)
		if err != nil {
			return nil, err
		}
		found.Agents = all(m)
		return found, nil
	}
	return o
}

// all are the agents that a manifest declares, whether they can be had here or not.
func all(m *manifest.Manifest) []manifest.Agent { return slices.Concat(m.Agents, m.Absent) }

// absolute is a path seen from the app's directory; labels stay as they are.
func absolute(app *cli.App, path string) string {
	if filepath.IsAbs(path) || strings.HasPrefix(path, ":") || strings.HasPrefix(path, "//") || strings.HasPrefix(path, "@") {
		return path
	}
	return filepath.Join(app.Dir, path)
}

// IsThere says whether there is a file or a directory at path.
func IsThere(app *cli.App, path string) bool {
	_, err := os.Stat(absolute(app, path))
	return err == nil
}

// ShortPath tells paths in an error as the person gave them.
func ShortPath(app *cli.App, err error) error {
	e, ok := errors.AsType[*pattern.PathError](err)
	if !ok {
		return err
	}
	short := *e
	short.Message = strings.ReplaceAll(e.Message, app.Dir+string(filepath.Separator), "")
	short.Hint = strings.ReplaceAll(e.Hint, app.Dir+string(filepath.Separator), "")
	return &short
}

// mainOf is the main file that a directory's manifest names.
func mainOf(dir string) (string, error) {
	m, err := manifest.Load(filepath.Join(dir, manifest.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return m.Project.Main, nil
}

// Manifest loads the manifest nearest to the pattern at path, else the one nearest to the working directory, with the agents
// that can be had here.
func Manifest(app *cli.App, path, agentsFile string) (*manifest.Manifest, error) {
	m, err := declared(app, path, agentsFile)
	if err != nil {
		return nil, err
	}
	return Available(app, m)
}

// Available leaves out the agents that cannot be had here.
func Available(app *cli.App, m *manifest.Manifest) (*manifest.Manifest, error) {
	m, err := installed(app, m)
	if err != nil {
		return nil, err
	}
	return m.Available(app.LookupEnv), nil
}

// declared loads all that the manifest declares.
func declared(app *cli.App, path, agentsFile string) (*manifest.Manifest, error) {
	m, err := manifest.Near(dirOf(app, path))
	if err == nil && m.Path == "" {
		m, err = manifest.Near(app.Dir)
	}
	if err != nil {
		return m, err
	}
	return WithAgents(app, m, agentsFile)
}

// WithAgents adds the agents of a file, "" for none, to those of a manifest.
func WithAgents(app *cli.App, m *manifest.Manifest, agentsFile string) (*manifest.Manifest, error) {
	if agentsFile == "" {
		return m, nil
	}
	agents, err := manifest.LoadAgents(absolute(app, agentsFile))
	if _, wrong := errors.AsType[*manifest.Error](err); wrong {
		return nil, err
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("there is no file " + agentsFile)
	}
	if err != nil {
		return nil, cli.Usagef("give the path of a TOML file with [agents.NAME] tables", "--agents: %v", err)
	}
	for i := range agents {
		if problem, hint := m.MissingProvider(agents[i].Name, agents[i].Provider); problem != "" {
			return nil, cli.Usagef(hint+" to "+manifest.FileName, "--agents: %s", problem)
		}
	}
	return m.WithAgents(agents), nil
}

// dirOf is the directory of the pattern at path; that of a label, and of none, is the working directory.
func dirOf(app *cli.App, path string) string {
	full := absolute(app, path)
	if path == "" || !filepath.IsAbs(full) || strings.HasPrefix(path, "//") {
		return app.Dir
	}
	if info, err := os.Stat(full); err == nil && info.IsDir() {
		return full
	}
	return filepath.Dir(full)
}

// Agents gives the agents that the pattern names, in words or in its metadata, each once and sorted. Those that it finds by
// capability are not among them.
func (p *Project) Agents() []string {
	var names []string
	for _, m := range p.Loaded.Program.Asks {
		names = append(names, m.Name)
	}
	names = append(names, p.Loaded.Program.Meta.Agents...)
	slices.Sort(names)
	return slices.Compact(names)
}

// Missing gives an error for each agent that the pattern names and the project does not have.
func (p *Project) Missing() error {
	var errs []error
	for _, name := range p.Agents() {
		if _, ok := p.Manifest.Agent(name); !ok {
			errs = append(errs, p.missing(name))
		}
	}
	return errors.Join(errs...)
}

func (p *Project) missing(name string) error {
	e := &host.StartError{Agent: name, Problem: "no agent of that name is configured", Hint: "add [agents." + name + "] to " + manifest.FileName}
	for _, m := range p.Loaded.Program.Asks {
		if m.Name != name {
			continue
		}
		if vacant := p.Loaded.Unbound(m.Pos.Filename(), name); vacant != nil {
			e.Problem, e.Hint = vacant.Message, vacant.Hint
			return e
		}
		e.Problem += ", asked for at " + m.Pos.String()
	}
	if i := slices.IndexFunc(p.Manifest.Absent, func(a manifest.Agent) bool { return a.Name == name }); i >= 0 {
		var why string
		why, e.Hint = whyAbsent(&p.Manifest.Absent[i])
		e.Problem = strings.Replace(e.Problem, "no agent of that name is configured", why, 1)
	} else if near := runtime.Nearest(name, p.Manifest.AgentNames()); near != "" {
		e.Hint = "did you mean " + strconv.Quote(near) + "?"
	}
	return e
}

// Excerpt shows a message with the place it is about and the line of source there.
func (p *Project) Excerpt(pos, message string) string {
	f := pattern.Finding{Message: message}
	f.File, f.Line, f.Col = splitPos(pos)
	return pattern.Excerpt(f, p.Loaded.Source(f.File))
}

// splitPos takes "file:line:col" apart.
func splitPos(pos string) (file string, line, col int) {
	parts := strings.Split(pos, ":")
	if len(parts) < 3 {
		return pos, 0, 0
	}
	n := len(parts)
	line, _ = strconv.Atoi(parts[n-2])
	col, _ = strconv.Atoi(parts[n-1])
	return strings.Join(parts[:n-2], ":"), line, col
}

// Sourced ties an error to the pattern's source text.
func (p *Project) Sourced(err error) error {
	if err == nil {
		return nil
	}
	return &cli.SourcedError{Err: err, Excerpt: p.Excerpt}
}

// HostOptions configures a host for the agents of a manifest.
func HostOptions(app *cli.App, m *manifest.Manifest) host.Options {
	o := host.Options{
		InProcess: app.InProcess,
		LookupEnv: app.LookupEnv,
		Shim:      []string{app.Self, "__shim"},
		Version:   app.Version,
		Bundled: func(use string) ([]string, bool) {
			_, ok := app.Bundled[use]
			return []string{app.Self, "__agent", use}, ok
		},
		Agents: make([]host.AgentConfig, len(m.Agents)),
	}
	for i := range m.Agents {
		o.Agents[i] = config(app, &m.Agents[i])
	}
	return o
}

// Secrets gives the environment variables whose values an agent gets: those that its table names, which must be set, and those
// that a bundled agent reads by itself, as far as they are set.
func Secrets(app *cli.App, a *manifest.Agent) []string {
	bundled, ok := app.Bundled[a.Use]
	if !ok || bundled.Secrets == nil {
		return a.Secrets
	}
	names := slices.Clone(a.Secrets)
	for _, name := range bundled.Secrets(json.RawMessage(a.Config)) {
		if _, set := app.LookupEnv(name); set && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func config(app *cli.App, a *manifest.Agent) host.AgentConfig {
	c := host.AgentConfig{
		Name: a.Name, Use: a.Use, Command: a.Command, Config: json.RawMessage(a.Config), Secrets: Secrets(app, a), Env: a.Env,
		Capabilities: a.Capabilities, Timeout: a.Timeout, MaxConcurrency: a.MaxConcurrency, Dir: a.Dir, Files: a.Files,
	}
	if a.Use == manifest.Plugin {
		c.Use = ""
	}
	sandboxed(app, a, &c)
	return c
}

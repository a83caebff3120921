package market

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/pattern"
)

// Packages finds the packages of one project for its patterns: through its manifest and lock, in the cache, without a network. It is for one
// load at a time.
type Packages struct {
	Cache     *Cache
	Manifest  *manifest.Manifest // of the project
	Lock      *manifest.Lock     // nil when there is none
	Platform  string
	Agents    []manifest.Agent              // that fill roles
	Self      string                        // the package whose manifest it is, as github.com/owner/repo@v1.2.0; "" when it is a project's
	Notes     func(Ref) []Note              // what is known to have become of a version; nil knows nothing
	Say       func(line string)             // tells a person what need not stop a run; nil is silent
	manifests map[string]*manifest.Manifest // of packages, by name
	judged    []Ref
}

var _ pattern.Packages = (*Packages)(nil)

const installHint = "parallax install"

// Find names the package that an alias means.
func (p *Packages) Find(from, alias string) (string, error) {
	m, err := p.of(from)
	if err != nil {
		return "", err
	}
	d, ok := m.Dependency(alias)
	if !ok {
		return "", p.unknown(m, from, alias)
	}
	locked, err := p.Locked(d)
	if err != nil {
		return "", err
	}
	if locked.Kind == manifest.KindAgent {
		return "", &pattern.PackageError{Message: fmt.Sprintf("@%s is the agent %s, not a pattern", alias, d.Source), Hint: fmt.Sprintf(`write [agents.NAME] with use = "@%s" to ask it`, alias)}
	}
	return locked.Source + "@" + locked.Version, nil
}

// Locked gives what the lock says of a dependency.
func (p *Packages) Locked(d manifest.Dependency) (manifest.Locked, error) {
	if p.Lock == nil {
		return manifest.Locked{}, &pattern.PackageError{Message: fmt.Sprintf("%s is not installed: there is no %s", d.Source, manifest.LockName), Hint: installHint}
	}
	locked, ok := p.Lock.Package(d.Source)
	switch {
	case !ok:
		return locked, &pattern.PackageError{Message: fmt.Sprintf("%s is not installed: it is not in %s", d.Source, manifest.LockName), Hint: installHint}
	case semver.Compare(locked.Version, d.Version) < 0 || major(locked.Version) != major(d.Version):
		return locked, &pattern.PackageError{
			Message: fmt.Sprintf("%s does not fit: it has %s %s, and %s is wanted", manifest.LockName, d.Source, locked.Version, d.Version), Hint: installHint,
		}
	}
	return locked, nil
}

func (p *Packages) unknown(m *manifest.Manifest, from, alias string) error {
	e := &pattern.PackageError{Message: fmt.Sprintf("there is no package @%s: [dependencies] in parallax.toml does not name it", alias)}
	if from != "" {
		e.Message, e.Hint = fmt.Sprintf("%s loads @%s, which its parallax.toml does not name", from, alias), "tell its author"
		return e
	}
	e.Hint = "parallax add github.com/owner/repo --as " + alias
	for _, d := range m.Dependencies {
		if strings.Contains(d.Alias, alias) || strings.Contains(alias, d.Alias) {
			e.Hint = fmt.Sprintf("did you mean @%s?", d.Alias)
		}
	}
	return e
}

// of is the manifest of a package, "" being the project.
func (p *Packages) of(name string) (*manifest.Manifest, error) {
	if name == "" {
		return p.Manifest, nil
	}
	if m, ok := p.manifests[name]; ok {
		return m, nil
	}
	dir, err := p.Dir(name)
	if err != nil {
		return nil, err
	}
	source, version, _ := strings.Cut(name, "@")
	m, err := readManifest(dir, Ref{source, version}, anyWorkspace)
	if err != nil {
		return nil, err
	}
	if p.manifests == nil {
		p.manifests = make(map[string]*manifest.Manifest)
	}
	p.manifests[name] = m
	return m, nil
}

// Dir is where the files of a package are, after a look at them.
func (p *Packages) Dir(name string) (string, error) {
	source, version, _ := strings.Cut(name, "@")
	locked, ok := manifest.Locked{}, false
	if p.Lock != nil {
		locked, ok = p.Lock.Package(source)
	}
	if !ok || locked.Version != version {
		return "", &pattern.PackageError{Message: fmt.Sprintf("%s is not in %s", name, manifest.LockName), Hint: installHint}
	}
	t, err := p.tree(locked)
	if err != nil {
		return "", err
	}
	return t.Dir, nil
}

// tree gives the files of a package, unless it is malware.
func (p *Packages) tree(locked manifest.Locked) (*Tree, error) {
	if err := p.judge(Ref{locked.Source, locked.Version}); err != nil {
		return nil, err
	}
	t, err := p.Cache.open(key(locked.Hash, locked.Assets[p.Platform]))
	switch {
	case is(err, Unlocked):
		return nil, &pattern.PackageError{Message: fmt.Sprintf("%s@%s is not installed on this machine", locked.Source, locked.Version), Hint: installHint, Cause: err}
	case is(err, Changed):
		return nil, &pattern.PackageError{Message: err.Error(), Hint: "parallax install takes it again", Cause: err}
	}
	return t, err
}

// judge stops a run that uses malware, and tells of what else was removed.
func (p *Packages) judge(r Ref) error {
	if p.Notes == nil || slices.Contains(p.judged, r) {
		return nil
	}
	for _, n := range p.Notes(r) {
		switch {
		case n.Kind == NoteMalware:
			return &pattern.PackageError{Message: fmt.Sprintf("%s %s", r, n), Hint: "take it out of the project: parallax remove " + r.Source}
		case n.Kind.Removed() && p.Say != nil:
			p.Say(fmt.Sprintf("%s %s; parallax audit tells more", r, n))
		}
	}
	p.judged = append(p.judged, r)
	return nil
}

// Agent is an installed agent.
type Agent struct {
	Ref
	Dir         string
	Command     []string // Command[0] is a path if the package has that file
	Permissions *manifest.Permissions
}

// Agent gives the agent of a dependency. It may have what was granted to it and nothing else; paths are seen from workspace.
func (p *Packages) Agent(alias, workspace string) (*Agent, error) {
	d, ok := p.Manifest.Dependency(alias)
	if !ok {
		return nil, p.unknown(p.Manifest, "", alias)
	}
	locked, err := p.Locked(d)
	if err != nil {
		return nil, err
	}
	if locked.Kind != manifest.KindAgent {
		return nil, &pattern.PackageError{Message: fmt.Sprintf("@%s is the pattern %s, not an agent", alias, d.Source), Hint: fmt.Sprintf(`load("@%s//main.star", ...) loads from it`, alias)}
	}
	if locked.Assets[p.Platform] == "" {
		return nil, &pattern.PackageError{Message: fmt.Sprintf("%s@%s has no build for %s", locked.Source, locked.Version, p.Platform), Hint: "ask its author for one"}
	}
	t, err := p.tree(locked)
	if err != nil {
		return nil, err
	}
	ref := Ref{locked.Source, locked.Version}
	m, err := readManifest(t.Dir, ref, workspace)
	if err != nil {
		return nil, err
	}
	if Digest(m) != locked.Grants {
		return nil, &pattern.PackageError{Message: fmt.Sprintf("%s asks for permissions that were not granted", ref), Hint: installHint + " asks for them"}
	}
	return &Agent{Ref: ref, Dir: t.Dir, Command: Command(t.Dir, m), Permissions: orNone(m.Permissions)}, nil
}

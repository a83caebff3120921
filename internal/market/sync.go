package market

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/origin"
)

// Edit is a change of [dependencies].
type Edit struct {
	Alias string
	Value string // github.com/owner/repo@v1.2.0; "" removes it
}

// Outcome is what a project has after Sync.
type Outcome struct {
	Manifest *manifest.Manifest
	Before   *manifest.Lock
	Lock     *manifest.Lock
	Trees    map[string]*Tree // by source
}

// Sync edits [dependencies] of the project in dir, finds the versions that meet them, installs what is missing, and writes lock and manifest, in this order. If
// anything fails, both stay as they are. frozen refuses to change the lock.
func (m *Market) Sync(ctx context.Context, dir string, edits []Edit, frozen bool) (*Outcome, error) {
	held, err := m.Cache.lock(ctx, func() { m.say("waiting for another parallax that installs packages") })
	if err != nil {
		return nil, roomless(err)
	}
	defer held.free()
	p, err := readProject(dir, edits)
	if err != nil {
		return nil, err
	}
	r := &resolution{Market: m, before: p.lock, trees: make(map[Ref]*Tree), grants: make(map[string]string)}
	lock, trees, err := r.resolve(ctx, wantsOf(p.manifest, ""))
	if err != nil {
		return nil, err
	}
	out := &Outcome{Manifest: p.manifest, Before: p.lock, Lock: lock, Trees: trees}
	if frozen {
		return out, p.frozen(lock)
	}
	return out, roomless(p.write(lock))
}

// project is the manifest and the lock of a project, as they are to be.
type project struct {
	dir      string
	text     []byte // of the manifest
	edited   bool
	manifest *manifest.Manifest
	lock     *manifest.Lock // as it was
	locked   bool           // there was one
}

// readProject reads both files and makes the edits, in memory.
func readProject(dir string, edits []Edit) (*project, error) {
	p := &project{dir: dir, lock: &manifest.Lock{}}
	path := filepath.Join(dir, manifest.FileName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && len(edits) > 0 {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	p.text = text
	for _, e := range edits {
		if p.text, err = manifest.SetDependency(path, p.text, e.Alias, e.Value); err != nil {
			return nil, err
		}
	}
	p.edited = string(p.text) != string(text)
	if p.manifest, err = manifest.Parse(path, p.text); err != nil {
		return nil, err
	}
	switch lock, err := manifest.LoadLock(dir); {
	case err == nil:
		p.lock, p.locked = lock, true
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return p, nil
}

// write writes the lock first: one that has too much does no harm, a manifest that wants what is not locked does not run.
func (p *project) write(lock *manifest.Lock) error {
	if p.locked || len(lock.Packages) > 0 {
		if err := WriteFile(filepath.Join(p.dir, manifest.LockName), lock.Text()); err != nil {
			return err
		}
	}
	if p.edited {
		return WriteFile(filepath.Join(p.dir, manifest.FileName), p.text)
	}
	return nil
}

// frozen says whether the lock is what it would be.
func (p *project) frozen(lock *manifest.Lock) error {
	same := &manifest.Lock{Packages: slices.Clone(lock.Packages)}
	for i, l := range same.Packages { // that one machine can find out who built something is no reason to fail on it
		if old, ok := p.lock.Package(l.Source); ok && old.Version == l.Version {
			same.Packages[i].Identity = old.Identity
		}
	}
	if string(same.Text()) == string(p.lock.Text()) {
		return nil
	}
	return wrongf(Unlocked, "run parallax install without --locked, and commit parallax.lock", "%s does not fit %s", manifest.LockName, manifest.FileName)
}

// wantsOf lists what a manifest needs.
func wantsOf(m *manifest.Manifest, by string) []want {
	var wants []want
	for _, d := range m.Dependencies {
		wants = append(wants, want{Ref{d.Source, d.Version}, by})
	}
	return wants
}

// resolution finds versions and installs them on the way.
type resolution struct {
	*Market
	before *manifest.Lock
	trees  map[Ref]*Tree
	grants map[string]string // of agents, by source

	offline bool // nothing is fetched
	alone   bool // it is for no project
}

// resolve installs what roots need, and makes the lock.
func (r *resolution) resolve(ctx context.Context, roots []want) (*manifest.Lock, map[string]*Tree, error) {
	direct := make(map[string]bool)
	for _, w := range roots {
		direct[w.Source] = true
	}
	refs, err := selectVersions(roots, func(ref Ref) ([]want, error) { return r.needs(ctx, ref, direct[ref.Source]) })
	if err != nil {
		return nil, nil, err
	}
	lock, trees := &manifest.Lock{}, make(map[string]*Tree)
	for _, ref := range refs {
		t := r.trees[ref]
		trees[ref.Source] = t
		lock.Packages = append(lock.Packages, r.locked(t))
	}
	return lock, trees, nil
}

// pinned is what the lock says of exactly that version, or nil.
func (r *resolution) pinned(ref Ref) *manifest.Locked {
	if p, ok := r.before.Package(ref.Source); ok && p.Version == ref.Version {
		return &p
	}
	return nil
}

// needs installs a version and says what it needs.
func (r *resolution) needs(ctx context.Context, ref Ref, direct bool) ([]want, error) {
	asked := false
	before := func(m *manifest.Manifest, o origin.Answer) error {
		asked = true
		return r.consent(ctx, ref, m, o)
	}
	if err := r.may(ctx, ref, direct); err != nil {
		return nil, err
	}
	t, err := r.obtain(ctx, ref, r.pinned(ref), r.trustIn(ref, r.before), before)
	if err != nil {
		return nil, err
	}
	r.trees[ref] = t
	m, err := readManifest(t.Dir, ref, anyWorkspace)
	if err != nil {
		return nil, err
	}
	if t.Kind != manifest.KindAgent {
		return wantsOf(m, ref.String()), nil
	}
	if !direct {
		return nil, wrongf(BadPackage, "its author has to name a role in [roles] instead", "%s is an agent, and a package of the project needs it; packages bring no agents", ref)
	}
	if !asked {
		return nil, before(m, origin.Answer{Verdict: t.Origin, Identity: t.Identity})
	}
	return nil, nil
}

// may says whether a version may be used at all. Before anything is fetched the indexes are asked.
func (r *resolution) may(ctx context.Context, ref Ref, direct bool) error {
	pinned := r.pinned(ref)
	t := r.cached(ref, pinned)
	fetch := t == nil
	if r.offline && (fetch || r.RequireVerified && t.Origin != origin.Verified) {
		return wrongf(Unlocked, installHint, "%s is not installed here", ref)
	}
	if fetch {
		if _, err := r.known(ctx); err != nil {
			return err
		}
	}
	return r.judge(ref, use{fetch: fetch, begin: direct && pinned == nil && (fetch || !r.alone)})
}

// consent asks for what an agent wants, unless that was granted before.
func (r *resolution) consent(ctx context.Context, ref Ref, m *manifest.Manifest, o origin.Answer) error {
	digest := Digest(m)
	old, had := r.before.Package(ref.Source)
	if r.grants[ref.Source] = digest; old.Grants == digest || r.Consent == nil {
		return nil
	}
	ask := Ask{Source: ref.Source, Version: ref.Version, Wants: m.Permissions, New: !had, Origin: o.Verdict, Builder: o.Identity}
	if was, ok := r.granted(old); had && ok {
		if ask.Had = was; len(Widened(was, m.Permissions)) == 0 {
			return nil
		}
	}
	return r.Consent(ctx, ask)
}

// granted gives what a locked agent was granted, if its files are still there to say so.
func (r *resolution) granted(old manifest.Locked) (*manifest.Permissions, bool) {
	t := r.cached(Ref{old.Source, old.Version}, &old)
	if t == nil {
		return nil, false
	}
	m, err := readManifest(t.Dir, Ref{old.Source, old.Version}, anyWorkspace)
	if err != nil || Digest(m) != old.Grants {
		return nil, false
	}
	return orNone(m.Permissions), true
}

// Digest is by what granted permissions are recognised: over what [permissions] says.
func Digest(m *manifest.Manifest) string {
	text := string(m.Asks)
	if text == "" {
		text = "{}"
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// locked is the entry of the lock for a tree.
func (r *resolution) locked(t *Tree) manifest.Locked {
	l := manifest.Locked{Source: t.Source, Kind: t.Kind, Version: t.Version, Commit: t.Commit, Identity: t.Identity}
	if t.Kind == manifest.KindAgent {
		l.Assets, l.Grants = t.Assets, r.grants[t.Source]
	} else {
		l.Hash = t.Hash
	}
	if old := r.pinned(Ref{t.Source, t.Version}); old != nil {
		if l.Identity == "" {
			l.Identity = old.Identity
		}
		if old.Commit != "" {
			l.Commit = old.Commit
		}
		if len(old.Assets) > 0 {
			l.Assets = old.Assets
		}
	}
	return l
}

// Add installs one package on its own, and what it needs, for no project. It gives its tree and what the lock of such a project would be.
func (m *Market) Add(ctx context.Context, ref Ref) (*Tree, *manifest.Lock, error) {
	if tree, lock, err := m.add(ctx, ref, true); err == nil {
		return tree, lock, nil // without the lock: nobody need wait for a package that is there
	} else if !is(err, Unlocked) {
		return nil, nil, err
	}
	held, err := m.Cache.lock(ctx, func() { m.say("waiting for another parallax that installs packages") })
	if err != nil {
		return nil, nil, roomless(err)
	}
	defer held.free()
	return m.add(ctx, ref, false)
}

// add is Add. offline takes what is in the cache and nothing else.
func (m *Market) add(ctx context.Context, ref Ref, offline bool) (*Tree, *manifest.Lock, error) {
	r := &resolution{Market: m, before: &manifest.Lock{}, trees: make(map[Ref]*Tree), grants: make(map[string]string), offline: offline, alone: true}
	lock, trees, err := r.resolve(ctx, []want{{Ref: ref}})
	if err != nil {
		return nil, nil, err
	}
	return trees[ref.Source], lock, nil
}

// Newer is a package of which there is a newer version.
type Newer struct {
	Alias   string `json:"alias"`
	Source  string `json:"source"`
	Version string `json:"version"`          // that is used
	Latest  string `json:"latest,omitempty"` // that works in its place; "" when there is none
	Major   string `json:"major,omitempty"`  // a newer one that need not
}

// Outdated lists those dependencies of a project of which there is something newer.
func (m *Market) Outdated(ctx context.Context, mf *manifest.Manifest, lock *manifest.Lock) ([]Newer, error) {
	var all []Newer
	for _, d := range mf.Dependencies {
		versions, err := m.offered(ctx, d.Source)
		if is(err, Withdrawn) {
			m.remark(err.Error())
			continue
		}
		if err != nil {
			return nil, err
		}
		n := Newer{Alias: d.Alias, Source: d.Source, Version: d.Version}
		if l, ok := lock.Package(d.Source); ok {
			n.Version = l.Version
		}
		if v := latest(versions, major(n.Version)); v != "" && semver.Compare(v, n.Version) > 0 {
			n.Latest = v
		}
		if v := latest(versions, ""); v != "" && major(v) != major(n.Version) && semver.Compare(v, n.Version) > 0 {
			n.Major = v
		}
		if n.Latest != "" || n.Major != "" {
			all = append(all, n)
		}
	}
	return all, nil
}

// Widened lists what an agent asks for beyond what it had, as "net api.example.com".
func Widened(had, wants *manifest.Permissions) []string {
	if wants == nil {
		return nil
	}
	if had == nil {
		had = &manifest.Permissions{}
	}
	var more []string
	for _, l := range []struct {
		name       string
		had, wants []string
	}{
		{"net", had.Net, wants.Net}, {"secrets", had.Secrets, wants.Secrets}, {"read", had.Read, wants.Read}, {"write", had.Write, wants.Write}, {"exec", had.Exec, wants.Exec},
	} {
		for _, item := range l.wants {
			if !slices.Contains(l.had, item) && !slices.Contains(l.had, "*") {
				more = append(more, l.name+" "+item)
			}
		}
	}
	if wants.Memory > had.Memory && had.Memory > 0 || wants.Memory > 0 && had.Memory == 0 {
		more = append(more, fmt.Sprintf("memory %d MiB", wants.Memory>>20))
	}
	if had.Sandbox != "" && wants.Sandbox != had.Sandbox {
		more = append(more, "sandbox "+wants.Sandbox)
	}
	return more
}

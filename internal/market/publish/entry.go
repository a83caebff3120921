package publish

import (
	"cmp"
	"time"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market/index"
)

// Entry gives the entry of the package in an index with this version in it. old is the one that is there, nil when there is none; login is who publishes.
func (p *Package) Entry(old *index.Entry, files *Files, login string, now time.Time) (*index.Entry, error) {
	pkg := p.Manifest.Package
	e := &index.Entry{Name: index.NameOf(p.Ref.Source)}
	if login != "" {
		e.Maintainers = []string{login}
	}
	if old != nil {
		*e = *old
		e.Versions = append([]index.Version(nil), old.Versions...)
	}
	v := index.Version{Version: bare(p.Ref.Version), Commit: p.Commit, Released: now.UTC().Truncate(time.Second), Parallax: bare(pkg.Parallax), H1: files.Hash, Hashes: files.Built, Identity: files.Identity}
	if was, ok := e.Find(v.Version); ok {
		v.Released, v.Identity, v.Yanked = was.Released, cmp.Or(v.Identity, was.Identity), was.Yanked
		if was.Commit != v.Commit {
			return nil, unready("raise version in "+manifest.FileName, "the index has %s %s of another commit: %.12s", e.Name, v.Version, was.Commit)
		}
	}
	if pkg.Kind == manifest.KindAgent {
		var err error
		if v.Permissions, err = index.PermissionsOf(p.Manifest.Asks); err != nil {
			return nil, err
		}
	}
	e.Put(v)
	if e.Versions[len(e.Versions)-1].Version == v.Version { // an older one says nothing of the package as it is
		e.Kind, e.Source, e.Description, e.License = pkg.Kind, p.Ref.Source, pkg.Description, pkg.License
	}
	return e, nil
}

// bare is a version without its v.
func bare(v string) string {
	if v == "" {
		return ""
	}
	return v[1:]
}

// Yank gives an entry in which a version, written without v, has a reason why nobody new should take it; "" takes that back.
func Yank(old *index.Entry, version, reason string) (*index.Entry, error) {
	v, ok := old.Find(version)
	if !ok {
		hint := "it has no version yet"
		if n := len(old.Versions); n > 0 {
			hint = "the newest is " + old.Versions[n-1].Version
		}
		return nil, unready(hint, "the index has no version %s of %s", version, old.Name)
	}
	e := *old
	e.Versions = append([]index.Version(nil), old.Versions...)
	v.Yanked = reason
	e.Put(v)
	return &e, nil
}

package market

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Grant is what an agent package of a project may do.
type Grant struct {
	Alias   string
	Digest  string                // of what was granted, as the lock has it; "" when nothing was
	Granted bool                  // that is what it asks for
	Wants   *manifest.Permissions // what it asks for; nil when it is not installed here. Paths of the project begin with $WORKSPACE
	Ref
}

// Grants lists the agent packages of a project, by alias.
func (p *Packages) Grants() ([]Grant, error) {
	var all []Grant
	for _, d := range p.Manifest.Dependencies {
		locked, err := p.Locked(d)
		if err != nil {
			return nil, err
		}
		if locked.Kind != manifest.KindAgent {
			continue
		}
		g := Grant{Alias: d.Alias, Ref: Ref{locked.Source, locked.Version}, Digest: locked.Grants}
		if t, err := p.tree(locked); err == nil {
			m, err := readManifest(t.Dir, g.Ref, anyWorkspace)
			if err != nil {
				return nil, err
			}
			g.Wants, g.Granted = orNone(m.Permissions), Digest(m) == g.Digest
		}
		all = append(all, g)
	}
	return all, nil
}

// orNone is the permissions of a manifest that may state none.
func orNone(p *manifest.Permissions) *manifest.Permissions {
	if p == nil {
		return &manifest.Permissions{}
	}
	return p
}

// Revoke takes back what the agents of these sources were granted in the project in dir: they do not start until somebody grants it again.
func (m *Market) Revoke(ctx context.Context, dir string, sources []string) error {
	held, err := m.Cache.lock(ctx, func() { m.say("waiting for another parallax that installs packages") })
	if err != nil {
		return roomless(err)
	}
	defer held.free()
	lock, err := manifest.LoadLock(dir)
	if err != nil {
		return err
	}
	for i, p := range lock.Packages {
		if slices.Contains(sources, p.Source) {
			lock.Packages[i].Grants = ""
		}
	}
	return roomless(WriteFile(filepath.Join(dir, manifest.LockName), lock.Text()))
}

package project

import (
	"errors"
	"io/fs"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/pattern"
)

// Platform is the machine as builds of agents name it.
func Platform() string { return goruntime.GOOS + "/" + goruntime.GOARCH }

// Cache is where installed packages are, for all projects of the user.
func Cache(app *cli.App) (*market.Cache, error) {
	if dir := app.Getenv("PARALLAX_CACHE"); filepath.IsAbs(dir) {
		return &market.Cache{Dir: dir}, nil
	}
	if dir := app.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return &market.Cache{Dir: filepath.Join(dir, "parallax")}, nil
	}
	if dir := app.Getenv("LOCALAPPDATA"); filepath.IsAbs(dir) {
		return &market.Cache{Dir: filepath.Join(dir, "parallax", "cache")}, nil
	}
	for _, home := range []string{app.Getenv("HOME"), app.Getenv("USERPROFILE")} {
		if home != "" {
			return &market.Cache{Dir: filepath.Join(home, ".cache", "parallax")}, nil
		}
	}
	return nil, cli.Usagef("set HOME, or PARALLAX_CACHE to a directory", "there is no place for packages: HOME is not set")
}

// Lock reads the lock of the project in dir; nil when there is none.
func Lock(dir string) (*manifest.Lock, error) {
	lock, err := manifest.LoadLock(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return lock, err
}

// packagesAt finds the packages of the project in dir.
func packagesAt(app *cli.App, dir string) (*market.Packages, error) {
	m, err := manifest.Load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		m, err = &manifest.Manifest{Dir: dir}, nil
	}
	if err != nil {
		return nil, err
	}
	return packagesOf(app, m)
}

// packagesOf finds the packages of a manifest.
func packagesOf(app *cli.App, m *manifest.Manifest) (*market.Packages, error) {
	cache, err := Cache(app)
	if err != nil {
		return nil, err
	}
	lock, err := Lock(m.Dir)
	if err != nil {
		return nil, err
	}
	return found(app, cache, m, lock), nil
}

// Vacant lists the roles of the project's packages that none of its agents fills.
func Vacant(app *cli.App, m *manifest.Manifest) ([]*pattern.PackageError, error) {
	packages, err := packagesOf(app, m)
	if err != nil {
		return nil, err
	}
	return packages.Vacant(), nil
}

// installed makes agents of packages programs with the permissions that were granted. One that is not installed becomes absent, with the reason.
func installed(app *cli.App, m *manifest.Manifest) (*manifest.Manifest, error) {
	if !slices.ContainsFunc(m.Agents, func(a manifest.Agent) bool { _, ok := a.Installed(); return ok }) {
		return m, nil
	}
	packages, err := packagesOf(app, m)
	if err != nil {
		return nil, err
	}
	c := *m
	c.Agents = nil
	for _, a := range m.Agents {
		if alias, ok := a.Installed(); ok {
			if a.Why = fromPackage(app, packages, &a, alias); a.Why != nil {
				c.Absent = append(c.Absent, a)
				continue
			}
		}
		c.Agents = append(c.Agents, a)
	}
	return &c, nil
}

// fromPackage gives an agent the program of a package. What the project itself permits it stands.
func fromPackage(app *cli.App, packages *market.Packages, a *manifest.Agent, alias string) error {
	found, err := packages.Agent(alias, packages.Manifest.Dir)
	if err != nil {
		return err
	}
	a.Use, a.Command, a.Files = manifest.Plugin, found.Command, found.Dir
	if a.Permissions == nil {
		a.Permissions = found.Permissions
	}
	a.Permissions = reading(a.Permissions, found.Dir)
	for _, grant := range a.Permissions.Secrets {
		name, _, _ := strings.Cut(grant, "@")
		if _, set := app.LookupEnv(name); set && !slices.Contains(a.Secrets, name) {
			a.Secrets = append(slices.Clip(a.Secrets), name)
		}
	}
	return nil
}

// reading gives permissions with which a package's program reads its own files too: modules, data.
func reading(p *manifest.Permissions, dir string) *manifest.Permissions {
	c := *p
	c.Read = append(slices.Clip(c.Read), dir)
	return &c
}

// whyAbsent is what a person is told of an agent that cannot be had.
func whyAbsent(a *manifest.Agent) (problem, hint string) {
	if a.Why == nil {
		return "the agent needs an environment variable that is not set", "set " + strings.Join(a.RequiresEnv, " and ")
	}
	if e, ok := errors.AsType[*pattern.PackageError](a.Why); ok {
		return e.Message, e.Hint
	}
	return a.Why.Error(), ""
}

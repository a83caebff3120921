// Package publish puts a package where others find it: a tag, a release with its files, and an entry in an index.
//
// The order is such that nothing is public before all of it is known to be right: files are made and looked at as an installation would look at
// them, uploaded into a draft, downloaded again and compared; then the tag is pushed and the draft made public; then the entry is proposed.
// Each step finds out whether it was done before, so that publishing again goes on where it broke off, however that was.
package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

// Package is a project on its way to be published.
type Package struct {
	Manifest *manifest.Manifest
	Ref      market.Ref // what it will be: github.com/owner/repo@v1.2.0
	Remote   string     // of git
	Commit   string     // of HEAD, in hex
	Tagged   bool       // the tag is on the remote, at this commit
	Last     string     // the version before it on the remote, "" for the first
	Had      *manifest.Manifest
	Dir      string // of the project
	Dist     string // where builds of an agent are

	git    git
	lastAt string // commit of Last
}

// unready says why a project cannot be published as it is.
func unready(hint, format string, args ...any) error {
	return wrong(market.Unready, hint, format, args...)
}

func wrong(code market.Code, hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &market.Error{Code: code, Message: err.Error(), Hint: hint, Cause: errors.Unwrap(err)}
}

// Look reads the project in dir and its repository and says whether it could be published: it changes nothing. dist is where builds are, which need not be
// committed.
func Look(ctx context.Context, dir, dist string) (*Package, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, unready("run it where parallax.toml is, at the top of the repository", "there is no %s in %s", manifest.FileName, dir)
	}
	if err != nil {
		return nil, err
	}
	m, err := manifest.ParsePackage(filepath.Join(dir, manifest.FileName), text, "$WORKSPACE")
	if err != nil {
		return nil, err
	}
	if err := complete(m); err != nil {
		return nil, err
	}
	p := &Package{Manifest: m, Dir: dir, Dist: dist, git: git{dir}}
	for _, step := range []func(context.Context) error{p.place, p.clean, p.versions, p.last} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// complete says what a manifest lacks that others need to choose a package.
func complete(m *manifest.Manifest) error {
	p := m.Package
	switch {
	case p.Description == "":
		return unready(`add description = "..." under [package]`, "%s does not say in a line what the package does", manifest.FileName)
	case p.License == "":
		return unready(`add license = "Apache-2.0", or another SPDX name, under [package]`, "%s does not say under which license others may use it", manifest.FileName)
	case p.Kind == manifest.KindAgent && m.Program.Protocol != market.Protocol:
		return unready(fmt.Sprintf("write protocol = %d under [agent]", market.Protocol), "%s says protocol %d", manifest.FileName, m.Program.Protocol)
	}
	return nil
}

// place finds the repository.
func (p *Package) place(ctx context.Context) error {
	top, err := p.git.line(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return unready("git init, commit, and push it to "+p.Manifest.Package.Name+" on GitHub", "%s is in no git repository: %w", p.Dir, err)
	}
	if !sameDir(top, p.Dir) {
		return unready("a repository is one package: its parallax.toml is at the top", "%s is not at the top of its repository, which is %s", manifest.FileName, top)
	}
	if p.Commit, err = p.git.line(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"); err != nil {
		return unready("git add . && git commit", "nothing was committed yet")
	}
	if p.Remote, err = p.git.remote(ctx); err != nil {
		return err
	}
	host, repo, err := p.git.source(ctx, p.Remote)
	if err != nil {
		return err
	}
	if !strings.EqualFold(repo, p.Manifest.Package.Name) {
		return unready(fmt.Sprintf("write name = %q, or set the address of the remote", repo), "%s says that the package is %s, and the remote %s is %s/%s", manifest.FileName, p.Manifest.Package.Name, p.Remote, host, repo)
	}
	p.Ref = market.Ref{Source: host + "/" + repo, Version: p.Manifest.Package.Version}
	if !manifest.ValidSource(p.Ref.Source) {
		return unready("", "%s cannot be the source of a package", p.Ref.Source)
	}
	return nil
}

func sameDir(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// clean sees to it that what is here is what was committed. Builds are no part of that.
func (p *Package) clean(ctx context.Context) error {
	args := []string{"status", "--porcelain", "--", "."}
	if rel, err := filepath.Rel(p.Dir, p.Dist); err == nil && filepath.IsLocal(rel) && rel != "." {
		args = append(args, ":(exclude)"+filepath.ToSlash(rel))
	}
	out, err := p.git.run(ctx, args...)
	if err != nil {
		return err
	}
	if out = strings.TrimRight(out, "\n"); out != "" {
		list := strings.Split(out, "\n")
		const most = 5
		if more := len(list) - most; more > 0 {
			list = append(list[:most], fmt.Sprintf("   and %d more", more))
		}
		return unready("commit it, or add it to .gitignore", "there is what was not committed:\n%s", strings.Join(list, "\n"))
	}
	return nil
}

// versions compares the version with those that the remote has.
func (p *Package) versions(ctx context.Context) error {
	tags, heads, err := p.git.refs(ctx, p.Remote)
	if err != nil {
		return err
	}
	v := p.Ref.Version
	switch at := tags[v]; at {
	case "":
	case p.Commit:
		p.Tagged = true
	default:
		return unready("raise version in "+manifest.FileName+"; what was published stays as it was", "%s is there already, at the commit %.12s", v, at)
	}
	for tag := range tags {
		if !manifest.ValidVersion(tag) || tag == v {
			continue
		}
		if newest := semver.Compare(tag, v) > 0; newest && semver.Major(tag) == semver.Major(v) && !p.Tagged {
			return unready("raise version in "+manifest.FileName, "%s is not newer than %s, which is there", v, tag)
		} else if !newest && (p.Last == "" || semver.Compare(tag, p.Last) > 0) {
			p.Last, p.lastAt = tag, tags[tag]
		}
	}
	if !p.Tagged && !p.git.reaches(ctx, heads, p.Commit) {
		return unready("git push "+p.Remote+" HEAD", "the commit %.12s is not on %s yet", p.Commit, p.Ref.Source)
	}
	return nil
}

// last reads what the version before said of itself.
func (p *Package) last(ctx context.Context) error {
	if p.Last == "" {
		return nil
	}
	text, err := p.git.at(ctx, p.Remote, "refs/tags/"+p.Last, p.lastAt, manifest.FileName)
	if err != nil {
		return err
	}
	if p.Had, err = manifest.ParsePackage(p.Last+"/"+manifest.FileName, []byte(text), "$WORKSPACE"); err != nil {
		p.Had = nil // it was no package, or one that nobody can install
	}
	return nil
}

// Widened lists what the package asks for beyond what the version before asked for, as market.Widened does. The first version widens nothing.
func (p *Package) Widened() []string {
	if p.Had == nil || p.Had.Package.Kind != manifest.KindAgent {
		return nil
	}
	had := p.Had.Permissions
	if had == nil {
		had = &manifest.Permissions{}
	}
	return market.Widened(had, p.Manifest.Permissions)
}

// Tag tags the commit and pushes the tag, with the user's own git, unless that was done.
func (p *Package) Tag(ctx context.Context) error {
	if p.Tagged {
		return nil
	}
	v := p.Ref.Version
	switch at, err := p.git.line(ctx, "rev-parse", "--verify", "--quiet", "refs/tags/"+v+"^{commit}"); {
	case err != nil:
		if _, err := p.git.run(ctx, "tag", "--annotate", "--message", p.Manifest.Package.Name+" "+v, v, p.Commit); err != nil {
			return wrong(market.Unready, "", "the tag %s cannot be made: %w", v, err)
		}
	case at != p.Commit:
		return unready("git tag --delete "+v, "the tag %s is here, not on %s, and at another commit: %.12s", v, p.Ref.Source, at)
	}
	ref := "refs/tags/" + v
	if _, err := p.git.run(ctx, "push", "--quiet", p.Remote, ref+":"+ref); err != nil {
		return wrong(market.Denied, "git push "+p.Remote+" "+v+" must work; then parallax publish goes on", "the tag %s cannot be pushed: %w", v, err)
	}
	return nil
}

// Untag takes the tag from the remote again.
func (p *Package) Untag(ctx context.Context) error {
	_, err := p.git.run(ctx, "push", "--quiet", p.Remote, ":refs/tags/"+p.Ref.Version)
	return err
}

// Claim makes sure that nobody else publishes from this checkout, until free is called.
func (p *Package) Claim(ctx context.Context) (free func(), err error) {
	dir, err := p.git.line(ctx, "rev-parse", "--absolute-git-dir")
	if err != nil {
		return nil, err
	}
	free, ok, err := market.Claimed(filepath.Join(dir, "parallax-publish.lock"))
	if err == nil && !ok {
		err = unready("wait until it ends", "another parallax publishes from this checkout")
	}
	return free, err
}

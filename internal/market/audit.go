package market

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/internal/origin"
)

// Finding is something that one should know of a package that a project uses.
type Finding struct {
	Kind    string `json:"kind"`    // malware, security, policy, moved, checksum, signer, yanked, deprecated, widened, unverified or unlisted
	Serious bool   `json:"serious"` // the package should not be used as it is
	Source  string `json:"source"`
	Version string `json:"version"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // the next step
}

// Audit compares what a project uses with what the indexes say of it now. Serious findings come first, then those of one package after those of another.
// Nothing is said when no index is known.
func (m *Market) Audit(ctx context.Context, lock *manifest.Lock) ([]Finding, error) {
	c, err := m.Index.Fresh(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && c.Empty() {
		return nil, err
	}
	if err != nil {
		m.remark(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	var all []Finding
	for _, p := range lock.Packages {
		found, err := m.audit(c, p)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
	return all, nil
}

func rank(f Finding) int {
	if f.Serious {
		return 0
	}
	return 1
}

// audit is about one package.
func (m *Market) audit(c *Catalogue, p manifest.Locked) ([]Finding, error) {
	r := Ref{p.Source, p.Version}
	var all []Finding
	add := func(serious bool, kind, hint, format string, args ...any) {
		all = append(all, Finding{kind, serious, p.Source, p.Version, fmt.Sprintf(format, args...), hint})
	}
	for _, n := range m.Index.Notes(r) {
		hint := "parallax remove " + p.Source
		switch {
		case n.Instead != "":
			hint = "parallax info " + n.Instead
		case n.Kind == NoteYanked, n.Kind.Removed() && len(n.Versions) > 0:
			hint = "parallax upgrade, if there is a newer one"
		case n.Kind == NoteDeprecated:
			hint = ""
		}
		add(n.Kind.Removed(), string(n.Kind), hint, "it %s", n)
	}
	found, ok := c.Source(p.Source)
	if !ok {
		if len(all) == 0 {
			add(false, "unlisted", "", "no index has it: nobody but its author has looked at it")
		}
		return all, nil
	}
	v, ok := found.Find(r.bare())
	if !ok {
		add(false, "unlisted", "", "the index does not have this version")
		return all, nil
	}
	for _, d := range differences(p, v) {
		add(true, d[0], "do not use it; ask its author why", "%s", d[1])
	}
	if p.Identity == "" && !found.Vouched(v) {
		add(false, "unverified", "", "nobody vouches for where it comes from")
	}
	newer, more, err := widening(found.Package, p, v)
	if len(more) > 0 {
		add(false, "widened", "parallax upgrade asks before it takes it", "v%s asks for more: %s", newer, strings.Join(more, ", "))
	}
	return all, err
}

// differences are what the lock says of a version and the index says otherwise, as kind and message.
func differences(p manifest.Locked, v index.Version) [][2]string {
	var all [][2]string
	if p.Commit != "" && p.Commit != v.Commit {
		all = append(all, [2]string{string(Moved), fmt.Sprintf("its tag is at commit %.12s in %s, and at %.12s in the index", p.Commit, manifest.LockName, v.Commit)})
	}
	if p.Hash != "" && v.H1 != "" && p.Hash != v.H1 {
		all = append(all, [2]string{string(BadSum), fmt.Sprintf("the hash of its files is %s in %s, and %s in the index", p.Hash, manifest.LockName, v.H1)})
	}
	for _, platform := range slices.Sorted(maps.Keys(p.Assets)) {
		if want := v.Hashes[platform]; want != "" && want != p.Assets[platform] {
			all = append(all, [2]string{string(BadSum), fmt.Sprintf("the checksum of its build for %s is not that of the index", platform)})
		}
	}
	if p.Identity != "" && v.Identity != "" && origin.Signer(p.Identity) != origin.Signer(v.Identity) {
		all = append(all, [2]string{"signer", fmt.Sprintf("it was built by %s by %s, and by %s by the index", origin.Signer(p.Identity), manifest.LockName, origin.Signer(v.Identity))})
	}
	return all
}

// widening says what the newest version that would take the place of a locked one asks for beyond it.
func widening(p *index.Package, locked manifest.Locked, v index.Version) (newer string, more []string, err error) {
	for _, w := range slices.Backward(p.Versions) {
		tag := "v" + w.Version
		if w.Yanked != "" || semver.Prerelease(tag) != "" || major(tag) != major(locked.Version) {
			continue
		}
		if semver.Compare(tag, locked.Version) <= 0 {
			return "", nil, nil
		}
		had, err := v.Permissions.Manifest()
		if err != nil {
			return "", nil, err
		}
		wants, err := w.Permissions.Manifest()
		if err != nil {
			return "", nil, err
		}
		return w.Version, Widened(had, wants), nil
	}
	return "", nil, nil
}

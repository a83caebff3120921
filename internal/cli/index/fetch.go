package index

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/internal/origin"
)

// compare downloads versions that previous does not have, and says where the index is wrong about them.
func (o *checkOptions) compare(ctx context.Context, r *index.Repository, previous *index.Document) ([]index.Finding, error) {
	m, err := project.Market(o.app)
	if err != nil {
		return nil, err
	}
	c := &comparing{market: m}
	for i := range r.Entries {
		e := &r.Entries[i]
		if !o.concerns(index.Path(e.Name)) {
			continue
		}
		var was *index.Entry
		if previous != nil {
			was = &index.Entry{}
			if p, ok := previous.Find(e.Name); ok {
				was = &p.Entry
			}
		}
		for _, n := range e.New(was) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			c.version(ctx, e, e.Versions[n])
		}
	}
	return c.found, nil
}

// comparing is a comparison of an index with what it is about.
type comparing struct {
	market *market.Market
	entry  *index.Entry
	found  []index.Finding
}

func (c *comparing) version(ctx context.Context, e *index.Entry, v index.Version) {
	c.entry = e
	content, err := c.market.Inspect(ctx, market.Ref{Source: e.Source, Version: "v" + v.Version})
	if err != nil {
		c.failed(v, err)
		return
	}
	p := content.Manifest.Package
	if v.Version != e.Versions[len(e.Versions)-1].Version { // an entry has the license of its newest version
		p.License = e.License
	}
	for _, d := range []struct{ what, is, said string }{
		{"commit", content.Commit, v.Commit},
		{"kind", string(p.Kind), string(e.Kind)},
		{"license", p.License, e.License},
		{"oldest parallax", p.Parallax, prefixed(v.Parallax)},
		{"h1", content.Hash, v.H1},
	} {
		if d.is != d.said {
			c.wrong("the %s of version %s is %s, and the entry says %s", d.what, v.Version, shown(d.is), shown(d.said))
		}
	}
	c.hashes(v, content.Assets)
	c.permissions(v, content.Manifest)
	c.identity(v, content.Origin)
}

// wrong notes where an entry differs from what was published.
func (c *comparing) wrong(format string, args ...any) {
	c.found = append(c.found, index.Finding{
		File: index.Path(c.entry.Name), Message: fmt.Sprintf(format, args...), Hint: "the author's parallax publish writes what is right",
	})
}

// failed notes a version that cannot be fetched. That of a host that cannot be asked now is told as such.
func (c *comparing) failed(v index.Version, err error) {
	f := index.Finding{File: index.Path(c.entry.Name), Message: fmt.Sprintf("version %s cannot be fetched: %v", v.Version, err)}
	if market.Trouble(err) {
		f.Hint = "try again later"
	}
	c.found = append(c.found, f)
}

func (c *comparing) hashes(v index.Version, is map[string]string) {
	all := maps.Clone(is)
	if all == nil {
		all = make(map[string]string)
	}
	maps.Copy(all, v.Hashes)
	for _, platform := range slices.Sorted(maps.Keys(all)) {
		if is[platform] != v.Hashes[platform] {
			c.wrong("the hash of version %s for %s is %s, and the entry says %s", v.Version, platform, shown(is[platform]), shown(v.Hashes[platform]))
		}
	}
}

func (c *comparing) permissions(v index.Version, m *manifest.Manifest) {
	asks, err := index.PermissionsOf(m.Asks)
	if err != nil {
		c.wrong("the permissions of version %s cannot be read: %v", v.Version, err)
		return
	}
	if asks.Empty() != v.Permissions.Empty() || !asks.Empty() && !asks.Equal(v.Permissions) {
		c.wrong("version %s asks for other permissions than the entry says: %s", v.Version, asks)
	}
}

// identity compares who built a version with who the entry says did.
func (c *comparing) identity(v index.Version, built origin.Answer) {
	switch {
	case built.Verdict == origin.Refused:
		c.wrong("version %s is refused: %s", v.Version, built.Why)
	case built.Verdict == origin.Verified && v.Identity == "":
		c.remark("version %s was built by %s, and the entry does not say so", v.Version, built.Identity)
	case built.Verdict == origin.Verified && built.Identity != v.Identity:
		c.wrong("version %s was built by %s, and the entry says %s", v.Version, built.Identity, v.Identity)
	case built.Verdict == origin.None && v.Identity != "":
		c.wrong("nothing says that version %s was built by %s: %s", v.Version, v.Identity, built.Why)
	case built.Verdict == origin.Unknown && v.Identity != "":
		c.remark("it is not checked that version %s was built by %s: %s", v.Version, v.Identity, built.Why)
	}
}

// remark notes what is for a person to judge.
func (c *comparing) remark(format string, args ...any) {
	c.found = append(c.found, index.Finding{File: index.Path(c.entry.Name), Warning: true, Message: fmt.Sprintf(format, args...)})
}

func prefixed(version string) string {
	if version == "" {
		return ""
	}
	return "v" + version
}

func shown(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

package market

import (
	"context"
	"maps"
	"os"
	"reflect"
	"slices"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/origin"
)

// Content is what a version of a package is, by its files.
type Content struct {
	Commit   string
	Manifest *manifest.Manifest // paths in its permissions are seen from index.Workspace
	Hash     string             // h1: over the files of a pattern
	Assets   map[string]string  // of an agent, by platform: sha256: of the archive that was fetched
	Origin   origin.Answer      // who built it
}

// Inspect fetches all files of a version, those for other machines too, and says what they are. It keeps none and runs nothing.
func (m *Market) Inspect(ctx context.Context, r Ref) (*Content, error) {
	dir, err := os.MkdirTemp("", "parallax-inspect-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = removeAll(dir) }()
	alone := *m
	alone.Cache, alone.Version, alone.Index = &Cache{Dir: dir}, "", nil
	o := &obtaining{Market: &alone, ref: r}
	rel, err := o.begin(ctx)
	if err != nil {
		return nil, err
	}
	if builds, others := o.builds(rel); len(builds) > 0 || len(others) > 0 {
		return o.inspectAgent(ctx, m, rel, builds, others)
	}
	if o.stage, err = alone.Cache.stage(); err != nil {
		return nil, err
	}
	c := &Content{Commit: o.commit}
	if c.Manifest, err = o.source(ctx, rel); err != nil {
		return nil, err
	}
	if c.Hash, err = hashTree(o.stage.tree()); err != nil {
		return nil, err
	}
	name, digest := o.archive(rel)
	c.Origin, err = m.origin(ctx, rel, asset{r, name, digest})
	return c, err
}

// inspectAgent fetches the builds of an agent. All of them must say the same of it. Who built them, asks finds out.
func (o *obtaining) inspectAgent(ctx context.Context, asks *Market, rel *release, builds map[string]string, others []string) (*Content, error) {
	if len(builds) == 0 {
		return nil, o.noBuild(builds, others)
	}
	c := &Content{Commit: o.commit, Assets: make(map[string]string)}
	for _, platform := range slices.Sorted(maps.Keys(builds)) {
		name := builds[platform]
		m, err := o.inspectBuild(ctx, rel, name)
		if err != nil {
			return nil, err
		}
		if c.Manifest != nil && !sameAgent(c.Manifest, m) {
			return nil, wrongf(BadPackage, "tell its author", "the builds of %s do not say the same: %s of %s differs from the others", o.ref, manifest.FileName, name)
		}
		built, err := asks.origin(ctx, rel, asset{o.ref, name, rel.sums[name]})
		if err != nil {
			return nil, err
		}
		if c.Manifest == nil || built.Verdict != origin.Verified { // one that is not verified speaks for all
			c.Origin = built
		}
		c.Manifest, c.Assets[platform] = m, rel.sums[name]
	}
	return c, nil
}

func (o *obtaining) inspectBuild(ctx context.Context, rel *release, name string) (_ *manifest.Manifest, err error) {
	o.say("fetching " + name)
	if o.stage, err = o.Cache.stage(); err != nil {
		return nil, err
	}
	defer o.stage.drop()
	if err := o.fetch(ctx, rel, name, rel.sums[name], maxAgent); err != nil {
		return nil, err
	}
	return o.unpacked(o.stage.archive(), agentBounds, manifest.KindAgent)
}

// sameAgent says whether two builds are of the same package and ask for the same.
func sameAgent(a, b *manifest.Manifest) bool {
	x, y := a.Package, b.Package
	x.Pos, y.Pos = manifest.Pos{}, manifest.Pos{}
	return x == y && reflect.DeepEqual(a.Asks, b.Asks)
}

// builds lists the builds of a release that is one of an agent, and the protocols of those for other versions of parallax.
func (o *obtaining) builds(rel *release) (builds map[string]string, others []string) {
	if rel == nil || rel.sums[o.ref.sourceAsset()] != "" {
		return nil, nil
	}
	return rel.builds(o.ref)
}

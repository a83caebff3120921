package market

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/internal/origin"
)

// Versions asks for the versions of a package and gives them in no order.
func (m *Market) Versions(ctx context.Context, source string) ([]string, error) {
	tags, err := m.Client.tags(ctx, Ref{Source: source})
	return slices.Collect(maps.Keys(tags)), err
}

// offered asks for the versions of a package that one may begin with: those that were not taken back. The error is that all were.
func (m *Market) offered(ctx context.Context, source string) ([]string, error) {
	if _, err := m.known(ctx); err != nil {
		return nil, err
	}
	versions, err := m.Versions(ctx, source)
	if err != nil || len(versions) == 0 {
		return nil, err
	}
	kept := slices.DeleteFunc(slices.Clone(versions), func(v string) bool { return m.away(Ref{source, v}) != nil })
	if len(kept) == 0 {
		r := Ref{source, latest(versions, "")}
		return nil, withdrawn(r, *m.away(r))
	}
	return kept, nil
}

// away says why nobody should begin with a version, or gives nil.
func (m *Market) away(r Ref) *Note {
	for _, n := range m.Index.Notes(r) {
		if n.Kind.Removed() || n.Kind == NoteYanked {
			return &n
		}
	}
	return nil
}

// Latest gives a ref its version where it has none: the newest release. Without a network it is the newest that is installed here.
func (m *Market) Latest(ctx context.Context, r Ref) (Ref, error) {
	if r.Version != "" {
		return r, nil
	}
	versions, err := m.offered(ctx, r.Source)
	if is(err, Network) || is(err, RateLimited) {
		if v := latest(m.Cache.versions(r.Source), ""); v != "" {
			m.say(fmt.Sprintf("%v; taking %s %s, which is installed here", err, r.Source, v))
			return Ref{r.Source, v}, nil
		}
	}
	if err != nil {
		return r, err
	}
	if r.Version = latest(versions, ""); r.Version == "" {
		return r, wrongf(NotFound, "a version is a tag such as v1.0.0", "%s has no version yet", r.Source)
	}
	return r, nil
}

// obtain gives a version of a package, from the cache or its host. locked, if not nil, is what the lock says of that version, and what comes must
// be that. The caller holds the cache's lock. before is called with the manifest of an agent before the agent is started for the first time.
func (m *Market) obtain(ctx context.Context, r Ref, locked *manifest.Locked, want trust, before func(*manifest.Manifest, origin.Answer) error) (*Tree, error) {
	if t := m.cached(r, locked); t != nil {
		return t, m.recheck(ctx, t, want)
	}
	o := &obtaining{Market: m, ref: r, locked: locked, trust: want, before: before}
	t, err := o.run(ctx)
	if err != nil {
		return nil, roomless(err)
	}
	return t, nil
}

// cached gives what is installed already.
func (m *Market) cached(r Ref, locked *manifest.Locked) *Tree {
	if locked == nil {
		t, _ := m.Cache.find(r, m.Platform)
		return t
	}
	if locked.Kind == manifest.KindAgent && locked.Assets[m.Platform] == "" {
		return nil
	}
	if t, err := m.Cache.open(key(locked.Hash, locked.Assets[m.Platform])); err == nil {
		return t
	}
	return nil
}

// obtaining is one package on its way.
type obtaining struct {
	*Market
	ref    Ref
	locked *manifest.Locked
	trust  trust
	before func(*manifest.Manifest, origin.Answer) error
	commit string
	entry  *index.Version // what the index says of it, or nil
	origin origin.Answer
	stage  *staging
}

func (o *obtaining) run(ctx context.Context) (*Tree, error) {
	rel, err := o.begin(ctx)
	if err != nil {
		return nil, err
	}
	if o.stage, err = o.Cache.stage(); err != nil {
		return nil, err
	}
	defer o.stage.drop()
	if builds, others := o.builds(rel); len(builds) > 0 || len(others) > 0 {
		return o.agent(ctx, rel, builds, others)
	}
	return o.pattern(ctx, rel)
}

// begin finds the commit of the version, and its release if there is one.
func (o *obtaining) begin(ctx context.Context) (*release, error) {
	tags, rel, err := o.asked(ctx)
	if err != nil {
		return nil, err
	}
	if o.commit = tags[o.ref.Version]; o.commit == "" {
		return nil, o.noVersion(slices.Collect(maps.Keys(tags)))
	}
	if err := o.listed(ctx); err != nil {
		return nil, err
	}
	if o.locked != nil && o.locked.Commit != "" && o.locked.Commit != o.commit {
		return nil, wrongf(Moved, "ask its author why; to accept it, remove it from parallax.lock and run parallax install",
			"the tag %s of %s was moved: it is at commit %.12s, and parallax.lock says %.12s", o.ref.Version, o.ref.Source, o.commit, o.locked.Commit)
	}
	return rel, nil
}

// pinnedTo compares what came with what the lock says of it.
func (o *obtaining) pinnedTo(r Receipt) error {
	if o.locked != nil && o.locked.Hash != "" && o.locked.Hash != r.Hash {
		return wrongf(BadSum, "ask its author why its files changed; to accept it, remove it from parallax.lock and run parallax install",
			"the files of %s are not those that parallax.lock says: their hash is %s and was %s", o.ref, r.Hash, o.locked.Hash)
	}
	return nil
}

// asked asks the host for what it has, at the same time.
func (o *obtaining) asked(ctx context.Context) (tags map[string]string, rel *release, err error) {
	var (
		wg     sync.WaitGroup
		relErr error
	)
	o.Client.client() // is made before two want it
	wg.Go(func() { rel, relErr = o.Client.release(ctx, o.ref) })
	tags, err = o.Client.tags(ctx, o.ref)
	wg.Wait()
	if err == nil && tags[o.ref.Version] != "" {
		err = relErr
	}
	return tags, rel, err
}

// listed compares what the host says of a version with what the index says.
func (o *obtaining) listed(ctx context.Context) error {
	c, err := o.known(ctx)
	if err != nil {
		return err
	}
	v, ok := c.Version(o.ref)
	if o.entry = nil; !ok {
		return nil
	}
	if o.entry = &v; v.Commit != o.commit {
		return wrongf(Moved, "do not use it; ask its author why", "the tag %s of %s was moved: it is at commit %.12s, and the index says %.12s", o.ref.Version, o.ref.Source, o.commit, v.Commit)
	}
	return nil
}

// promised compares what came with what the index says of it.
func (o *obtaining) promised(r Receipt) error {
	if o.entry == nil {
		return nil
	}
	want, got := o.entry.H1, r.Hash
	if r.Kind == manifest.KindAgent {
		want, got = o.entry.Hashes[o.Platform], r.Asset
	}
	if want != "" && want != got {
		return wrongf(BadSum, "do not use it; ask its author why its files changed", "the files of %s are not those that the index says: their hash is %s and was %s", o.ref, got, want)
	}
	return nil
}

func (o *obtaining) noVersion(versions []string) error {
	hint := "a version is a tag such as v1.0.0"
	if len(versions) > 0 {
		hint = "there are " + versionsNear(versions)
	}
	return wrongf(NotFound, hint, "%s has no version %s", o.ref.Source, o.ref.Version)
}

// pattern takes the source of a pattern.
func (o *obtaining) pattern(ctx context.Context, rel *release) (*Tree, error) {
	name, digest := o.archive(rel)
	if err := o.vouched(ctx, rel, name, digest); err != nil {
		return nil, err
	}
	m, err := o.source(ctx, rel)
	if err != nil {
		return nil, err
	}
	return o.publish(Receipt{Kind: m.Package.Kind, Digest: digest})
}

// archive names the file of a release that a pattern's source is in, and its digest; that is "" when there is none.
func (o *obtaining) archive(rel *release) (name, digest string) {
	name = o.ref.sourceAsset()
	if rel != nil {
		digest = rel.sums[name]
	}
	return name, digest
}

// source stages the source of a pattern: the file of its release, else what its host or git packs.
func (o *obtaining) source(ctx context.Context, rel *release) (*manifest.Manifest, error) {
	o.say("fetching " + o.ref.String())
	git := filepath.Join(o.stage.dir, "git")
	if name, digest := o.archive(rel); digest != "" {
		if err := o.fetch(ctx, rel, name, digest, maxPattern); err != nil {
			return nil, err
		}
	} else if err := o.Client.archived(ctx, o.ref, o.commit, o.stage.archive(), git); err != nil {
		return nil, o.gone(err)
	}
	m, err := o.unpacked(o.stage.archive(), patternBounds, manifest.KindPattern)
	if err != nil {
		return nil, err
	}
	return m, removeAll(git)
}

// agent takes the build of an agent for this machine.
func (o *obtaining) agent(ctx context.Context, rel *release, builds map[string]string, others []string) (*Tree, error) {
	name, ok := builds[o.Platform]
	if !ok {
		return nil, o.noBuild(builds, others)
	}
	r := Receipt{Kind: manifest.KindAgent, Asset: rel.sums[name], Digest: rel.sums[name], Assets: make(map[string]string)}
	for platform, name := range builds {
		r.Assets[platform] = rel.sums[name]
	}
	if o.locked != nil && o.locked.Assets[o.Platform] != r.Asset {
		return nil, wrongf(BadSum, "ask its author why its files changed; to accept it, remove it from parallax.lock and run parallax install",
			"%s of %s is not what parallax.lock says: its checksum is %s and was %s", name, o.ref, r.Asset, o.locked.Assets[o.Platform])
	}
	if err := o.vouched(ctx, rel, name, r.Asset); err != nil {
		return nil, err
	}
	o.say(fmt.Sprintf("fetching %s for %s", o.ref, o.Platform))
	if err := o.fetch(ctx, rel, name, r.Asset, maxAgent); err != nil {
		return nil, err
	}
	m, err := o.unpacked(o.stage.archive(), agentBounds, manifest.KindAgent)
	if err != nil {
		return nil, err
	}
	if err := runnable(o.stage.tree(), m); err != nil {
		return nil, err
	}
	if o.before != nil {
		if err := o.before(m, o.origin); err != nil {
			return nil, err
		}
	}
	if o.Start != nil {
		if err := o.Start(ctx, o.stage.tree(), m); err != nil {
			return nil, &Error{Code: NotStarting, Message: fmt.Sprintf("%s does not start, so it was not installed: %s", o.ref, err), Hint: "tell its author", Cause: err}
		}
	}
	return o.publish(r)
}

func (o *obtaining) noBuild(builds map[string]string, others []string) error {
	if len(builds) == 0 {
		return wrongf(NoBuild, "take another version of it, or of parallax", "%s speaks protocol %s, and this parallax speaks %d", o.ref, strings.Join(others, " and "), Protocol)
	}
	return wrongf(NoBuild, "ask its author for one", "%s has no build for %s; it has some for %s", o.ref, o.Platform, strings.Join(slices.Sorted(maps.Keys(builds)), ", "))
}

// vouched finds out who built what is going to be fetched, and whether that will do.
func (o *obtaining) vouched(ctx context.Context, rel *release, name, digest string) (err error) {
	if o.origin, err = o.Market.origin(ctx, rel, asset{o.ref, name, digest}); err != nil {
		return err
	}
	if o.entry != nil {
		o.trust.listed = o.entry.Identity
	}
	if err := o.trust.judge(o.origin); err != nil {
		return err
	}
	o.tell(o.ref, o.origin)
	return nil
}

// fetch downloads a file of a release and checks it.
func (o *obtaining) fetch(ctx context.Context, rel *release, name, want string, most int64) error {
	file, err := o.Cache.partFile(want)
	if err != nil {
		return err
	}
	got, older, err := o.part(ctx, o.Client.asset(o.ref, rel, name, most), file, want)
	if older && err == nil && got != want { // what came before was no part of it
		got, _, err = o.part(ctx, o.Client.asset(o.ref, rel, name, most), file, want)
	}
	if err != nil {
		return o.gone(err)
	}
	if got != want {
		return wrongf(BadSum, "try again; if it stays, tell its author", "%s of %s is not what it should be: its checksum is %s, and %s says %s", name, o.ref, got, sumsName, want)
	}
	return os.Rename(file, o.stage.archive())
}

// part downloads what is missing of a file and gives the checksum of all. What is not whole stays, to be continued; what is whole and not what is wanted
// does not. older says that some of it was there before.
func (o *obtaining) part(ctx context.Context, r request, file, want string) (got string, older bool, err error) {
	note := file + ".of"
	p, err := openPart(file, note)
	if err != nil {
		return "", false, err
	}
	if p.older {
		o.say(fmt.Sprintf("continuing after %.1f MB", float64(p.size)/1e6))
	}
	if !p.older || p.digest() != want { // else it was killed when it had all
		err = o.Client.fill(ctx, r, p)
	}
	err = errors.Join(err, p.close())
	broken := ctx.Err() != nil || is(err, Network) || is(err, RateLimited)
	if got = p.digest(); err != nil && broken && p.resumable() {
		return "", p.older, err
	}
	if err != nil || got != want {
		err = errors.Join(err, os.Remove(file))
	}
	if e := os.Remove(note); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return got, p.older, err
}

// gone makes a missing file of a package a clear error.
func (o *obtaining) gone(err error) error {
	if absent(err) {
		return wrongf(NotFound, "tell its author", "a file of %s is missing: %w", o.ref, err)
	}
	return err
}

// unpacked unpacks an archive and reads the manifest in it.
func (o *obtaining) unpacked(archive string, b Bounds, kind manifest.Kind) (*manifest.Manifest, error) {
	if err := o.stage.unpack(archive, b); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Code == Unsafe {
			return nil, &Error{Code: Unsafe, Message: fmt.Sprintf("%s is refused: %s", o.ref, e.Message), Hint: "tell its author", Cause: e}
		}
		return nil, err
	}
	m, err := readManifest(o.stage.tree(), o.ref, anyWorkspace)
	if err != nil {
		return nil, err
	}
	return m, o.fits(m, kind)
}

// anyWorkspace stands for the folder of the project where nobody knows it, or where a person reads what an agent asks for.
const anyWorkspace = "$WORKSPACE"

// readManifest reads the manifest of a package that was unpacked to dir. workspace is the project that uses it.
func readManifest(dir string, r Ref, workspace string) (*manifest.Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wrongf(BadPackage, "tell its author", "%s is no package: it has no %s", r, manifest.FileName)
	}
	if err != nil {
		return nil, err
	}
	if len(text) > manifest.MaxBytes {
		return nil, wrongf(BadPackage, "tell its author", "the %s of %s is too large", manifest.FileName, r)
	}
	m, err := manifest.ParsePackage(r.String()+"/"+manifest.FileName, text, workspace)
	if err != nil {
		return nil, err
	}
	m.Dir, m.Path = dir, filepath.Join(dir, manifest.FileName)
	return m, nil
}

// fits checks what a package says of itself.
func (o *obtaining) fits(m *manifest.Manifest, kind manifest.Kind) error {
	p := m.Package
	switch {
	case !strings.EqualFold(p.Name, o.ref.Repo()):
		return wrongf(BadPackage, "tell its author", "%s says that it is %s", o.ref, p.Name)
	case p.Version != o.ref.Version:
		return wrongf(BadPackage, "tell its author: version must equal the tag", "%s says that it is version %s", o.ref, p.Version)
	case p.Kind != kind && kind == manifest.KindPattern:
		return wrongf(BadPackage, "tell its author", "%s is an agent, and its release has no builds: NAME_VERSION_x%d_OS_ARCH.zip and %s", o.ref, Protocol, sumsName)
	case p.Kind != kind:
		return wrongf(BadPackage, "tell its author", "%s is a pattern, and its release has builds as if it were an agent", o.ref)
	case kind == manifest.KindAgent && m.Program.Protocol != Protocol:
		return wrongf(NoBuild, "take another version of it, or of parallax", "%s speaks protocol %d, and this parallax speaks %d", o.ref, m.Program.Protocol, Protocol)
	case p.Parallax != "" && o.Version != "" && semver.Compare(o.Version, p.Parallax) < 0:
		return wrongf(BadPackage, "take a newer parallax, or an older version of it", "%s needs parallax %s, and this is %s", o.ref, p.Parallax, o.Version)
	case kind == manifest.KindAgent && len(m.Dependencies) > 0:
		return wrongf(BadPackage, "tell its author", "%s is an agent and has [dependencies], which agents have not", o.ref)
	}
	return nil
}

// runnable lets the program of an agent be run, which an archive made on Windows does not say.
func runnable(dir string, m *manifest.Manifest) error {
	file := filepath.Join(dir, filepath.FromSlash(m.Program.Command[0]))
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
		return os.Chmod(file, 0o755)
	}
	return nil
}

// publish checks the files as a whole and puts them into the cache.
func (o *obtaining) publish(r Receipt) (*Tree, error) {
	var err error
	if r.Hash, err = o.stage.hash(); err != nil {
		return nil, err
	}
	if err := o.pinnedTo(r); err != nil {
		return nil, err
	}
	if err := o.promised(r); err != nil {
		return nil, err
	}
	r.Source, r.Version, r.Commit, r.Origin, r.Identity = o.ref.Source, o.ref.Version, o.commit, o.origin.Verdict, o.origin.Identity
	return o.Cache.publish(o.stage, r)
}

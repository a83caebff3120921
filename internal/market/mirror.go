package market

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/manifest"
)

// A mirror is a folder that stands for the hosts of packages: what is at https://HOST/PATH there is at HOST/PATH in it, so that it serves as it is, and so does any
// server of static files:
//
//	HOST/OWNER/REPO.git/info/refs              the versions that it has, as git servers say it
//	HOST/OWNER/REPO/releases/download/TAG/...  the files of a release, for all platforms
//	HOST/OWNER/REPO/archive/COMMIT.zip         the files of a pattern without a release
//	HOST/PATH                                  an index, signed as it came
//	.parallax/                                 what is on its way, and the lock
//
// A version is named when all its files are there, so who reads a mirror while it grows, or after it was broken off, finds nothing half.

// Mirrored says what was done.
type Mirrored struct {
	Packages []Ref // that are in the mirror now, by source
	Fetched  int   // files
	Kept     int   // files that were there
}

// mirroring is a mirror on its way.
type mirroring struct {
	*Market
	dir    string
	work   *Cache // for what is on its way
	before *manifest.Lock
	done   map[Ref][]want
	Mirrored
}

// Mirror brings packages into the mirror in dir, with all that they need, and the indexes. What is there stays, and is not fetched again. lock, if not nil, says what their
// content must be.
func (m *Market) Mirror(ctx context.Context, dir string, refs []Ref, lock *manifest.Lock) (*Mirrored, error) {
	if lock == nil {
		lock = &manifest.Lock{}
	}
	w := &mirroring{Market: m, dir: dir, work: &Cache{Dir: filepath.Join(dir, ".parallax")}, before: lock, done: make(map[Ref][]want)}
	held, err := w.work.lock(ctx, func() { m.say("waiting for another parallax that writes this mirror") })
	if err != nil {
		return nil, roomless(err)
	}
	defer held.free()
	for _, ref := range refs {
		if _, err := selectVersions([]want{{Ref: ref}}, func(r Ref) ([]want, error) { return w.version(ctx, r) }); err != nil {
			return nil, roomless(err)
		}
	}
	if err := w.indexes(ctx); err != nil {
		return nil, roomless(err)
	}
	w.Packages = slices.SortedFunc(maps.Keys(w.done), func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	return &w.Mirrored, nil
}

// indexes copies what is kept of the indexes, which was just asked.
func (w *mirroring) indexes(ctx context.Context) error {
	if _, err := w.known(ctx); err != nil {
		return err
	}
	for _, at := range w.Index.At {
		u, err := url.Parse(at.URL)
		if err != nil || u.Host == "" {
			continue // a file of this machine
		}
		text, err := os.ReadFile(w.Index.file(at, "index.ndjson"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // that it cannot be had was said
		}
		if err != nil {
			return err
		}
		place := hostFolder(u.Host) + filepath.FromSlash(u.Path)
		if badName(filepath.ToSlash(place)) != "" {
			return wrongf(Unsafe, "take it out of [market]", "the index %s cannot be mirrored: its address is no name of a file", at.URL)
		}
		if err := WriteFile(filepath.Join(w.dir, place), text); err != nil {
			return err
		}
	}
	return nil
}

// place is where a file of a package is.
func (w *mirroring) place(r Ref, path ...string) string {
	return filepath.Join(append([]string{w.dir, hostFolder(r.Host()), filepath.FromSlash(r.Repo())}, path...)...)
}

// version brings one version into the mirror and says what it needs.
func (w *mirroring) version(ctx context.Context, r Ref) ([]want, error) {
	if wants, ok := w.done[r]; ok {
		return wants, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := w.known(ctx); err != nil {
		return nil, err
	}
	if err := w.judge(r, use{fetch: true}); err != nil {
		return nil, err
	}
	o := &obtaining{Market: w.Market, ref: r}
	if p, ok := w.before.Package(r.Source); ok && p.Version == r.Version {
		o.locked = &p
	}
	rel, err := o.begin(ctx)
	if err != nil {
		return nil, err
	}
	stage, err := w.work.stage()
	if err != nil {
		return nil, err
	}
	defer stage.drop()
	o.stage = stage
	wants, err := w.files(ctx, o, rel)
	if err == nil {
		err = w.name(r, o.commit)
	}
	if err != nil {
		return nil, err
	}
	w.done[r] = wants
	return wants, nil
}

// files brings the files of a version, and reads what it needs.
func (w *mirroring) files(ctx context.Context, o *obtaining, rel *release) ([]want, error) {
	if rel != nil {
		if err := w.release(ctx, o, rel); err != nil {
			return nil, err
		}
		if builds, others := o.builds(rel); len(builds) > 0 || len(others) > 0 {
			return nil, w.agent(o, rel, builds)
		}
	}
	if rel != nil && rel.sums[o.ref.sourceAsset()] != "" {
		return w.pattern(o, w.place(o.ref, "releases", "download", o.ref.Version, o.ref.sourceAsset()))
	}
	file := w.place(o.ref, "archive", o.commit+".zip")
	return w.archive(ctx, o, file)
}

// archive brings the files of a pattern as its host packs them.
func (w *mirroring) archive(ctx context.Context, o *obtaining, file string) ([]want, error) {
	_, err := os.Stat(file)
	if err == nil {
		wants, err := w.pattern(o, file)
		if err != nil {
			return nil, &Error{Code: Changed, Message: fmt.Sprintf("%s was changed after it was mirrored: %v", file, err), Hint: "remove it, and mirror it again", Cause: err}
		}
		w.Kept++
		return wants, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	o.say("fetching " + o.ref.String())
	clone := filepath.Join(o.stage.dir, "git")
	if err := o.Client.archived(ctx, o.ref, o.commit, o.stage.archive(), clone); err != nil {
		return nil, o.gone(err)
	}
	if err := removeAll(clone); err != nil {
		return nil, err
	}
	wants, err := w.pattern(o, o.stage.archive())
	if err != nil {
		return nil, err
	}
	return wants, w.put(o, file)
}

// release brings the files of a release, their attestations, and at last their checksums.
func (w *mirroring) release(ctx context.Context, o *obtaining, rel *release) error {
	folder := w.place(o.ref, "releases", "download", o.ref.Version)
	attested := false
	for _, name := range slices.Sorted(maps.Keys(rel.sums)) {
		if !filepath.IsLocal(name) || name == "." {
			return wrongf(Unsafe, "tell its author", "%s of %s names a file %q", sumsName, o.ref, name)
		}
		if err := w.fetch(ctx, o, rel, name, filepath.Join(folder, name)); err != nil {
			return err
		}
		there, err := w.beside(ctx, o, rel, name+bundleSuffix, folder)
		if err != nil {
			return err
		}
		attested = attested || there || strings.HasSuffix(name, bundleSuffix) || strings.HasSuffix(name, bundlesSuffix)
	}
	all := o.ref.Name() + "_" + o.ref.bare() + bundlesSuffix
	there, err := w.beside(ctx, o, rel, all, folder)
	if err != nil {
		return err
	}
	if !attested && !there {
		if err := w.attestations(ctx, o, rel, filepath.Join(folder, all)); err != nil {
			return err
		}
	}
	return WriteFile(filepath.Join(folder, sumsName), rel.text)
}

// fetch brings one file whose checksum is known.
func (w *mirroring) fetch(ctx context.Context, o *obtaining, rel *release, name, file string) error {
	if sum, err := fileSum(file); err == nil && sum == rel.sums[name] {
		w.Kept++
		return nil
	}
	o.say("fetching " + name + " of " + o.ref.String())
	if err := o.fetch(ctx, rel, name, rel.sums[name], maxAgent); err != nil {
		return err
	}
	return w.put(o, file)
}

// put moves what was fetched to its place.
func (w *mirroring) put(o *obtaining, file string) error {
	w.Fetched++
	f, err := os.OpenFile(o.stage.archive(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.Rename(o.stage.archive(), file); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
}

// beside brings a file that need not be there, and says whether it is.
func (w *mirroring) beside(ctx context.Context, o *obtaining, rel *release, name, folder string) (bool, error) {
	if _, ok := rel.sums[name]; ok || rel.assets != nil && rel.assets[name] == "" {
		return ok, nil
	}
	text, err := w.Client.text(ctx, w.Client.asset(o.ref, rel, name, maxBundles))
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, WriteFile(filepath.Join(folder, name), text)
}

// attestations writes those that GitHub keeps into a file of the release. That they cannot be had is said: what they say is checked where they are.
func (w *mirroring) attestations(ctx context.Context, o *obtaining, rel *release, file string) error {
	if _, err := os.Stat(file); err == nil || o.ref.Host() != attestedHost || rel.assets != nil {
		return nil
	}
	var lines bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(rel.sums)) {
		bundles, err := w.Client.kept(ctx, asset{o.ref, name, rel.sums[name]})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			w.remark(fmt.Sprintf("attestations of %s cannot be had: %v", o.ref, err))
			return nil
		}
		for _, b := range bundles {
			if json.Compact(&lines, b) == nil { // what is packed is left out
				lines.WriteByte('\n')
			}
		}
	}
	if lines.Len() == 0 {
		return nil
	}
	return WriteFile(file, lines.Bytes())
}

// agent checks the builds of an agent by what index and lock say of them.
func (w *mirroring) agent(o *obtaining, rel *release, builds map[string]string) error {
	for _, platform := range slices.Sorted(maps.Keys(builds)) {
		sum := rel.sums[builds[platform]]
		if o.entry != nil && o.entry.Hashes[platform] != "" && o.entry.Hashes[platform] != sum {
			return wrongf(BadSum, "do not use it; ask its author why its files changed", "%s of %s is not what the index says", builds[platform], o.ref)
		}
		if o.locked != nil && o.locked.Assets[platform] != "" && o.locked.Assets[platform] != sum {
			return wrongf(BadSum, "ask its author why its files changed", "%s of %s is not what %s says", builds[platform], o.ref, manifest.LockName)
		}
	}
	return nil
}

// pattern looks into the archive of a pattern: whether it is what index and lock say, and what it needs.
func (w *mirroring) pattern(o *obtaining, file string) ([]want, error) {
	m, err := o.unpacked(file, patternBounds, manifest.KindPattern)
	if err != nil {
		return nil, err
	}
	hash, err := hashTree(o.stage.tree())
	if err != nil {
		return nil, err
	}
	r := Receipt{Kind: manifest.KindPattern, Hash: hash}
	return wantsOf(m, o.ref.String()), errors.Join(o.promised(r), o.pinnedTo(r))
}

// name lets the mirror say that it has a version.
func (w *mirroring) name(r Ref, commit string) error {
	file := w.place(r) + ".git/info/refs"
	tags := make(map[string]string)
	if text, err := os.ReadFile(file); err == nil {
		if tags, err = parseRefs(bytes.NewReader(text)); err != nil {
			return wrongf(Changed, "remove "+file+" and what is beside it, and mirror it again", "%s is damaged: %w", file, err)
		}
	}
	if old := tags[r.Version]; old != "" && old != commit {
		return wrongf(Moved, "ask its author why; to accept it, remove "+file, "the tag %s of %s was moved: it is at commit %.12s, and at %.12s in the mirror", r.Version, r.Source, commit, old)
	}
	tags[r.Version] = commit
	var b strings.Builder
	packet := func(line string) { fmt.Fprintf(&b, "%04x%s\n", len(line)+5, line) }
	packet("# service=git-upload-pack")
	b.WriteString("0000")
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		packet(tags[tag] + " refs/tags/" + tag)
	}
	b.WriteString("0000")
	return WriteFile(file, []byte(b.String()))
}

func fileSum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), err
}

// Everything lists the newest versions of all that the indexes have.
func (c *Catalogue) Everything() []Ref {
	var refs []Ref
	for _, p := range c.Packages() {
		if v, ok := p.Newest(); ok {
			refs = append(refs, Ref{p.Source, "v" + v.Version})
		}
	}
	return refs
}

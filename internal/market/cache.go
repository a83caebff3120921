package market

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/sync/errgroup"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/origin"
)

// Cache keeps unpacked packages, read-only, each under the hash of what was promised:
//
//	trees/h1-HEX/tree/...            the files of a pattern, by the hash over them
//	trees/sha256-HEX/tree/...        the files of an agent, by the hash of its archive
//	trees/*/receipt.json             what they are
//	names/github.com/o/r@v1.0.0.json which tree a version is, so that it is known without the network
//	tmp-*/                           what is being unpacked; whatever a killed process left is removed by the next
//	trusted/                         by what the word on builds is trusted, see package provenance
//	parts/HEX                        downloads that are not whole, by the checksum that they are to have; HEX.of says what they are part of
//	lock                             held while something is installed
type Cache struct {
	Dir string
}

// Receipt is what is known of an installed tree.
type Receipt struct {
	Source   string            `json:"source"`
	Version  string            `json:"version"`
	Commit   string            `json:"commit,omitempty"`
	Kind     manifest.Kind     `json:"kind"`
	Hash     string            `json:"hash"`               // over the files
	Asset    string            `json:"asset,omitempty"`    // of an agent: the archive that they came in
	Assets   map[string]string `json:"assets,omitempty"`   // of an agent, by platform
	Digest   string            `json:"digest,omitempty"`   // of the file of a release that it came in
	Origin   origin.Verdict    `json:"origin,omitempty"`   // what was found out on this machine
	Identity string            `json:"identity,omitempty"` // who built it, when that is verified
	Files    map[string]stamp  `json:"files"`
}

// stamp is by what a file is recognised without being read.
type stamp struct {
	Size  int64 `json:"size"`
	Mtime int64 `json:"mtime_ns"`
}

// Tree is an installed package.
type Tree struct {
	Dir string // of its files
	Receipt
}

// key names the tree of a package: by its files, or by the archive for this platform.
func key(hash, asset string) string {
	if asset != "" {
		return "sha256-" + strings.TrimPrefix(asset, "sha256:")
	}
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hash, "h1:"))
	if err != nil {
		return ""
	}
	return "h1-" + hex.EncodeToString(sum)
}

func (c *Cache) trees() string { return filepath.Join(c.Dir, "trees") }

// open gives an installed tree after a look at its files. A *Error of code Unlocked says that it is not there, one of code Changed that
// it is not what was installed.
func (c *Cache) open(key string) (*Tree, error) {
	at := filepath.Join(c.trees(), key)
	text, err := os.ReadFile(filepath.Join(at, "receipt.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wrongf(Unlocked, "parallax install", "it is not installed here")
	}
	if err != nil {
		return nil, fmt.Errorf("the package cache: %w", err)
	}
	t := &Tree{Dir: filepath.Join(at, "tree")}
	if err := json.Unmarshal(text, &t.Receipt); err != nil || key != treeKey(&t.Receipt) {
		return nil, t.changed("its receipt is damaged")
	}
	now, err := stamps(t.Dir)
	if err != nil {
		return nil, t.changed(err.Error())
	}
	if !equalStamps(now, t.Files) {
		return nil, t.whole()
	}
	return t, nil
}

func treeKey(r *Receipt) string { return key(r.Hash, r.Asset) }

func (t *Tree) changed(why string) error {
	return wrongf(Changed, "parallax install takes it again", "%s was changed after it was installed: %s", Ref{t.Source, t.Version}, why)
}

// whole reads all files and says whether they are what was installed.
func (t *Tree) whole() error {
	sum, err := hashTree(t.Dir)
	switch {
	case err != nil:
		return t.changed(err.Error())
	case sum != t.Hash:
		return t.changed("the hash over its files is " + sum + " and was " + t.Hash)
	}
	return nil
}

func equalStamps(a, b map[string]stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for name, s := range a {
		if b[name] != s {
			return false
		}
	}
	return true
}

// walk calls each with all files of a tree. Links and the like are an error: no package has any.
func walk(dir string, each func(name string, info fs.FileInfo) error) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		return each(filepath.ToSlash(name), info)
	})
}

func stamps(dir string) (map[string]stamp, error) {
	files := make(map[string]stamp)
	err := walk(dir, func(name string, info fs.FileInfo) error {
		files[name] = stamp{info.Size(), info.ModTime().UnixNano()}
		return nil
	})
	return files, err
}

// hashTree is the hash over the names and contents of all files of a tree, as Go modules have it.
func hashTree(dir string) (string, error) {
	var names []string
	if err := walk(dir, func(name string, _ fs.FileInfo) error { names = append(names, name); return nil }); err != nil {
		return "", err
	}
	return dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, filepath.FromSlash(name))) })
}

// staging is a tree that is being made.
type staging struct {
	dir   string
	files map[string]stamp // as they were unpacked
	sum   string           // the hash over them
}

// unpack unpacks an archive.
func (s *staging) unpack(archive string, b Bounds) (err error) {
	if s.sum, err = unpack(archive, s.tree(), b); err != nil {
		return err
	}
	s.files, err = stamps(s.tree())
	return err
}

// hash is over the files as they are now. They are read again only if they are not what was unpacked.
func (s *staging) hash() (string, error) {
	now, err := stamps(s.tree())
	if err != nil || equalStamps(now, s.files) {
		return s.sum, err
	}
	return hashTree(s.tree())
}

func (s *staging) tree() string    { return filepath.Join(s.dir, "tree") }
func (s *staging) archive() string { return filepath.Join(s.dir, "archive.zip") }

// stage begins a tree. The caller holds the lock, and drops the tree unless it was published.
func (c *Cache) stage() (*staging, error) {
	if err := os.MkdirAll(c.trees(), 0o755); err != nil {
		return nil, fmt.Errorf("the package cache: %w", err)
	}
	dir, err := os.MkdirTemp(c.trees(), "tmp-")
	if err != nil {
		return nil, fmt.Errorf("the package cache: %w", err)
	}
	s := &staging{dir: dir}
	if err := os.Mkdir(s.tree(), 0o755); err != nil {
		s.drop()
		return nil, fmt.Errorf("the package cache: %w", err)
	}
	return s, nil
}

// trusted is where what builds are trusted by is kept.
func (c *Cache) trusted() string { return filepath.Join(c.Dir, "trusted") }

// amend writes down what was found out about an installed tree later.
func (c *Cache) amend(t *Tree) error {
	text, err := json.MarshalIndent(&t.Receipt, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(filepath.Dir(t.Dir), "receipt.json"), text)
}

func (s *staging) drop() { _ = removeAll(s.dir) }

// publish makes a staged tree one of the cache, in one step. A damaged one in its place is put out of the way.
func (c *Cache) publish(s *staging, r Receipt) (*Tree, error) {
	if err := os.Remove(s.archive()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	dirs, err := seal(s.tree())
	if err != nil {
		return nil, err
	}
	files, err := stamps(s.tree())
	if err != nil {
		return nil, err
	}
	r.Files = files
	text, err := json.MarshalIndent(&r, "", "  ")
	if err != nil {
		return nil, err
	}
	receipt := filepath.Join(s.dir, "receipt.json")
	if err := os.WriteFile(receipt, text, 0o644); err != nil {
		return nil, err
	}
	if err := syncAll(receipt, append(dirs, s.dir)); err != nil {
		return nil, err
	}
	final := filepath.Join(c.trees(), treeKey(&r))
	if _, err := os.Lstat(final); err == nil {
		old, err := os.MkdirTemp(c.trees(), "tmp-")
		if err != nil {
			return nil, err
		}
		if err := os.Rename(final, filepath.Join(old, "old")); err != nil {
			return nil, err
		}
		defer func() { _ = removeAll(old) }()
	}
	if err := os.Rename(s.dir, final); err != nil {
		return nil, err
	}
	if err := syncDir(c.trees()); err != nil {
		return nil, err
	}
	return &Tree{Dir: filepath.Join(final, "tree"), Receipt: r}, c.remember(r)
}

// seal makes all of a tree read-only, and gives its folders, which are not on the disk yet.
func seal(dir string) (dirs []string, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			dirs = append(dirs, p)
		}
		return os.Chmod(p, info.Mode().Perm()&0o555|0o444)
	})
	return dirs, err
}

// syncAll sees to it that a file and folders are on the disk, which takes those that come together in one go.
func syncAll(file string, dirs []string) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	group.Go(func() error { return syncFile(file) })
	for _, dir := range dirs {
		group.Go(func() error { return syncDir(dir) })
	}
	return group.Wait()
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeAll removes a tree that may be read-only.
func removeAll(dir string) error {
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(p, 0o755)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// keepPart is how long a download that was broken off may be continued.
const keepPart = 7 * 24 * time.Hour

// partFile is where a download is until it is whole.
func (c *Cache) partFile(sum string) (string, error) {
	dir := filepath.Join(c.Dir, "parts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("the package cache: %w", err)
	}
	return filepath.Join(dir, strings.TrimPrefix(sum, "sha256:")), nil
}

// forget removes the downloads that nobody came back for.
func (c *Cache) forget(now time.Time) {
	entries, _ := os.ReadDir(filepath.Join(c.Dir, "parts"))
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > keepPart {
			_ = os.Remove(filepath.Join(c.Dir, "parts", e.Name()))
		}
	}
}

// Clean removes what is not in use: what a killed process left.
func (c *Cache) clean() {
	c.forget(time.Now())
	left, _ := filepath.Glob(filepath.Join(c.trees(), "tmp-*"))
	for _, dir := range left {
		_ = removeAll(dir)
	}
}

// named is which tree a version of a package is.
type named struct {
	Key string `json:"key"`
}

// nameFile is where it stands which tree a version is. Capitals are written so that no file system confuses them.
func (c *Cache) nameFile(r Ref, platform string) (string, error) {
	source, err := module.EscapePath(r.Source)
	if err != nil {
		return "", err
	}
	version, err := module.EscapeVersion(r.Version)
	if err != nil {
		return "", err
	}
	if platform != "" {
		version += "+" + strings.ReplaceAll(platform, "/", "_")
	}
	return filepath.Join(c.Dir, "names", filepath.FromSlash(source)+"@"+version+".json"), nil
}

func platformIn(r *Receipt) string {
	for platform, sum := range r.Assets {
		if sum == r.Asset {
			return platform
		}
	}
	return ""
}

// remember notes which tree a version is.
func (c *Cache) remember(r Receipt) error {
	file, err := c.nameFile(Ref{r.Source, r.Version}, platformIn(&r))
	if err != nil {
		return err
	}
	text, err := json.Marshal(named{treeKey(&r)})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return replace(file, append(text, '\n'), os.WriteFile) // one that is lost or damaged is one that nobody has: see find
}

// find gives the tree of a version, if it was ever installed here and is still whole.
func (c *Cache) find(r Ref, platform string) (*Tree, bool) {
	for _, platform := range []string{"", platform} {
		file, err := c.nameFile(r, platform)
		if err != nil {
			return nil, false
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var n named
		if json.Unmarshal(text, &n) != nil || path.Base(n.Key) != n.Key {
			continue
		}
		if t, err := c.open(n.Key); err == nil && t.Source == r.Source && t.Version == r.Version {
			return t, true
		}
	}
	return nil, false
}

// versions lists those of a package that were installed here.
func (c *Cache) versions(source string) []string {
	file, err := c.nameFile(Ref{source, "v0.0.0"}, "")
	if err != nil {
		return nil
	}
	found, _ := filepath.Glob(strings.TrimSuffix(file, "v0.0.0.json") + "*.json")
	var versions []string
	for _, f := range found {
		_, v, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".json"), "@")
		v, _, _ = strings.Cut(v, "+")
		if v, err := module.UnescapeVersion(v); err == nil && manifest.ValidVersion(v) && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	return versions
}

// WriteFile puts a file in place in one step: who reads it sees the old text or the new one.
func WriteFile(name string, text []byte) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // a link stays one
	}
	if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, text) {
		return nil
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := replace(name, text, writeSynced); err != nil {
		return err
	}
	return syncDir(dir)
}

// replace puts a file in place of another, if there is one, and keeps its mode.
func replace(name string, text []byte, write func(string, []byte, fs.FileMode) error) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	if err != nil {
		return err
	}
	temp := f.Name()
	_ = f.Close()
	err = write(temp, text, mode)
	if err == nil {
		err = os.Chmod(temp, mode)
	}
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func writeSynced(name string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// held is the lock while it is held.
type held struct{ f *os.File }

// Lock waits until no other process installs, and removes what one that was killed has left. waiting is told once if it takes a while.
func (c *Cache) lock(ctx context.Context, waiting func()) (*held, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("the package cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the package cache: %w", err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for told := false; ; {
		ok, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock the package cache: %w", err)
		}
		if ok {
			c.clean()
			return &held{f}, nil
		}
		if !told {
			told = true
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// free lets others install. The system does it too when the process ends in whatever way.
func (h *held) free() { _ = h.f.Close() }

// Look says whether a locked package is installed and whole. full reads all its files, else they are recognised by size and time.
func (c *Cache) Look(p manifest.Locked, platform string, full bool) error {
	if p.Kind == manifest.KindAgent && p.Assets[platform] == "" {
		return wrongf(NoBuild, "ask its author for one", "%s has no build for %s", Ref{p.Source, p.Version}, platform)
	}
	t, err := c.open(key(p.Hash, p.Assets[platform]))
	if err != nil || !full {
		return err
	}
	return t.whole()
}

// Origin is what was found out on this machine of who built a locked package.
func (c *Cache) Origin(p manifest.Locked, platform string) origin.Verdict {
	t, err := c.open(key(p.Hash, p.Assets[platform]))
	if err != nil || t.Origin == "" || t.Origin == origin.Verified && t.Identity != p.Identity {
		return origin.Unknown
	}
	return t.Origin
}

// Roles are the agents that the package needs.
func (t *Tree) Roles() ([]manifest.Role, error) {
	m, err := readManifest(t.Dir, Ref{t.Source, t.Version}, anyWorkspace)
	if err != nil {
		return nil, err
	}
	return m.Roles, nil
}

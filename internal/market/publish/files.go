package publish

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

// Files are what a release consists of.
type Files struct {
	List     []File            // SHA256SUMS is the last
	Tree     string            // of a pattern, and of the agent's build for this machine: where it is unpacked; "" when there is none
	Hash     string            // of a pattern: over its tree
	Built    map[string]string // of an agent: "sha256:" and hex, by platform
	Identity string            // of who built them, when somebody vouches for that; "" otherwise
}

// File is one of them.
type File struct {
	Name string
	Path string
	Sum  string // "sha256:" and hex
	Size int64
}

// Make makes and looks at the files of the release, in dir, which is empty. platform is that of this machine.
func (p *Package) Make(ctx context.Context, dir, platform string) (*Files, error) {
	f := &Files{}
	var err error
	if p.Manifest.Package.Kind == manifest.KindAgent {
		err = p.builds(f, dir, platform)
	} else {
		err = p.source(ctx, f, dir)
	}
	if err != nil {
		return nil, err
	}
	var sums strings.Builder
	for _, file := range f.List {
		fmt.Fprintf(&sums, "%s  %s\n", strings.TrimPrefix(file.Sum, "sha256:"), file.Name)
	}
	path := filepath.Join(dir, market.SumsName)
	if err := os.WriteFile(path, []byte(sums.String()), 0o600); err != nil {
		return nil, err
	}
	return f, f.add(market.SumsName, path)
}

func (f *Files) add(name, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	n, err := io.Copy(h, in)
	f.List = append(f.List, File{Name: name, Path: path, Sum: "sha256:" + hex.EncodeToString(h.Sum(nil)), Size: n})
	return err
}

// source packs the committed files of a pattern, and unpacks them again as everybody who installs it will.
func (p *Package) source(ctx context.Context, f *Files, dir string) error {
	name := p.Ref.SourceAsset()
	path := filepath.Join(dir, name)
	if err := p.git.pack(ctx, p.Commit, path); err != nil {
		return err
	}
	f.Tree = filepath.Join(dir, "tree")
	if err := os.Mkdir(f.Tree, 0o755); err != nil {
		return err
	}
	var err error
	if _, f.Hash, err = market.Examine(path, f.Tree, p.Ref, manifest.KindPattern); err != nil {
		return refused(name, err)
	}
	return f.add(name, path)
}

// refused says that an installation would refuse a file, for a reason of which the package's author need not be told to tell its author.
func refused(name string, err error) error {
	hint := ""
	if e, ok := errors.AsType[*market.Error](err); ok && !strings.HasPrefix(e.Hint, "tell its author") {
		hint = e.Hint
	}
	return unready(hint, "nobody could install %s: %w", name, err)
}

// pack writes the files of a commit to a zip archive that is the same wherever and whenever it is made.
func (g git) pack(ctx context.Context, commit, path string) error {
	entries, err := g.files(ctx, commit)
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	z := zip.NewWriter(out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := w.Write(e.data); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return out.Close()
}

// packed is a file of a commit.
type packed struct {
	name string
	mode os.FileMode
	data []byte
}

// maxSource is how many bytes a pattern may have, packed by git.
const maxSource = 64 << 20

// files reads the files of a commit as git archives them, by name.
func (g git) files(ctx context.Context, commit string) ([]packed, error) {
	cmd := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit)
	cmd.Dir = g.dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	list, err := untar(&io.LimitedReader{R: out, N: maxSource})
	_, _ = io.Copy(io.Discard, out)
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("git archive: %w", ended)
	}
	slices.SortFunc(list, func(a, b packed) int { return strings.Compare(a.name, b.name) })
	return list, err
}

func untar(in *io.LimitedReader) ([]packed, error) {
	var list []packed
	for t := tar.NewReader(in); ; {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil && in.N == 0:
			return nil, unready("leave out what the pattern does not need: NAME export-ignore in .gitattributes", "the committed files have more than %d MiB", maxSource>>20)
		case err != nil:
			return nil, err
		}
		switch h.Typeflag {
		case tar.TypeReg:
			mode := os.FileMode(0o644)
			if h.Mode&0o111 != 0 {
				mode = 0o755
			}
			data, err := io.ReadAll(t)
			if err != nil {
				return nil, err
			}
			list = append(list, packed{h.Name, mode, data})
		case tar.TypeSymlink, tar.TypeLink:
			return nil, unready("commit the file itself, or leave the link out: NAME export-ignore in .gitattributes", "%s is a link; a package has none", h.Name)
		}
	}
}

// builds takes the archives of an agent and looks at each as everybody who installs it will.
func (p *Package) builds(f *Files, dir, platform string) error {
	byPlatform, err := p.found()
	if err != nil {
		return err
	}
	f.Built = make(map[string]string)
	for i, on := range byPlatform {
		name := p.Ref.BuildAsset(on)
		path := filepath.Join(p.Dist, name)
		tree := filepath.Join(dir, fmt.Sprint("build-", i))
		if err := os.Mkdir(tree, 0o755); err != nil {
			return err
		}
		m, _, err := market.Examine(path, tree, p.Ref, manifest.KindAgent)
		if err != nil {
			return refused(name, err)
		}
		if err := p.same(name, m); err != nil {
			return err
		}
		if on == platform {
			f.Tree = tree
		} else if err := os.RemoveAll(tree); err != nil {
			return err
		}
		if err := f.add(name, path); err != nil {
			return err
		}
		f.Built[on] = f.List[len(f.List)-1].Sum
	}
	return nil
}

// found lists the platforms of the archives that are there, which are to be those of the manifest.
func (p *Package) found() ([]string, error) {
	list, err := os.ReadDir(p.Dist)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	example := p.Ref.BuildAsset("linux/amd64")
	var platforms []string
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), ".zip") || e.IsDir() {
			continue
		}
		on, err := p.Ref.ParseBuild(e.Name())
		if err != nil {
			return nil, unready("builds are named as "+example+"; remove what is not one from "+p.Dist, "%w", err)
		}
		if len(p.Manifest.Program.Platforms) > 0 && !slices.Contains(p.Manifest.Program.Platforms, on) {
			return nil, unready(fmt.Sprintf("add %q to platforms under [agent], or remove the file", on), "%s is for a platform that %s does not name", e.Name(), manifest.FileName)
		}
		platforms = append(platforms, on)
	}
	for _, on := range p.Manifest.Program.Platforms {
		if !slices.Contains(platforms, on) {
			return nil, unready("build it, or take the platform out of "+manifest.FileName+"; --dist DIR says where builds are", "there is no %s in %s", p.Ref.BuildAsset(on), p.Dist)
		}
	}
	if len(platforms) == 0 {
		return nil, unready("build it for each platform and pack it with "+manifest.FileName+", as "+example+"; --dist DIR says where builds are", "there are no builds in %s", p.Dist)
	}
	slices.Sort(platforms)
	return platforms, nil
}

// same makes sure that an archive says of itself what was committed.
func (p *Package) same(name string, m *manifest.Manifest) error {
	if market.Digest(m) != market.Digest(p.Manifest) {
		return unready("build it anew from this commit", "%s asks for other permissions in %s than the %s that was committed", m.Package.Name, name, manifest.FileName)
	}
	return nil
}

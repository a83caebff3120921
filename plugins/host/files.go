package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/runtime"
)

// maxSocketBase is the longest directory in which sockets can be made: go-plugin adds up to 52 bytes to it, and a socket's
// path has at most 104 on all systems.
const maxSocketBase = 50

// files is the host's temporary directories, made when they are first needed and private to this user.
type files struct {
	base string // "" means the system's

	mu      sync.Mutex
	root    string
	sockets string     // root, or a shorter one
	claims  []*os.File // that the directories are in use
}

// dirPrefix begins the names of our temporary directories.
const dirPrefix = "px"

// dirs gives a new directory for blobs, and the directory in which go-plugin may make sockets.
func (f *files) dirs() (blobs, sockets string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root == "" {
		if err := f.make(); err != nil {
			return "", "", fmt.Errorf("cannot make a temporary directory: %w", err)
		}
	}
	blobs, err = os.MkdirTemp(f.root, "b")
	return blobs, f.sockets, err
}

// private gives a new directory of one process.
func (f *files) private() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return os.MkdirTemp(f.root, "s")
}

// letThrough lets processes of other users come to the directories that are given to them.
func (f *files) letThrough() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(os.Chmod(f.root, 0o711), os.Chmod(f.sockets, 0o711)) //nolint:gosec // what is below is private
}

func (f *files) make() error {
	base := f.base
	if base == "" {
		base = os.TempDir()
	}
	root, err := f.claimed(base)
	if err != nil {
		return err
	}
	f.root, f.sockets = root, root
	if st, err := os.Stat("/tmp"); len(root) > maxSocketBase && err == nil && st.IsDir() {
		if f.sockets, err = f.claimed("/tmp"); err != nil {
			return errors.Join(err, os.RemoveAll(root))
		}
	}
	return nil
}

// claimed makes a directory that the next host removes if this one cannot.
func (f *files) claimed(base string) (string, error) {
	sweep(base)
	dir, err := os.MkdirTemp(base, dirPrefix)
	if err != nil {
		return "", err
	}
	held, err := claim(dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	f.claims = append(f.claims, held)
	return dir, nil
}

// all lists the directories that hold everything of this host.
func (f *files) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc([]string{f.root, f.sockets}, func(dir string) bool { return dir == "" })
}

func (f *files) remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root == "" {
		return nil
	}
	err := errors.Join(os.RemoveAll(f.root), os.RemoveAll(f.sockets))
	for _, held := range f.claims {
		held.Close()
	}
	f.root, f.sockets, f.claims = "", "", nil
	return err
}

// packValue puts a payload into a Value, or into a blob in dir, if there is one, when it is large. The receiver removes the blob; drop removes
// it if it did not.
func packValue(dir string, p runtime.Payload) (v *agentpb.Value, drop func(), err error) {
	if len(p) == 0 {
		return nil, func() {}, nil
	}
	if len(p) <= agentpb.InlineBytes || dir == "" {
		return &agentpb.Value{Kind: &agentpb.Value_Json{Json: p}}, func() {}, nil
	}
	f, err := os.CreateTemp(dir, "h-")
	if err != nil {
		return nil, nil, fmt.Errorf("cannot write a blob: %w", err)
	}
	drop = func() { _ = os.Remove(f.Name()) }
	// The directory is private; an agent that is another user has to read the file.
	if err = f.Chmod(0o644); err == nil {
		_, err = f.Write(p)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		drop()
		return nil, nil, fmt.Errorf("cannot write a blob: %w", err)
	}
	return &agentpb.Value{Kind: &agentpb.Value_Blob{Blob: &agentpb.Blob{
		Sha256: p.Digest(), Size: uint64(len(p)), MediaType: "application/json", Path: filepath.Base(f.Name()),
	}}}, drop, nil
}

// readBlob takes a blob of at most limit bytes out of dir. Names and links cannot lead out of the directory.
func readBlob(dir string, b *agentpb.Blob, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := openRegular(root, b.GetPath())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer func() { _ = root.Remove(b.GetPath()) }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); uint64(len(data)) != b.GetSize() || hex.EncodeToString(sum[:]) != b.GetSha256() {
		return nil, fmt.Errorf("blob %q is not what its size and sha256 say", b.GetPath())
	}
	return data, nil
}

// openRegular opens a plain file and nothing that could block or lie about its size.
func openRegular(root *os.Root, name string) (*os.File, error) {
	st, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("blob %q is not a plain file", name)
	}
	return root.Open(name)
}

// keepArtifact moves an artifact's blob to where artifacts are kept, checking its digest on the way.
func (h *Host) keepArtifact(dir string, b *agentpb.Blob) (runtime.Artifact, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return runtime.Artifact{}, err
	}
	defer root.Close()
	src, err := openRegular(root, b.GetPath())
	if err != nil {
		return runtime.Artifact{}, err
	}
	defer src.Close()
	defer func() { _ = root.Remove(b.GetPath()) }()
	keep, err := h.artifactDir()
	if err != nil {
		return runtime.Artifact{}, err
	}
	dst, err := os.CreateTemp(keep, "new-")
	if err != nil {
		return runtime.Artifact{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(dst, sum), src)
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	if err == nil && (digest != b.GetSha256() || uint64(n) != b.GetSize()) {
		err = fmt.Errorf("artifact %q is not what its size and sha256 say", b.GetName())
	}
	path := filepath.Join(keep, digest+artifactExt(b.GetName()))
	if err == nil {
		err = os.Rename(dst.Name(), path)
	}
	if err != nil {
		_ = os.Remove(dst.Name())
		return runtime.Artifact{}, err
	}
	return runtime.Artifact{Name: b.GetName(), MediaType: b.GetMediaType(), SHA256: digest, Size: n, Path: path}, nil
}

// artifactExt is the extension of a name if it is harmless in a path.
func artifactExt(name string) string {
	ext := filepath.Ext(name)
	if len(ext) > 12 {
		return ""
	}
	for _, r := range ext {
		if r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return ""
		}
	}
	return ext
}

func (h *Host) artifactDir() (string, error) {
	if h.opts.ArtifactDir != "" {
		return h.opts.ArtifactDir, os.MkdirAll(h.opts.ArtifactDir, 0o700)
	}
	h.files.mu.Lock()
	root := h.files.root
	h.files.mu.Unlock()
	dir := filepath.Join(root, "artifacts")
	return dir, os.MkdirAll(dir, 0o700)
}

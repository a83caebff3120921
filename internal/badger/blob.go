package badger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// blobs are texts kept once each, in files that are called by their sha256. Any process may write and read them; the owner of the store
// alone deletes them, and only those that nobody touched for a while: who puts a blob needs time to say which run it is for.
type blobs struct {
	dir    string
	fsync  bool
	locked bool                                // nothing may be written
	from   func(digest string) ([]byte, error) // where texts are read instead, or nil
	long   func(digest string) (int64, error)  // how long these are
	most   int64                               // bytes that a value may have when it is unfolded; zero means maxFrame
}

// path is where the blob with a digest is. Whatever may be none is looked at with isDigest before.
func (b *blobs) path(digest string) string { return filepath.Join(b.dir, digest[:2], digest) }

// isDigest says whether a text can be the name of a blob.
func isDigest(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == sha256.Size && s == strings.ToLower(s)
}

// put keeps a text. It is durable, and whole, when its name is there.
func (b *blobs) put(text []byte) (string, error) {
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	if b.locked {
		_, err := os.Stat(b.path(digest))
		return digest, readOnly(err)
	}
	now := time.Now()
	if err := os.Chtimes(b.path(digest), now, now); err == nil {
		return digest, nil
	}
	if err := b.write(b.path(digest), text); err != nil {
		return "", failed(b.dir, fmt.Errorf("blob %s: %w", digest, err))
	}
	return digest, nil
}

func (b *blobs) write(name string, text []byte) error {
	shelf := filepath.Dir(name)
	fresh := false
	if _, err := os.Stat(shelf); errors.Is(err, fs.ErrNotExist) {
		fresh = true
		if err := os.MkdirAll(shelf, 0o700); err != nil {
			return err
		}
	}
	if err := b.replace(name, text); err != nil {
		return err
	}
	if fresh && b.fsync {
		return syncDir(b.dir)
	}
	return nil
}

// replace writes a file under another name first, so that nobody sees half of it.
func (b *blobs) replace(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && b.fsync {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if b.fsync {
		return syncDir(filepath.Dir(name))
	}
	return nil
}

// get reads a text and checks that it is the one that was put.
func (b *blobs) get(digest string) ([]byte, error) {
	if !isDigest(digest) {
		return nil, fmt.Errorf("%q is no digest of a blob", digest)
	}
	if b.from != nil {
		return b.from(digest)
	}
	text, err := os.ReadFile(b.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = os.ReadFile(b.path(digest) + gone) // while it is being looked at by gc
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s: %w", digest, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", digest, err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != digest {
		return nil, &Corrupt{Path: b.path(digest), Why: "its content has another digest than its name"}
	}
	return text, nil
}

// size says how long a text is, 0 of none.
func (b *blobs) size(digest string) (int64, error) {
	if digest == "" {
		return 0, nil
	}
	if b.long != nil {
		return b.long(digest)
	}
	info, err := os.Stat(b.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(b.path(digest) + gone)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("blob %s: %w", digest, ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("blob %s: %w", digest, err)
	}
	return info.Size(), nil
}

// gone is behind the name of a blob that is about to be deleted.
const gone = ".gone"

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(ignoreUnsupported(d.Sync()), d.Close())
}

// readOnly is why a text cannot be put that is not there already.
func readOnly(err error) error {
	if err == nil {
		return nil
	}
	return ErrReadOnly
}

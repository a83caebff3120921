package temporal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Blobs keeps texts by their content. All workers of a cluster and all who start runs share one.
type Blobs interface {
	// Put keeps a text and gives its digest: sha256 in hex. A text that is there already is kept once.
	Put(text []byte) (digest string, err error)

	// Get gives a text. One that is not there is an error that wraps fs.ErrNotExist.
	Get(digest string) ([]byte, error)
}

// Dir is Blobs in a directory that all machines of the cluster mount.
type Dir string

// Put implements Blobs. The text is durable when it returns.
func (d Dir) Put(text []byte) (string, error) {
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	path := d.path(digest)
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(text)) {
		return digest, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("keep a blob: %w", err)
	}
	if err := write(path, text); err != nil {
		return "", fmt.Errorf("keep a blob: %w", err)
	}
	return digest, nil
}

// write makes a file that is there whole or not at all.
func write(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Get implements Blobs.
func (d Dir) Get(digest string) ([]byte, error) {
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != sha256.Size {
		return nil, fmt.Errorf("blob %q: %w", digest, fs.ErrNotExist)
	}
	text, err := os.ReadFile(d.path(digest))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", digest, err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("blob %s: %s is damaged; restore it from a backup", digest, d.path(digest))
	}
	return text, nil
}

func (d Dir) path(digest string) string { return filepath.Join(string(d), digest[:2], digest) }

package patterntest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxBeside bounds a file that stands beside a test, in bytes.
const maxBeside = 64 << 20

// beside reads and writes files in a test's directory and below it, and never outside.
type beside struct{ dir string }

// path is the file's path for messages and as a key.
func (b beside) path(name string) string { return filepath.Join(b.dir, filepath.FromSlash(name)) }

// local says what is wrong with the name of a file.
func (b beside) local(name string) error {
	switch {
	case name == "":
		return errors.New("an empty string names no file")
	case strings.Contains(name, `\`) || !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name:
		return fmt.Errorf("%q is no name of a file in the directory of the test or below it", name)
	}
	return nil
}

// read gives a file; one that is not there is an fs.ErrNotExist.
func (b beside) read(name string) ([]byte, error) {
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(filepath.FromSlash(name))
	switch {
	case err != nil:
		return nil, reason(name, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", name)
	case info.Size() > maxBeside:
		return nil, fmt.Errorf("%s has %d bytes, more than %d MiB", name, info.Size(), maxBeside>>20)
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, reason(name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBeside))
	return text, reason(name, err)
}

// write replaces a file in one step: a reader finds all of the old one or all of the new one. A file that has this text already is left alone.
func (b beside) write(name string, text []byte) error {
	if old, err := b.read(name); err == nil && bytes.Equal(old, text) {
		return nil
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return reason(name, replace(root, filepath.FromSlash(name), text))
}

// writable says why a file could not be written, before that is needed.
func (b beside) writable(name string) error {
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := draft(root, filepath.FromSlash(name))
	if err != nil {
		return reason(name, err)
	}
	return reason(name, errors.Join(f.Close(), root.Remove(f.Name())))
}

func replace(root *os.Root, name string, text []byte) error {
	f, err := draft(root, name)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(f.Name(), name)
	}
	if err != nil {
		_ = root.Remove(f.Name())
	}
	return err
}

// rooted is an open file with its name below the root.
type rooted struct {
	*os.File
	name string
}

func (f rooted) Name() string { return f.name }

// draft makes a new file beside the one of that name.
func draft(root *os.Root, name string) (rooted, error) {
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return rooted{}, err
		}
	}
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	name = filepath.Join(filepath.Dir(name), ".new-"+hex.EncodeToString(b[:]))
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return rooted{f, name}, err
}

// reason is an error with the name of the file that the test gave.
func reason(name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}

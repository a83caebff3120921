package limiter

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	pageBytes = 64 << 10 // the most that a page holds
	lockTries = 500      // a millisecond or less each: another process may have been stopped while it had the lock
)

// page is a line of text that processes share. It is there after a crash of any of them; when the machine fails it may be empty.
type page struct {
	place *place

	mu  sync.Mutex
	own []byte // what it says where processes cannot meet
}

// read gives what the page says, nil when that is nothing.
func (p *page) read() []byte {
	path, shared := p.place.file("state")
	if !shared {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.own
	}
	raw, err := readFile(path)
	if err != nil || len(raw) == 0 {
		return nil
	}
	if text, ok := unseal(raw); ok {
		return text
	}
	var text []byte // somebody is writing, or it is garbage
	p.change(func(old []byte) []byte {
		text = old
		return old
	})
	return text
}

// change makes a new text of the old one while nobody else does. What is not a page of ours is read as nil.
func (p *page) change(f func(old []byte) []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dir, shared := p.place.open()
	if shared {
		err := p.changeShared(dir, f)
		if errors.Is(err, fs.ErrNotExist) { // somebody has removed the directory
			p.place.again()
			if dir, shared = p.place.open(); shared {
				err = p.changeShared(dir, f)
			}
		}
		if err == nil {
			return
		}
		p.place.fail(err)
	}
	p.own = f(p.own)
}

func (p *page) changeShared(dir string, f func(old []byte) []byte) error {
	lock, err := p.lock(filepath.Join(dir, "lock"))
	if err != nil {
		return err
	}
	defer unlock(lock)
	path := filepath.Join(dir, "state")
	raw, err := readFile(path)
	if err != nil {
		return err
	}
	old, whole := unseal(raw)
	text := f(slices.Clone(old))
	if whole && bytes.Equal(old, text) || len(raw) == 0 && len(text) == 0 {
		return nil
	}
	return writeFile(path, seal(text))
}

// lock waits for the lock, though never for long: those who have it are done in microseconds.
func (p *page) lock(name string) (*os.File, error) {
	for range lockTries {
		f, err := lockFile(name, os.O_CREATE)
		if !errors.Is(err, errBusy) {
			return f, err
		}
		time.Sleep(rand.N(time.Millisecond) + 100*time.Microsecond)
	}
	return nil, fmt.Errorf("%s is locked by a process that does not go on", name)
}

// errNoFile says that something else has the name of a file.
var errNoFile = errors.New("it is no regular file")

// openRegular opens a file, and never waits for whoever has the other end of a pipe.
func openRegular(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|atOnce, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errNoFile}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func readFile(path string) ([]byte, error) {
	f, err := openRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, pageBytes))
}

// writeFile writes in place: who reads meanwhile sees that the sum is wrong.
func writeFile(path string, text []byte) error {
	f, err := openRegular(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	return errors.Join(err, f.Close())
}

// seal puts a checksum before a text.
func seal(text []byte) []byte {
	if len(text) == 0 {
		return nil
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(text), text)
}

// unseal takes the checksum off; ok is false when it is wrong.
func unseal(raw []byte) (text []byte, ok bool) {
	if len(raw) < 10 || raw[8] != ' ' || raw[len(raw)-1] != '\n' {
		return nil, false
	}
	text = raw[9 : len(raw)-1]
	if !bytes.Equal(raw, seal(text)) {
		return nil, false
	}
	return text, true
}

package limiter

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// forgetAfter is how long a limit that nobody meets stays on the disk.
const forgetAfter = 30 * 24 * time.Hour

// place is the directory of a limit. It is made when something is first to be written.
type place struct {
	path string // "" when processes cannot meet
	now  func() time.Time
	lost func(error) // told when processes cannot meet

	mu   sync.Mutex
	made bool
	gone bool // nothing can be written: what is known stays in this process
}

// open gives the directory; ok is false when there is none.
func (p *place) open() (dir string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.made {
		return p.path, p.made && !p.gone
	}
	if p.path == "" {
		p.giveUp(errors.New("there is no directory for them: HOME is not set"))
		return "", false
	}
	if _, err := os.Stat(p.path); err != nil {
		forget(filepath.Dir(p.path), p.now())
	}
	if err := os.MkdirAll(p.path, 0o700); err != nil {
		p.giveUp(err)
		return "", false
	}
	_ = os.Chtimes(p.path, time.Time{}, p.now()) // it is met: nobody forgets it
	p.made = true
	return p.path, true
}

// file gives the path of a file to read; ok is false when processes cannot meet.
func (p *place) file(name string) (path string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return filepath.Join(p.path, name), p.path != "" && !p.gone
}

// fail notes that a file could not be had.
func (p *place) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveUp(err)
}

func (p *place) giveUp(err error) {
	if !p.gone {
		p.gone = true
		p.lost(err)
	}
}

// again makes the directory anew if somebody has removed it.
func (p *place) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made = false
}

// forget removes limits that nobody has met for long.
func forget(dir string, now time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() && now.Sub(info.ModTime()) > forgetAfter {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

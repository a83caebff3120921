package badger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// An owner that was stopped, as by Ctrl-Z, holds its lock and answers nobody. Its lock stays its own: others say whom they wait for, and give up
// in the end, or at once when they are told to end. What they have not handed over is theirs to do again.

// Silent says that the process that owns the store does not answer.
type Silent struct {
	Dir     string
	PID     int   // 0 when it is not known
	Stopped bool  // the system says that it is
	Err     error // why nobody waits any longer, nil when that has been long enough
}

func (e *Silent) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	if e.Stopped {
		return fmt.Sprintf("the store in %s: %s owns it and is stopped", e.Dir, who)
	}
	return fmt.Sprintf("the store in %s: %s owns it and does not answer", e.Dir, who)
}

func (e *Silent) Unwrap() error { return e.Err }

// Times of waiting for an owner: until one is told of, and until it is given up.
const (
	quiet    = 3 * time.Second
	patience = time.Minute
)

// waits are such times of a store.
type waits struct{ quiet, patience time.Duration }

func waitsOf(o Options) waits {
	if o.Patience == 0 {
		return waits{quiet, patience}
	}
	return waits{min(quiet, o.Patience/4), o.Patience}
}

// silent says what is known of the owner, whose process id may be.
func (s *Store) silent(pid int, err error) *Silent {
	if pid == 0 {
		pid = lockedBy(s.dir)
	}
	return &Silent{Dir: s.dir, PID: pid, Stopped: pid != 0 && stopped(pid), Err: err}
}

func (s *Store) tellSilent(e *Silent) {
	if s.opts.Silent != nil {
		s.opts.Silent(e)
	}
}

// impatient makes a context that ends when it was waited long enough, and soon after the user wants to end; at once while nothing is open that could
// be lost, or when the owner is known to be stopped. after says why.
func (s *Store) impatient(ctx context.Context, opening bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, s.waits.patience)
	told := time.AfterFunc(s.waits.quiet, func() {
		if ctx.Err() == nil {
			s.tellSilent(s.silent(0, nil))
		}
	})
	stop := context.AfterFunc(s.user, func() {
		if !opening && !s.silent(0, nil).Stopped {
			select {
			case <-ctx.Done():
			case <-time.After(s.waits.quiet):
			}
		}
		cancel()
	})
	return ctx, func() { stop(); told.Stop(); cancel() }
}

// gaveUp is the error of an impatient context that has ended.
func (s *Store) gaveUp() error {
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	return s.silent(0, s.user.Err())
}

// attend watches over a link until it ends: when the owner neither answers nor greets it says so, and gives the store up in the end.
func (s *Store) attend(l *link) {
	since, told := time.Time{}, false
	tick := time.NewTicker(s.waits.quiet / 3)
	defer tick.Stop()
	ending := s.user.Done()
	for {
		select {
		case <-l.ended:
			return
		case <-tick.C:
		case <-ending:
			ending = nil
		}
		if wait := l.waiting(); wait == 0 || wait < s.waits.quiet && s.user.Err() == nil || s.greets(l) {
			since, told = time.Time{}, false
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		if !told {
			s.tellSilent(s.silent(l.owner, nil))
			told = true
		}
		if s.user.Err() != nil || time.Since(since) > s.waits.patience {
			s.giveUp(l, s.silent(l.owner, s.user.Err()))
			return
		}
	}
}

// greets says whether the owner of a link is there, however long it takes to answer.
func (s *Store) greets(l *link) bool {
	if stopped(l.owner) {
		return false
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.waits.quiet)
	defer cancel()
	other, err := dial(ctx, l.dir, l.version, l.self)
	if err == nil {
		err = other.wire.conn.Close()
	}
	return err == nil || ctx.Err() == nil || s.ctx.Err() != nil // without a socket the link will end soon
}

// giveUp ends all that waits for the owner. Nothing can be asked any more.
func (s *Store) giveUp(l *link, why error) {
	s.mu.Lock()
	if s.trouble == nil {
		s.trouble = why
	}
	s.mu.Unlock()
	l.wire.conn.Close() // then it is lost
}

// signLock writes into the lock who has it. The first byte is the one that is locked where a lock is one of bytes.
func signLock(f *os.File) {
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "\n%d\n", os.Getpid()), 0) // who cannot be read is not known
	}
}

// lockedBy reads who has the lock of a store; 0 when that is not known.
func lockedBy(dir string) int {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return 0
	}
	defer f.Close()
	text := make([]byte, 20)
	n, err := f.ReadAt(text, 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	return max(pid, 0)
}

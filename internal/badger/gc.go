package badger

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// Retention says which ended runs may stay. A zero field sets no bound.
type Retention struct {
	MaxAge   time.Duration // since they ended
	MaxBytes int64         // of all records, facts and texts together
	MaxRuns  int           // that have ended

	AnswerAge   time.Duration // of kept answers, since they were last used, a day more or less
	AnswerBytes int64         // of all kept answers together; those go first that were used longest ago
	AllAnswers  bool          // all of them go

	DryRun bool // says what would go, and removes nothing
}

// Freed is what gc did.
type Freed struct {
	Runs    int
	IDs     []string // of these runs, oldest first
	Answers int      // kept for calls to come
	Blobs   int
	Bytes   int64 // by which the store got smaller on the disk; of a dry run those of the runs and their texts

	Young      int // texts that no run needs, and that stay as one may be about to say that it does
	YoungBytes int64
	Until      time.Time // the last of these may go
}

// GC removes ended runs and kept answers that are beyond the bounds, oldest first, then the texts that nothing needs, and gives the room back to the disk.
func (s *Store) GC(p Retention) (Freed, error) {
	a, err := s.ask(&request{Op: opGC, Policy: p})
	if err != nil {
		return Freed{}, err
	}
	return a.Freed, nil
}

// grace is how long a text may be there before a run says that it needs it.
const grace = time.Hour

func (d *disk) gc(p Retention, freed *Freed) error {
	if p.DryRun {
		return d.foresee(p, freed)
	}
	before := filesIn(d.dir)
	sweepSpools(d.dir)
	if err := d.sweepAll(); err != nil {
		return err
	}
	ended, total, err := d.census()
	if err != nil {
		return err
	}
	free := make(map[string]time.Time) // texts of removed runs, and when the last of these ended
	going, _ := excess(ended, total, p)
	for _, r := range going {
		err := d.remove(&request{Run: r.id})
		if _, held := errors.AsType[*Held](err); held || errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		freed.Runs++
		freed.IDs = append(freed.IDs, r.id)
		for digest := range r.blobs {
			free[digest] = later(free[digest], r.ended)
		}
	}
	if err := d.forget(p, free, freed); err != nil {
		return err
	}
	if err := d.sweepBlobs(free, freed); err != nil {
		return err
	}
	err = d.wait(&job{frees: true, alone: true, do: func(*tx) error { return d.compact() }})
	after := filesIn(d.dir)
	freed.Bytes = max(before-after, 0)
	return err
}

// foresee says what gc would remove.
func (d *disk) foresee(p Retention, freed *Freed) error {
	ended, total, err := d.census()
	going, left := excess(ended, total, p)
	for _, r := range going {
		freed.IDs = append(freed.IDs, r.id)
	}
	answers, size, lost := d.surplus(p)
	freed.Runs, freed.Answers, freed.Bytes = len(going), len(answers), total-left+size
	return errorsOr(err, lost)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sweepAll goes on with what a store that died left to be deleted.
func (d *disk) sweepAll() error {
	var runs []string
	err := d.read(func(txn *badger.Txn) error {
		return each(txn, []byte{removedKey, 0}, true, func(k, v []byte) error {
			if !atWork(v) {
				runs = append(runs, runOf(k))
			}
			return nil
		})
	})
	for _, run := range runs {
		err = errorsOr(err, d.sweep(run, time.Time{}))
	}
	return err
}

// entry is what gc knows of a run.
type entry struct {
	id    string
	ended time.Time
	bytes int64
	blobs map[string]int64
}

// census lists the runs that have ended, oldest first, and counts the bytes of all.
func (d *disk) census() (ended []*entry, total int64, err error) {
	all := make(map[string]*entry)
	of := func(run string) *entry {
		run = rootOf(run)
		if all[run] == nil {
			all[run] = &entry{id: run, blobs: make(map[string]int64)}
		}
		return all[run]
	}
	seen := make(map[string]bool)
	err = d.read(func(txn *badger.Txn) error {
		err := each(txn, []byte{factKey, 0}, true, func(k, v []byte) error {
			of(runOf(k)).bytes += int64(len(k) + len(v))
			total += int64(len(k) + len(v))
			return nil
		})
		err = errorsOr(err, each(txn, []byte{blobKey, 0}, false, func(k, _ []byte) error {
			digest := string(k[bytes.LastIndexByte(k, 0)+1:])
			if !isDigest(digest) {
				return nil // parallax doctor tells of it
			}
			info, err := os.Stat(d.blobs.path(digest))
			if err != nil {
				return nil //nolint:nilerr // it is missing, and takes no room
			}
			of(runOf(k)).blobs[digest] = info.Size()
			if !seen[digest] {
				seen[digest] = true
				total += info.Size()
			}
			return nil
		}))
		return errorsOr(err, each(txn, []byte{recordKey, 0}, true, func(k, v []byte) error {
			of(runOf(k)).bytes += int64(len(k) + len(v))
			total += int64(len(k) + len(v))
			r, err := decodeRecord(v, d.blobs, true)
			if err == nil && r.Status.Final() && r.ID == rootOf(r.ID) {
				e := of(r.ID)
				e.ended = r.Ended
				ended = append(ended, e)
			}
			return err
		}))
	})
	slices.SortFunc(ended, func(a, b *entry) int { return cmp.Or(a.ended.Compare(b.ended), cmp.Compare(a.id, b.id)) })
	return ended, total, err
}

// excess gives the runs that have to go, and how many bytes are left without them.
func excess(ended []*entry, total int64, p Retention) (going []*entry, left int64) {
	needed := make(map[string]int)
	for _, e := range ended {
		for digest := range e.blobs {
			needed[digest]++
		}
	}
	n := 0
	for ; n < len(ended); n++ {
		e := ended[n]
		old := p.MaxAge > 0 && time.Since(e.ended) > p.MaxAge
		many := p.MaxRuns > 0 && len(ended)-n > p.MaxRuns
		if !old && !many && (p.MaxBytes <= 0 || total <= p.MaxBytes) {
			break
		}
		total -= e.bytes
		for digest, size := range e.blobs {
			if needed[digest]--; needed[digest] == 0 {
				total -= size
			}
		}
	}
	return ended[:n], total
}

// sweepBlobs deletes the texts that no run needs: those of removed runs that nobody put since the run ended or for a minute, and any that are old.
func (d *disk) sweepBlobs(free map[string]time.Time, freed *Freed) error {
	need, err := d.needed()
	if err != nil {
		return err
	}
	marked, err := d.dropped()
	if err != nil {
		return err
	}
	for digest, until := range marked {
		free[digest] = later(free[digest], until)
	}
	var aside []string
	err = filepath.WalkDir(d.blobs.dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ignoreMissing(err)
		}
		digest := strings.TrimSuffix(filepath.Base(name), gone)
		if need[digest] && digest == filepath.Base(name) {
			return nil
		}
		moved, err := setAside(name, later(free[digest], time.Now().Add(-grace)))
		if moved {
			aside = append(aside, strings.TrimSuffix(name, gone))
		} else if _, known := free[digest]; isDigest(digest) {
			freed.spare(name, known)
		}
		return err
	})
	again := d.wait(&job{frees: true, alone: true, do: func(*tx) (err error) { // whatever was asked of the committer so far is there
		need, err = d.needed()
		return err
	}})
	for _, name := range aside {
		if again != nil || need[filepath.Base(name)] {
			err = errorsOr(err, ignoreMissing(os.Rename(name+gone, name)))
			continue
		}
		freed.Blobs++
		err = errorsOr(err, ignoreMissing(os.Remove(name+gone)))
	}
	if err = errorsOr(err, again); err != nil {
		return err
	}
	return d.settled(marked, need)
}

// spare counts a text that stays though nothing needs it. Those that a removed run needed may go sooner.
func (f *Freed) spare(name string, known bool) {
	info, err := os.Stat(name)
	if err != nil {
		return
	}
	until := info.ModTime().Add(grace)
	if known {
		until = info.ModTime().Add(droppedGrace)
	}
	f.Young++
	f.YoungBytes += info.Size()
	f.Until = later(f.Until, until)
}

// needed are the texts that runs and kept answers need.
func (d *disk) needed() (map[string]bool, error) {
	need := make(map[string]bool)
	err := d.read(func(txn *badger.Txn) error {
		err := each(txn, []byte{blobKey, 0}, false, func(k, _ []byte) error {
			need[string(k[bytes.LastIndexByte(k, 0)+1:])] = true
			return nil
		})
		return errorsOr(err, each(txn, []byte{answerKey, 0}, true, func(_, v []byte) error {
			for _, digest := range digestsIn(v) {
				need[digest] = true
			}
			return nil
		}))
	})
	return need, err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// setAside gives a file that nobody touched since then the name under which it is about to be deleted, so that whoever puts the same text
// meanwhile writes it anew.
func setAside(name string, until time.Time) (bool, error) {
	info, err := os.Stat(name)
	if err != nil || info.ModTime().After(until) {
		return false, ignoreMissing(err)
	}
	aside := strings.TrimSuffix(name, gone) + gone
	if err := os.Rename(name, aside); err != nil {
		return false, ignoreMissing(err)
	}
	if info, err = os.Stat(aside); err == nil && info.ModTime().After(until) {
		return false, os.Rename(aside, name)
	}
	return true, ignoreMissing(err)
}

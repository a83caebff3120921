package badger

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// Report says how a store is.
type Report struct {
	Dir     string
	Damages []Damage
	Lost    []Loss // runs of which something is lost, as far as can be told
	Runs    int    // how many are there, those with losses too
	Aside   string // where Repair put the damaged files, or ""
}

// Loss is a run that is not whole.
type Loss struct {
	Run string
	Why string
}

// Whole says that nothing is wrong.
func (r *Report) Whole() bool { return len(r.Damages) == 0 && len(r.Lost) == 0 }

// String says it to people.
func (r *Report) String() string {
	var b strings.Builder
	if r.Whole() {
		fmt.Fprintf(&b, "the store in %s is whole: %d runs", r.Dir, r.Runs)
		return b.String()
	}
	fmt.Fprintf(&b, "the store in %s is damaged: %d runs can be read", r.Dir, r.Runs)
	for _, d := range r.Damages {
		fmt.Fprintf(&b, "\n  %s: %s", d.Path, d.What)
	}
	for _, l := range r.Lost {
		fmt.Fprintf(&b, "\n  run %s: %s", l.Run, l.Why)
	}
	if r.Aside != "" {
		fmt.Fprintf(&b, "\n  what was damaged is now in %s", r.Aside)
	}
	return b.String()
}

// ErrInUse says that a store cannot be checked while a process has it open: that found it fit for use.
var ErrInUse = errors.New("the store is in use: end the other parallax processes first")

// Check looks at every byte of a store that nobody has open, and changes nothing.
func Check(dir string) (Report, error) {
	return locked(dir, func(dir string) (*Report, error) {
		s, err := look(dbDir(dir), true)
		if err != nil {
			return nil, err
		}
		r := examine(dir, s, true)
		r.Damages = append(tornVersion(dir), r.Damages...)
		return r, nil
	})
}

// Repair makes a damaged store fit for use: it keeps what Check can read, says in the records of runs that are not whole why they are not, and
// puts the damaged files aside.
func Repair(dir string) (Report, error) {
	return locked(dir, func(dir string) (*Report, error) {
		s, err := look(dbDir(dir), true)
		if err != nil {
			return nil, err
		}
		r := examine(dir, s, true)
		torn := tornVersion(dir)
		r.Damages = append(torn, r.Damages...)
		if r.Whole() {
			return r, nil
		}
		if len(torn) > 0 && len(s.damages) > 0 {
			return r, fmt.Errorf("%s does not say which format the store has, and its database is damaged too: if it was made by a parallax like this one, "+
				"write the line \"%d unknown\" to that file, and repair it again", torn[0].Path, format)
		}
		r.Aside = filepath.Join(dir, "damaged-"+time.Now().UTC().Format("20060102T150405.000"))
		return r, errors.Join(failed(dir, r.mend(dir, s)))
	})
}

// locked keeps others away from the store meanwhile.
func locked(dir string, do func(dir string) (*Report, error)) (Report, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Report{}, err
	}
	if _, err := os.Stat(dir); err != nil {
		return Report{}, fmt.Errorf("there is no store: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if errors.Is(err, errBusy) {
		err = ErrInUse
	}
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", dir, err)
	}
	defer lock.Close()
	if err := checkVersion(dir); err != nil && !is[*Corrupt](err) { // which the report tells
		return Report{}, err
	}
	if err := settle(dir); err != nil {
		return Report{}, err
	}
	r, err := do(dir)
	if r == nil {
		r = &Report{Dir: dir}
	}
	return *r, err
}

// examine says what is lost of which run. With texts it reads all of these too.
func examine(dir string, s *survey, texts bool) *Report {
	e := &examination{
		survey: s, blobs: &blobs{dir: filepath.Join(dir, "blobs")}, lost: make(map[string]string),
		records: make(map[string]Record), facts: make(map[string]int), bad: make(map[string]string),
	}
	r := &Report{Dir: dir, Damages: s.damages}
	for _, name := range []byte{recordKey, factKey} {
		e.read(name)
	}
	e.counts()
	if texts {
		r.Damages = append(r.Damages, e.texts()...)
	}
	for _, run := range slices.Sorted(maps.Keys(e.lost)) {
		r.Lost = append(r.Lost, Loss{run, e.lost[run]})
	}
	for run := range e.records {
		if rootOf(run) == run {
			r.Runs++
		}
	}
	return r
}

type examination struct {
	*survey
	blobs   *blobs
	records map[string]Record
	facts   map[string]int    // by root
	lost    map[string]string // why, by root
	bad     map[string]string // what is wrong with a text
}

func (e *examination) lose(run, why string) {
	if e.lost[rootOf(run)] == "" {
		e.lost[rootOf(run)] = why
	}
}

// read takes in the values of one kind.
func (e *examination) read(kind byte) {
	for key, p := range e.newest {
		if p.deleted || len(key) < 3 || key[0] != kind || e.removed(rootOf(runOf(p.key))) {
			continue
		}
		run := runOf(p.key)
		if kind == recordKey {
			r, err := decodeRecord(p.value, e.blobs, true)
			if err != nil {
				e.lose(run, "its record cannot be read: "+err.Error())
			}
			e.records[run] = r
			continue
		}
		err := eachInBatch(p.value, func(fact []byte) error {
			e.facts[rootOf(run)]++
			_, err := e.blobs.shallow(fact, func(string) {})
			return err
		})
		if err != nil {
			e.lose(run, "facts cannot be read: "+err.Error())
		}
	}
}

func (e *examination) removed(run string) bool {
	p, ok := e.newest[string(keyOf(removedKey, run))]
	return ok && !p.deleted
}

// counts compares how many facts there are with how many there were.
func (e *examination) counts() {
	for run, n := range e.facts {
		r, ok := e.records[run]
		switch {
		case !ok:
			e.lose(run, fmt.Sprintf("its record is lost; there are %d facts", n))
		case r.Status.Final() && r.Facts > n:
			e.lose(run, fmt.Sprintf("%d of %d facts are lost", r.Facts-n, r.Facts))
		}
	}
	for run, r := range e.records {
		if len(e.damages) > 0 && !r.Status.Final() && run == rootOf(run) {
			e.lose(run, "nothing says that it had ended, or that all that it recorded is there")
		}
		if r.Status.Final() && r.Facts > 0 && e.facts[run] == 0 {
			e.lose(run, fmt.Sprintf("all %d facts are lost", r.Facts))
		}
	}
}

// texts reads those that runs need.
func (e *examination) texts() (damages []Damage) {
	var keys []string
	for key, p := range e.newest {
		if !p.deleted && key[0] == blobKey && !e.removed(rootOf(runOf(p.key))) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	seen := make(map[string]bool)
	for _, key := range keys {
		digest := key[strings.LastIndexByte(key, 0)+1:]
		if !isDigest(digest) {
			e.lose(runOf([]byte(key)), fmt.Sprintf("it needs %q, which is no text", digest))
			continue
		}
		if !seen[digest] {
			seen[digest] = true
			if _, err := e.blobs.get(digest); err != nil {
				e.bad[digest] = err.Error()
				damages = append(damages, Damage{e.blobs.path(digest), err.Error()})
			}
		}
		if e.bad[digest] != "" {
			e.lose(runOf([]byte(key)), "a text that it needs is lost")
		}
	}
	return append(damages, e.spoiledAnswers()...)
}

// mend writes what can be read to a new database.
func (r *Report) mend(dir string, s *survey) error {
	if err := os.MkdirAll(r.Aside, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "version")); err == nil && len(tornVersion(dir)) > 0 {
		if err := errors.Join(os.Rename(filepath.Join(dir, "version"), filepath.Join(r.Aside, "version")), writeVersion(dir, "")); err != nil {
			return err
		}
		if len(r.Damages) == 1 && len(r.Lost) == 0 {
			return nil
		}
	}
	b := &blobs{dir: filepath.Join(dir, "blobs"), fsync: true}
	for _, l := range r.Lost { // while the texts are where they were
		if err := s.confess(b, l); err != nil {
			return err
		}
	}
	for _, d := range r.Damages {
		if filepath.Dir(filepath.Dir(d.Path)) != filepath.Join(dir, "blobs") {
			continue
		}
		if err := ignoreMissing(os.Rename(d.Path, filepath.Join(r.Aside, filepath.Base(d.Path)))); err != nil {
			return err
		}
	}
	if err := build(dir, s.base(), s.each); err != nil {
		return err
	}
	return exchange(dir, filepath.Join(r.Aside, "db"))
}

// confess writes into the record of a run what is lost of it.
func (s *survey) confess(b *blobs, l Loss) error {
	key := string(keyOf(recordKey, l.Run))
	k := kept{Record: Record{ID: l.Run, Status: Failed}}
	if p, ok := s.newest[key]; ok && !p.deleted {
		value, err := b.unfold(p.value)
		if err != nil {
			return nil //nolint:nilerr // it is a text that is lost, as the report says, and the run cannot be read
		}
		var known kept
		if json.Unmarshal(value, &known) == nil {
			k = known
		}
	}
	k.Damaged = l.Why
	if k.Status.Final() {
		k.Why = "part of what was kept of the run is lost: " + l.Why
	}
	k.Facts = 0
	value, err := json.Marshal(k)
	if err != nil {
		return err
	}
	var needs []string
	if value, err = b.whole(value, &needs); err != nil {
		return err
	}
	for _, i := range append(needed(l.Run, needs), item{[]byte(key), value}) {
		s.newest[string(i.Key)] = pair{key: i.Key, version: s.newest[key].version, value: i.Value}
	}
	return nil
}

// inMemory makes a database of what can be read, for a store that is read only because it is damaged.
func (s *survey) inMemory() (*badger.DB, error) {
	o := tuned("")
	o.InMemory = true
	o.SyncWrites = false
	db, err := badger.Open(o)
	if err != nil {
		return nil, err
	}
	w := db.NewWriteBatch()
	defer w.Cancel()
	if err := errors.Join(s.each(w.Set), w.Flush()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

package badger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// disk is the store as its owner has it: the database, and what is known of those who use it.
type disk struct {
	dir    string
	fsync  bool
	damage *Report // why nothing can be written, or nil
	db     *badger.DB
	lock   *os.File
	blobs  *blobs
	jobs   queue[*job]
	wg     sync.WaitGroup
	hub    hub

	sweeping sync.Mutex // of the keys of runs that are removed or imported

	mu     sync.Mutex
	idle   sync.Cond
	closed bool
	paused bool  // the database is being exchanged
	users  int   // of the database, beside the committer
	broken error // the database is gone

	// The committer alone has these.
	errs     []error
	relieved bool // the ballast was given up
	leases   map[string]*lease
	base     uint64 // what is added to the time of the database
}

// tuned keeps Badger small: it is a journal here, not a database for a machine of its own.
func tuned(dir string) badger.Options {
	o := badger.DefaultOptions(dir)
	o.MemTableSize = 2 << 20 // up to three of them are in memory, and what is made of them
	o.BaseTableSize = 512 << 10
	o.BlockSize = 32 << 10 // a batch fits in: a block that has to grow takes three times its size
	o.NumMemtables = 2
	o.NumLevelZeroTables, o.NumLevelZeroTablesStall = 16, 32 // merging tables takes several times their size in memory: most runs see none of it
	o.BlockCacheSize = 4 << 20
	o.IndexCacheSize = 4 << 20
	o.ValueLogFileSize = 16 << 20
	o.ValueThreshold = 256 << 10 // whatever is longer is a blob: the value log stays empty
	o.Compression = options.None
	o.ChecksumVerificationMode = options.OnBlockRead
	o.DetectConflicts = false
	o.MetricsEnabled = false
	o.NumCompactors = 2
	o.NumGoroutines = 2
	o.CompactL0OnClose = false
	o.BypassLockGuard = true // there is a lock of our own around it
	o.Logger = nil
	return o
}

// errBusy says that another process owns the store.
var errBusy = errors.New("another process owns the store")

// openDisk opens the database; errBusy when another process has it.
func openDisk(dir string, o Options) (*disk, error) {
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	signLock(lock)
	d := &disk{
		dir: dir, fsync: o.Durability == Fsync, lock: lock, leases: make(map[string]*lease),
		blobs: &blobs{dir: filepath.Join(dir, "blobs"), fsync: o.Durability == Fsync},
	}
	d.idle.L = &d.mu
	if err := d.open(o); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	d.wg.Go(d.commit)
	return d, nil
}

func (d *disk) open(o Options) error {
	if err := checkVersion(d.dir); err != nil {
		return err
	}
	if err := errors.Join(settle(d.dir), roomToOpen(d.dir)); err != nil {
		return err
	}
	if err := d.openOrSalvage(); err != nil {
		return failed(d.dir, fmt.Errorf("opening the store in %s: %w", d.dir, err))
	}
	sweepSpools(d.dir)
	burden(d.dir)
	return writeVersion(d.dir, o.Version)
}

// openOrSalvage opens the database if its files are in order. Else what can be read of it is put into memory.
func (d *disk) openOrSalvage() error {
	size := filesIn(dbDir(d.dir))
	s := &survey{}
	if size < quickBytes {
		var err error
		if s, err = look(dbDir(d.dir), false); err != nil {
			return err
		}
	}
	if len(s.damages) == 0 {
		err := d.openDB()
		if err == nil || noRoom(err) {
			return err
		}
		s.damages = []Damage{{dbDir(d.dir), err.Error()}}
	}
	all, err := look(dbDir(d.dir), true)
	if err != nil {
		return err
	}
	if len(all.damages) == 0 {
		all.damages = s.damages
	}
	d.damage = examine(d.dir, all, false)
	d.db, err = all.inMemory()
	return err
}

func (d *disk) openDB() (err error) {
	if err := tidy(dbDir(d.dir)); err != nil {
		return err
	}
	o := tuned(dbDir(d.dir))
	o.SyncWrites = d.fsync
	if free, ok := freeBytes(d.dir); ok && free < spareRoom { // tables are merged another time
		o.NumCompactors, o.NumLevelZeroTablesStall = 0, 1000
	}
	if d.db, err = badger.Open(o); err != nil {
		return err
	}
	d.base, err = readBase(d.db)
	return err
}

// close waits for what is being written and gives the store free. Where there is no room for what the database writes when it is closed, it is left
// open and the store locked until the process ends: everything is on record, and whoever opens the store next finds it.
func (d *disk) close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.hub.close()
	d.mu.Lock()
	for d.users > 0 || d.paused {
		d.idle.Wait()
	}
	d.mu.Unlock()
	d.jobs.close()
	d.wg.Wait()
	err := d.broken
	if err == nil {
		if _, ok := lasting(d.dir, flushRoom); !ok && d.damage == nil {
			return nil
		}
		err = d.db.Close()
	}
	return errors.Join(failed(d.dir, err), d.lock.Close())
}

// submit hands a job to the committer.
func (d *disk) submit(j *job) {
	if !d.jobs.push(j) {
		j.done(ErrClosed)
	}
}

// wait does a job and waits for it.
func (d *disk) wait(j *job) error {
	ended := make(chan error, 1)
	then := j.done
	j.done = func(err error) {
		if then != nil {
			then(err)
		}
		ended <- err
	}
	d.submit(j)
	return <-ended
}

// use says that the database is needed until leave is called; it is false when the store is being closed. Who uses it does not wait for
// the committer.
func (d *disk) use() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.paused {
		d.idle.Wait()
	}
	if d.closed || d.broken != nil {
		return false
	}
	d.users++
	return true
}

func (d *disk) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users--
	d.idle.Broadcast()
}

// pause waits until nobody uses the database, and lets nobody in.
func (d *disk) pause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paused = true
	for d.users > 0 {
		d.idle.Wait()
	}
}

func (d *disk) unpause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paused = false
	d.idle.Broadcast()
}

// read looks at what is durable.
func (d *disk) read(do func(*badger.Txn) error) error {
	if !d.use() {
		return ErrClosed
	}
	defer d.leave()
	err := d.db.View(do)
	if err != nil && strings.Contains(err.Error(), "checksum") {
		return &Corrupt{Path: filepath.Join(d.dir, "db"), Why: err.Error()}
	}
	return err
}

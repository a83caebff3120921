package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	badger "github.com/dgraph-io/badger/v4"
)

// The database is made smaller by writing what is alive to a new one beside it, which then takes its place: "db.new" becomes "db", and "db"
// was "db.old" meanwhile. Whoever opens the store clears up what a crash left of that.

func dbDir(dir string) string  { return filepath.Join(dir, "db") }
func newDir(dir string) string { return filepath.Join(dir, "db.new") }
func oldDir(dir string) string { return filepath.Join(dir, "db.old") }

// settle ends an exchange of databases that was cut off.
func settle(dir string) error {
	if _, err := os.Stat(dbDir(dir)); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(oldDir(dir), dbDir(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(os.RemoveAll(newDir(dir)), os.RemoveAll(oldDir(dir)))
}

// exchange puts the new database in place of the old one, which is kept under a name if there is one.
func exchange(dir, keepAs string) error {
	if err := errors.Join(syncDir(newDir(dir)), os.RemoveAll(oldDir(dir))); err != nil {
		return err
	}
	aside := oldDir(dir)
	if keepAs != "" {
		aside = keepAs
	}
	if err := os.Rename(dbDir(dir), aside); err != nil {
		return err
	}
	if err := os.Rename(newDir(dir), dbDir(dir)); err != nil {
		return errors.Join(err, os.Rename(aside, dbDir(dir)))
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return os.RemoveAll(oldDir(dir))
}

// baseKey holds what is added to the time of the database, which a new one begins anew.
func baseKey() []byte { return []byte{baseLetter, 0} }

func readBase(db *badger.DB) (base uint64, err error) {
	err = db.View(func(txn *badger.Txn) error {
		v, err := get(txn, baseKey())
		if len(v) == 8 {
			base = binary.BigEndian.Uint64(v)
		}
		return err
	})
	return base, err
}

// build makes a new database of what fill gives.
func build(dir string, base uint64, fill func(add func(key, value []byte) error) error) (err error) {
	if err := os.RemoveAll(newDir(dir)); err != nil {
		return err
	}
	o := tuned(newDir(dir))
	o.SyncWrites = false
	db, err := badger.Open(o)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, db.Close()); err != nil {
			err = errors.Join(err, os.RemoveAll(newDir(dir)))
		}
	}()
	w := db.NewWriteBatch()
	defer w.Cancel()
	if err := w.Set(baseKey(), binary.BigEndian.AppendUint64(nil, base)); err != nil {
		return err
	}
	err = fill(func(key, value []byte) error {
		if key[0] == baseLetter {
			return nil
		}
		return w.Set(append([]byte{}, key...), append([]byte{}, value...))
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

// compact is done by the committer, so that nobody writes; it waits until nobody reads. It does nothing when there is too little room, or
// too little to be gained.
func (d *disk) compact() error {
	if d.damage != nil {
		return nil
	}
	lsm := filesIn(dbDir(d.dir))
	alive, err := d.aliveBytes()
	if err != nil || lsm < alive+alive/2+(1<<20) {
		return err
	}
	if free, ok := freeBytes(d.dir); ok && free < uint64(2*alive+scantRoom) {
		return nil
	}
	d.pause()
	defer d.unpause()
	base := d.base
	err = build(d.dir, base+d.now(), func(add func(key, value []byte) error) error {
		return d.db.View(func(txn *badger.Txn) error { return each(txn, nil, true, add) })
	})
	if err != nil {
		return failed(d.dir, fmt.Errorf("compacting the store in %s: %w", d.dir, err))
	}
	if err := d.db.Close(); err != nil {
		return err
	}
	swapped := exchange(d.dir, "")
	if err := d.openDB(); err != nil {
		err = fmt.Errorf("the store in %s cannot be used any more: %w", d.dir, err)
		d.mu.Lock()
		d.broken = err
		d.mu.Unlock()
		return errors.Join(swapped, err)
	}
	return swapped
}

// now is the time of the database.
func (d *disk) now() uint64 {
	txn := d.db.NewTransaction(false)
	defer txn.Discard()
	return txn.ReadTs() + 1
}

func (d *disk) aliveBytes() (n int64, err error) {
	err = d.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			n += it.Item().EstimatedSize()
		}
		return nil
	})
	return n, err
}

// filesIn gives the bytes of the files below a directory as they are on the disk.
func filesIn(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // what is gone takes no room
		}
		if info, err := e.Info(); err == nil {
			size += onDisk(info)
		}
		return nil
	})
	return size
}

package badger

import (
	"bytes"
	"errors"
	"fmt"

	badger "github.com/dgraph-io/badger/v4"
)

// item is a key and its value; a nil value means that the key is to be deleted.
type item struct{ Key, Value []byte }

// job is something to be written. Jobs are done one after another by the committer, many in one transaction.
type job struct {
	size  int             // bytes about to be written
	alone bool            // it takes no part in a transaction: it may change the database itself
	frees bool            // it makes room, so it may use the last of it
	sync  bool            // it must be on the disk even when the store leaves that to the kernel
	do    func(*tx) error // reads and sets keys; it sets none when it fails
	done  func(error)     // is called when it is durable, in the order of the jobs
}

// Sizes of a group. Badger takes transactions up to 15 % of a memtable.
const (
	groupBytes = 128 << 10
	groupItems = 1000
	chunkBytes = 64 << 10 // one job
	chunkItems = 500
)

// commit does jobs until there are no more.
func (d *disk) commit() {
	var spare []*job
	for {
		jobs := d.jobs.take(spare)
		if len(jobs) == 0 {
			return
		}
		for rest := jobs; len(rest) > 0; {
			if rest[0].alone {
				rest[0].done(rest[0].do(nil))
				rest = rest[1:]
				continue
			}
			n, size := 1, rest[0].size
			for n < len(rest) && !rest[n].alone && size+rest[n].size <= groupBytes && n < groupItems && rest[n].frees == rest[0].frees {
				size += rest[n].size
				n++
			}
			d.group(rest[:n], size)
			rest = rest[n:]
		}
		spare = jobs
	}
}

// group does jobs in one transaction. A job that fails takes no part in it; when the transaction fails they all do.
func (d *disk) group(jobs []*job, size int) {
	errs := d.errs[:0]
	err := d.mayWrite(size, jobs[0].frees)
	if d.broken != nil {
		for _, j := range jobs {
			j.done(d.broken)
		}
		return
	}
	t := &tx{disk: d, txn: d.db.NewTransaction(true)}
	defer t.txn.Discard()
	sync := false
	for _, j := range jobs {
		sync = sync || j.sync
		if err != nil && j.size > 0 {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, j.do(t))
	}
	if ferr := t.flush(); err == nil {
		err = ferr
	}
	if t.items > 0 && err == nil {
		err = d.write(t, sync)
	}
	if err == nil {
		d.hub.publish(t.changes)
	}
	for i, j := range jobs {
		if errs[i] == nil && j.size > 0 {
			errs[i] = err
		}
		j.done(errs[i])
	}
	d.errs = errs
}

// mayWrite says why nothing can be written.
func (d *disk) mayWrite(size int, frees bool) error {
	if d.damage != nil {
		first := d.damage.Damages[0]
		return &Corrupt{Path: first.Path, Why: first.What}
	}
	return d.room(size, frees)
}

func (d *disk) write(t *tx, sync bool) error {
	err := t.txn.Commit()
	if err == nil && sync && !d.fsync {
		err = d.db.Sync()
	}
	if err != nil {
		return failed(d.dir, fmt.Errorf("the store in %s: %w", d.dir, err))
	}
	return nil
}

// tx is a transaction that several jobs write into. Each sees what those before it wrote.
type tx struct {
	disk    *disk
	txn     *badger.Txn
	items   int
	changes []change // for those who watch
	lent    map[string]bool
	batches map[string][][]byte // facts by run
	order   []string            // of the runs
}

func (t *tx) set(i item) error {
	t.items++
	if i.Value == nil {
		return t.txn.Delete(i.Key)
	}
	if t.disk.hub.watched() {
		t.changes = append(t.changes, change(i))
	}
	return t.txn.Set(i.Key, i.Value)
}

func (t *tx) get(key []byte) ([]byte, error) { return get(t.txn, key) }

// get gives a copy of a value, nil when there is none.
func get(txn *badger.Txn, key []byte) ([]byte, error) {
	i, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := i.ValueCopy(nil)
	if v == nil && err == nil {
		v = []byte{}
	}
	return v, err
}

// each goes through the keys with a prefix, in order. What it hands over is valid only during the call.
func each(txn *badger.Txn, prefix []byte, values bool, do func(key, value []byte) error) error {
	o := badger.IteratorOptions{PrefetchValues: values, PrefetchSize: 100, Prefix: prefix}
	it := txn.NewIterator(o)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		i := it.Item()
		if !values {
			if err := do(i.Key(), nil); err != nil {
				return err
			}
			continue
		}
		if err := i.Value(func(v []byte) error { return do(i.Key(), v) }); err != nil {
			return err
		}
	}
	return nil
}

func collect(txn *badger.Txn, prefix []byte) ([]item, error) {
	var items []item
	err := each(txn, prefix, true, func(k, v []byte) error {
		items = append(items, item{bytes.Clone(k), append([]byte{}, v...)})
		return nil
	})
	return items, err
}

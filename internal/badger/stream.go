package badger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	badger "github.com/dgraph-io/badger/v4"
)

// prefixes are the keys that a stream is about. The key of a record is not followed by anything.
func (r *request) prefixes() [][]byte {
	if r.Op == opInbox {
		return [][]byte{under(messageKey, r.Run)}
	}
	return append(tree(factKey, r.Run), keyOf(recordKey, r.Run), keyOf(recordKey, r.Run+"/"))
}

// stream implements backend: what there is first, then what comes, each once.
func (d *disk) stream(ctx context.Context, r *request, do func(*answer) bool) error {
	w := &watcher{prefixes: r.prefixes()}
	defer d.hub.remove(w)
	past, err := d.past(r, w)
	if err != nil {
		return err
	}
	for _, i := range past {
		if ctx.Err() != nil || !do(&answer{Change: change(i)}) {
			return nil
		}
	}
	defer context.AfterFunc(ctx, w.changes.close)()
	var spare []change
	for {
		changes := w.changes.take(spare)
		if ctx.Err() != nil {
			return nil
		}
		if len(changes) == 0 {
			return errLost
		}
		for _, c := range changes {
			w.bytes.Add(-int64(len(c.Value) + len(c.Key)))
			if r.about(c.Key) && !do(&answer{Change: c}) {
				return nil
			}
		}
		spare = changes
	}
}

// about leaves out runs whose id merely begins like that of the wanted one.
func (r *request) about(key []byte) bool {
	run := runOf(key)
	return run == r.Run || len(run) > len(r.Run) && run[:len(r.Run)] == r.Run && run[len(r.Run)] == '/'
}

// past gives what there is, and sets the watcher on what comes.
func (d *disk) past(r *request, w *watcher) (past []item, err error) {
	var txn *badger.Txn
	err = d.wait(&job{do: func(*tx) error { return nil }, done: func(err error) {
		if err == nil && d.use() { // between two groups, so that nothing is missed and nothing comes twice
			d.hub.add(w)
			txn = d.db.NewTransaction(false)
		}
	}})
	if txn == nil {
		return nil, errors.Join(errLost, err)
	}
	defer d.leave()
	defer txn.Discard()
	value, err := get(txn, keyOf(recordKey, r.Run))
	if err == nil && value == nil {
		err = fmt.Errorf("run %s: %w", r.Run, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	for _, prefix := range w.prefixes {
		items, err := collect(txn, prefix)
		if err != nil {
			return nil, err
		}
		past = append(past, slices.DeleteFunc(items, func(i item) bool { return !r.about(i.Key) })...)
	}
	return past, nil
}

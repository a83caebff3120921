package badger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
)

// do answers a request. Writes wait for the committer, reads do not wait for anybody.
func (d *disk) do(by *holder, r *request, reply func(*answer)) {
	a := &answer{ID: r.ID}
	j := d.write1(by, r, a)
	if j == nil {
		d.wg.Go(func() {
			a.Fail = failureOf(d.look(by, r, a))
			reply(a)
		})
		return
	}
	then := j.done
	j.done = func(err error) {
		if then != nil {
			then(err)
		}
		a.Fail = failureOf(err)
		reply(a)
	}
	d.submit(j)
}

// write1 makes the job of a request that writes; nil when it does not.
func (d *disk) write1(by *holder, r *request, a *answer) *job {
	switch r.Op {
	case opCreate:
		return d.create(r)
	case opLease:
		return d.lend(by, r, a)
	case opReclaim:
		return d.reclaim(by, r)
	case opRelease:
		return d.release(r)
	case opAppend:
		return d.append(r)
	case opUpdate:
		return d.update(r)
	case opSend:
		return d.deliver(r)
	case opAck:
		return d.ack(r)
	case opKeepAnswer:
		return d.keepAnswer(r)
	case opImport:
		if r.First || !r.Last && len(r.Items) == 0 {
			return nil
		}
		return d.importing(by, r)
	default:
		return nil
	}
}

// look answers a request that reads, or that takes more than one job.
func (d *disk) look(by *holder, r *request, a *answer) error {
	switch r.Op {
	case opImport:
		if r.First {
			return d.beginImport(by, r)
		}
		return d.endImport(by, r)
	case opRemove:
		return d.remove(r)
	case opGC:
		return d.gc(r.Policy, &a.Freed)
	case opRecord:
		return d.read(func(txn *badger.Txn) error { return d.find(txn, r.Run, a) })
	case opRecords:
		return d.read(func(txn *badger.Txn) error { return d.list(txn, &r.Filter, a) })
	case opFacts:
		return d.read(func(txn *badger.Txn) error { return facts(txn, r, a) })
	case opAnswer:
		return d.answer(r, a)
	case opMessages:
		return d.read(func(txn *badger.Txn) (err error) {
			a.Items, err = collect(txn, under(messageKey, r.Run))
			return err
		})
	case opDamage:
		a.Damage = d.damage
		return nil
	case opCount:
		return d.read(func(txn *badger.Txn) error { return count(txn, r.Run, a) })
	default:
		return fmt.Errorf("the owner of the store does not know request %d", r.Op)
	}
}

// find gives the record whose id is run, or the only one whose id begins with it.
func (d *disk) find(txn *badger.Txn, run string, a *answer) error {
	value, err := get(txn, keyOf(recordKey, run))
	if err != nil {
		return err
	}
	if value == nil {
		if run, value, err = only(txn, run); err != nil {
			return err
		}
	}
	by, err := holderOf(txn, run)
	a.Found = []found{{Value: value, Holder: by}}
	return err
}

func only(txn *badger.Txn, prefix string) (run string, value []byte, err error) {
	var runs []string
	err = each(txn, keyOf(recordKey, prefix), true, func(k, v []byte) error {
		if id := runOf(k); !strings.Contains(id[len(prefix):], "/") && len(runs) < 5 {
			runs, value = append(runs, id), append([]byte{}, v...)
		}
		return nil
	})
	switch {
	case err != nil:
		return "", nil, err
	case len(runs) == 0 || prefix == "":
		return "", nil, fmt.Errorf("run %s: %w", prefix, ErrNotFound)
	case len(runs) > 1:
		return "", nil, &Ambiguous{Prefix: prefix, Runs: runs}
	}
	return runs[0], value, nil
}

// holderOf gives the process that goes on with a run, 0 when none does.
func holderOf(txn *badger.Txn, run string) (int, error) {
	text, err := get(txn, keyOf(holderKey, rootOf(run)))
	if text == nil || err != nil {
		return 0, err
	}
	var h holder
	if err := json.Unmarshal(text, &h); err != nil || !h.alive() {
		return 0, err
	}
	return h.PID, nil
}

// list gives the records that pass a filter, newest first.
func (d *disk) list(txn *badger.Txn, f *Filter, a *answer) error {
	type entry struct {
		found
		r Record
	}
	var entries []entry
	items, err := collect(txn, []byte{recordKey, 0})
	if err != nil {
		return err
	}
	for _, i := range items {
		r, err := decodeRecord(i.Value, d.blobs, true)
		if err != nil {
			return err
		}
		by, err := holderOf(txn, r.ID)
		if err != nil {
			return err
		}
		if r.hold(by); f.wants(&r) {
			entries = append(entries, entry{found{i.Value, by}, r})
		}
	}
	slices.SortStableFunc(entries, func(x, y entry) int {
		return cmp.Or(y.r.Started.Compare(x.r.Started), cmp.Compare(x.r.ID, y.r.ID))
	})
	if f.Limit > 0 && len(entries) > f.Limit {
		entries = entries[:f.Limit]
	}
	for _, e := range entries {
		a.Found = append(a.Found, e.found)
	}
	return nil
}

// hold says who holds a run; one that runs and that nobody holds is lost.
func (r *Record) hold(pid int) {
	if r.Holder = pid; pid == 0 && r.Status == Running {
		r.Status = Lost
	}
}

func facts(txn *badger.Txn, r *request, a *answer) (err error) {
	a.Items, err = collect(txn, under(factKey, r.Run))
	if err != nil || !r.Tree {
		return err
	}
	more, err := collect(txn, keyOf(factKey, r.Run+"/"))
	a.Items = append(a.Items, more...)
	return err
}

func count(txn *badger.Txn, run string, a *answer) error {
	for _, prefix := range tree(factKey, run) {
		err := each(txn, prefix, true, func(_, batch []byte) error {
			return eachInBatch(batch, func([]byte) error { a.Count++; return nil })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tree gives the prefixes of the keys of a run and its child runs.
func tree(kind byte, run string) [][]byte {
	return [][]byte{under(kind, run), keyOf(kind, run+"/")}
}

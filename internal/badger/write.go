package badger

import (
	"bytes"
	"encoding/json"
	"fmt"
)

func sizeOf(items []item) int {
	n := 0
	for _, i := range items {
		n += len(i.Key) + len(i.Value) + 32
	}
	return n
}

func (t *tx) setAll(items []item) error {
	for _, i := range items {
		if err := t.set(i); err != nil {
			return err
		}
	}
	return nil
}

// create keeps the record of a new run: the first of the items.
func (d *disk) create(r *request) *job {
	return &job{size: sizeOf(r.Items), sync: r.Sync, do: func(t *tx) error {
		for _, kind := range []byte{recordKey, removedKey} {
			old, err := t.get(keyOf(kind, r.Run))
			if err != nil {
				return err
			}
			if old != nil && !(r.Again && bytes.Equal(old, r.Items[0].Value)) {
				return fmt.Errorf("run %s: %w", r.Run, ErrExists)
			}
		}
		return t.setAll(r.Items)
	}}
}

// lend gives a lease, if the run has not ended and nobody has it.
func (d *disk) lend(by *holder, r *request, a *answer) *job {
	return &job{
		size: 1 << 10, sync: r.Sync,
		do: func(t *tx) error {
			value, err := t.get(keyOf(recordKey, r.Run))
			if err != nil {
				return err
			}
			if value == nil {
				return fmt.Errorf("run %s: %w", r.Run, ErrNotFound)
			}
			k, err := t.open(r.Run, value)
			if err != nil {
				return err
			}
			if err := t.free(by, r.Run); err != nil {
				return err
			}
			a.Fence, err = t.raise(k)
			if err != nil {
				return err
			}
			text, err := json.Marshal(by)
			if err != nil {
				return err
			}
			if t.lent == nil {
				t.lent = make(map[string]bool)
			}
			t.lent[r.Run] = true
			return t.set(item{keyOf(holderKey, r.Run), text})
		},
		done: func(err error) {
			if err == nil {
				d.leases[r.Run] = &lease{fence: a.Fence, by: by}
			}
		},
	}
}

// free says whether a lease can be given. What another owner gave without its answer being heard can be given again.
func (t *tx) free(by *holder, run string) error {
	text, err := t.get(keyOf(holderKey, run))
	if text == nil || err != nil {
		return err
	}
	var h holder
	if err := json.Unmarshal(text, &h); err != nil {
		return err
	}
	if !h.alive() || h.Token == by.Token && t.disk.leases[run] == nil && !t.lent[run] {
		return nil
	}
	return &Held{Run: run, By: h.PID}
}

// open reads the record of a run that has not ended. Nobody goes on with one that has, whoever ended it and however lately.
func (t *tx) open(run string, value []byte) (*kept, error) {
	value, err := t.disk.blobs.unfold(value)
	if err != nil {
		return nil, err
	}
	k := new(kept)
	if err := json.Unmarshal(value, k); err != nil {
		return nil, fmt.Errorf("run %s: its record cannot be read: %w", run, err)
	}
	if k.Status.Final() {
		return nil, fmt.Errorf("run %s: %w", run, ErrEnded)
	}
	k.ID = run
	return k, nil
}

// raise counts up the fence of a run.
func (t *tx) raise(k *kept) (uint64, error) {
	k.Fence++
	value, err := json.Marshal(k)
	if err != nil {
		return 0, err
	}
	run := k.ID
	var needs []string
	if value, err = t.disk.blobs.whole(value, &needs); err != nil {
		return 0, err
	}
	if err := t.set(item{keyOf(recordKey, run), value}); err != nil {
		return 0, err
	}
	return k.Fence, t.setAll(needed(run, needs))
}

// needed are the keys that say which blobs a run needs.
func needed(run string, digests []string) []item {
	items := make([]item, len(digests))
	for i, d := range digests {
		items[i] = item{append(under(blobKey, run), d...), []byte{}}
	}
	return items
}

// reclaim gives a lease back to whom another owner had given it. It counts for the jobs of the same group already, and writes nothing.
func (d *disk) reclaim(by *holder, r *request) *job {
	return &job{do: func(t *tx) error {
		text, err := t.get(keyOf(holderKey, r.Run))
		if err != nil {
			return err
		}
		var h holder
		if text == nil || json.Unmarshal(text, &h) != nil || h.Token != by.Token {
			return fenced(r.Run)
		}
		value, err := t.get(keyOf(recordKey, r.Run))
		if err != nil || value == nil {
			return errorsOr(err, fenced(r.Run))
		}
		rec, err := decodeRecord(value, d.blobs, true)
		if err != nil || rec.Fence != r.Fence {
			return errorsOr(err, fenced(r.Run))
		}
		d.leases[r.Run] = &lease{fence: r.Fence, by: by}
		return nil
	}}
}

func fenced(run string) error { return fmt.Errorf("run %s: %w", run, ErrFenced) }

// leased gives the lease under which something is asked for.
func (d *disk) leased(r *request) (*lease, error) {
	l := d.leases[rootOf(r.Run)]
	if l == nil || l.fence != r.Fence {
		return nil, fenced(r.Run)
	}
	return l, l.broken
}

// guarded makes a job that needs the lease. When it cannot be written nothing more can be under this lease, because the facts behind a gap
// would tell of another run.
func (d *disk) guarded(r *request, do func(*tx) error) *job {
	var l *lease
	return &job{
		size: sizeOf(r.Items), sync: r.Sync,
		do: func(t *tx) (err error) {
			if l, err = d.leased(r); err != nil {
				return err
			}
			return do(t)
		},
		done: func(err error) {
			if l == nil {
				l, _ = d.leased(r) // the group failed before the job was looked at
			}
			if err != nil && l != nil && l.broken == nil {
				l.broken = err
			}
		},
	}
}

func (d *disk) append(r *request) *job {
	j := d.guarded(r, func(t *tx) error {
		t.keep(r.Run, r.Facts)
		return t.setAll(r.Items)
	})
	for _, f := range r.Facts {
		j.size += len(f) + 8
	}
	return j
}

// update keeps the record of a run. It may use the last of the room, and come behind a gap, to say why the run was suspended.
func (d *disk) update(r *request) *job {
	return &job{size: sizeOf(r.Items), sync: r.Sync, frees: true, do: func(t *tx) error {
		if l, err := d.leased(r); l == nil {
			return err
		}
		return t.setAll(r.Items)
	}}
}

func (d *disk) release(r *request) *job {
	return &job{
		size: 1 << 10, frees: true,
		do: func(t *tx) error {
			if l := d.leases[r.Run]; l == nil || l.fence != r.Fence {
				return nil // it is somebody else's, or nobody's
			}
			return t.set(item{Key: keyOf(holderKey, r.Run)})
		},
		done: func(error) {
			if l := d.leases[r.Run]; l != nil && l.fence == r.Fence {
				delete(d.leases, r.Run)
			}
		},
	}
}

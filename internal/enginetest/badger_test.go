package enginetest_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/runtime"
)

// TestAHostThatDiesOnDisk lets hosts die behind every fact of a case, each in a run of its own of one store. Then the directory is copied while the
// store has it open: that is what a power cut or a kill leaves. The runs go on to their ends in the copy.
func TestAHostThatDiesOnDisk(t *testing.T) {
	t.Parallel()
	for _, c := range enginetest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			loaded := c.Load(t)
			kills := deaths(t, c, loaded)
			hosts, kept := make([]host, len(kills)), make([]int, len(kills))
			first, copied := t.TempDir(), t.TempDir()
			store := open(t, first)
			for i, kill := range kills {
				hosts[i] = host{c: c, cast: c.Cast(), loaded: loaded, id: fmt.Sprintf("r%d", kill)}
				require.NoError(t, store.Create(badger.Record{ID: hosts[i].id, Pattern: "main.star", Started: time.Now().UTC(), Status: badger.Running}))
				_, kept[i] = hosts[i].onDisk(t, store, kill)
			}
			image(t, first, copied)
			store = open(t, copied)
			for i, kill := range kills {
				had, err := enginetest.Family(hosts[i].id, store.Facts)
				require.NoError(t, err)
				require.Equal(t, kept[i], count(had), "facts in the copy")
				o, _ := hosts[i].onDisk(t, store, -1)
				o.Broken = fmt.Sprintf("(the host died behind fact %d)", kill)
				c.Check(t, o)
			}
		})
	}
}

func open(t *testing.T, dir string) *badger.Store {
	t.Helper()
	s, err := badger.Open(dir, badger.Options{Durability: badger.Process})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// onDisk is a life of the run in virtual time, which the store is not in. It says how many facts are kept then.
func (h *host) onDisk(t *testing.T, s *badger.Store, facts int) (o enginetest.Outcome, kept int) {
	t.Helper()
	lease, err := s.Lease(h.id)
	require.NoError(t, err)
	f := newFerry(lease)
	defer f.close()
	synctest.Test(t, func(t *testing.T) { o, _ = h.live(t, f, facts) })
	require.NoError(t, lease.Release()) // of a process that is dead it would be taken, but this one lives on
	return o, count(o.Facts)
}

func count(facts map[string][]runtime.Fact) (n int) {
	for _, list := range facts {
		n += len(list)
	}
	return n
}

// ferry is a keeper for those who are in a bubble of virtual time, in front of one that is outside of it.
type ferry struct {
	far   *badger.Lease
	trips chan trip
	idle  chan chan struct{}
	wg    sync.WaitGroup
}

type trip struct {
	do   func()
	back chan struct{}
}

func newFerry(far *badger.Lease) *ferry {
	const boats = 100
	f := &ferry{far: far, trips: make(chan trip), idle: make(chan chan struct{}, boats)}
	for range boats {
		f.idle <- make(chan struct{})
	}
	f.wg.Go(func() {
		for t := range f.trips {
			t.do()
			t.back <- struct{}{}
		}
	})
	return f
}

func (f *ferry) close() {
	close(f.trips)
	f.wg.Wait()
}

func (f *ferry) cross(do func()) {
	back := <-f.idle
	f.trips <- trip{do, back}
	<-back
	f.idle <- back
}

func (f *ferry) Append(run string, facts ...runtime.Fact) (err error) {
	f.cross(func() { err = f.far.Append(run, facts...) })
	return err
}

func (f *ferry) Note(run string, facts ...runtime.Fact) {
	f.cross(func() { f.far.Note(run, facts...) })
}

func (f *ferry) Load(run string) (facts []runtime.Fact, err error) {
	f.cross(func() { facts, err = f.far.Load(run) })
	return facts, err
}

// image copies the files of a store that is open, without what belongs to its owner.
func image(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case !d.Type().IsRegular() || name == "ballast":
			return nil
		}
		return sparse(path, filepath.Join(to, name))
	}))
}

// sparse copies a file and leaves holes where there is nothing in it.
func sparse(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	block, nothing := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); ; {
		n, err := io.ReadFull(src, block)
		if !bytes.Equal(block[:n], nothing[:n]) {
			if _, err := dst.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if err != nil {
			return dst.Truncate(at)
		}
	}
}

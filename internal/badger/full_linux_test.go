package badger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// inSmallDisk runs a task in a process that sees an empty disk of 128 MiB at the store's directory, and nobody else does.
func inSmallDisk(t *testing.T, task string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_TASK="+task, "STORE_TEST_DIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var out bytes.Buffer
	cmd.Stderr = &out
	require.NoError(t, cmd.Run(), "this test mounts a small disk, for which the kernel must allow user namespaces; %s", &out)
}

func TestAFullDiskSuspendsAndTheStoreGoesOnLater(t *testing.T) {
	t.Parallel()
	inSmallDisk(t, "full")
}

func TestTheStoreMayFillTheDiskItself(t *testing.T) {
	t.Parallel()
	inSmallDisk(t, "fill")
}

func TestAFileThatMayNotGrow(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_TASK=limit", "STORE_TEST_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// expect makes a task end with what is not as it should be.
func expect(ok bool, what string, args ...any) {
	if !ok {
		panic(fmt.Sprintf(what, args...))
	}
}

func must(err error) { expect(err == nil, "%v", err) }

func isFull(err error, path string) {
	full, ok := errors.AsType[*Full](err)
	expect(ok && strings.HasPrefix(full.Path, path), "want that %s is full, got %v", path, err)
}

// fillUp leaves no byte free.
func fillUp(name string) {
	f, err := os.Create(name)
	must(err)
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		expect(errors.Is(err, syscall.ENOSPC), "%v", err)
	}
	must(f.Close())
}

func full(dir string, _ []string) error {
	must(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128m"))
	store := filepath.Join(dir, "store")
	s, err := Open(store, Options{})
	must(err)
	must(s.Create(Record{ID: "r", Status: Running}))
	l, err := s.Lease("r")
	must(err)
	must(l.Append("r", done("", 1, "1")))

	fillUp(filepath.Join(dir, "other"))
	isFull(l.Append("r", done("", 2, "2")), store)
	l.Note("r", done("", 3, "3"))
	isFull(l.Append("r", done("", 4, "4")), store)
	_, err = s.Put(make([]byte, 1<<20))
	isFull(err, store)
	_, err = Open(filepath.Join(dir, "another"), Options{})
	isFull(err, filepath.Join(dir, "another"))
	isFull(l.End(func(r *Record) { r.Status = Done }), store)
	must(l.End(func(r *Record) { r.Status, r.Why = Suspended, "the disk is full" }))
	must(l.Release())
	must(s.Close())

	s, err = Open(store, Options{}) // it can be looked at, and things removed
	must(err)
	r, err := s.Record("r")
	must(err)
	expect(r.Status == Suspended && r.Why == "the disk is full", "%+v", r)
	isFull(s.Create(Record{ID: "r2", Status: Running}), store)
	must(os.Remove(filepath.Join(dir, "other")))
	l, err = s.Lease("r")
	must(err)
	facts, err := l.Load("r")
	must(err)
	expect(len(facts) == 1, "%v", facts)
	must(l.Append("r", done("", 2, "2")))
	must(s.Close())
	return nil
}

func fill(dir string, _ []string) error {
	must(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128m"))
	store := filepath.Join(dir, "store")
	s, err := Open(store, Options{Durability: Process})
	must(err)
	kept := 0
	for run := 0; ; run++ {
		id := fmt.Sprint("r", run)
		if err := s.Create(Record{ID: id, Status: Running}); err != nil {
			isFull(err, store)
			break
		}
		l, err := s.Lease(id)
		if err != nil {
			isFull(err, store)
			break
		}
		for n := 0; n < 100 && err == nil; n++ {
			text := document(20 << 10)
			if err = l.Append(id, done("", n+1, `"`+text+`"`)); err == nil {
				kept++
			}
		}
		if err != nil {
			isFull(err, store)
			must(l.End(func(r *Record) { r.Status = Suspended }))
			break
		}
		must(l.End(func(r *Record) { r.Status = Done }))
		must(l.Release())
	}
	expect(kept > 1000, "only %d facts fit", kept)
	must(s.Close())
	s, err = Open(store, Options{})
	must(err)
	list, err := s.Records(Filter{})
	must(err)
	got := 0
	for _, r := range list {
		facts, err := s.Facts(r.ID)
		must(err)
		got += len(facts)
	}
	expect(got == kept, "%d facts of %d are there", got, kept)
	freed, err := s.GC(Retention{MaxRuns: 1})
	must(err)
	expect(freed.Bytes > 10<<20, "only %d bytes were freed", freed.Bytes)
	must(s.Create(Record{ID: "new", Status: Running}))
	must(s.Close())
	return nil
}

func limit(dir string, _ []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(dir, Options{})
	must(err)
	must(s.Create(Record{ID: "r", Status: Running}))
	l, err := s.Lease("r")
	must(err)
	var old syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: old.Max}))
	_, err = s.Put(make([]byte, 2<<20))
	isFull(err, dir)
	must(l.Append("r", done("", 1, "1")))
	isFull(l.Append("r", done("", 2, `"`+document(2<<20)+`"`)), dir)
	left, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	must(err)
	expect(len(left) == 0, "there is left: %v", left)
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))
	must(l.Append("r", done("", 2, `"`+document(2<<20)+`"`)))
	must(s.Close())
	return nil
}

func systemTasks() map[string]func(string, []string) error {
	return map[string]func(string, []string) error{"full": full, "fill": fill, "limit": limit}
}

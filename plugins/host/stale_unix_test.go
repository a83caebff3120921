//go:build unix

package host

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatAKilledHostLeftIsRemovedByTheNext(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir := func(name string) string {
		path := filepath.Join(base, name)
		require.NoError(t, os.MkdirAll(filepath.Join(path, "plugin-dir"), 0o700))
		return path
	}
	dead, living, others := dir("px1"), dir("px2"), dir("px3")
	f, err := claim(dead)
	require.NoError(t, err)
	require.NoError(t, f.Close()) // as the kernel does for a process that was killed
	held, err := claim(living)
	require.NoError(t, err)
	defer held.Close()

	mine := files{base: base}
	_, _, err = mine.dirs()
	require.NoError(t, err)
	require.Eventually(t, func() bool { // a process that another test is starting may have the lock for a moment
		sweep(base)
		_, err := os.Stat(dead)
		return err != nil
	}, 10*time.Second, 10*time.Millisecond)
	require.DirExists(t, living)
	require.DirExists(t, others, "it is not ours")
	require.NoError(t, mine.remove())
	require.NoDirExists(t, mine.root)
}

// TestHostsThatStartAtOnceLeaveEachOtherAlone is about the moment between making a directory and marking it as in use.
func TestHostsThatStartAtOnceLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				mine := files{base: base}
				_, _, err := mine.dirs()
				assertNoError(t, err)
				sweep(base)
				_, err = os.Stat(mine.root)
				assertNoError(t, err)
				assertNoError(t, mine.remove())
			}
		})
	}
	wg.Wait()
}

// assertNoError is require.NoError for goroutines, which cannot end the test.
func assertNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

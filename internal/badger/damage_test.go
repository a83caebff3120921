package badger

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// several keeps ended runs, and one that has not ended.
func several(t *testing.T, s *Store) {
	t.Helper()
	for i := range 12 {
		var facts []runtime.Fact
		for n := range 40 {
			facts = append(facts, done("", n+1, fmt.Sprintf(`"%d %d %s"`, i, n, document(300))))
		}
		ended(t, s, fmt.Sprint("r", i), 0, facts...)
	}
	l := begin(t, s, "open")
	for n := range 40 {
		require.NoError(t, l.Append("open", done("", n+1, fmt.Sprint(n))))
	}
	require.NoError(t, l.Release())
}

// state is all facts of all runs, as text.
func state(t *testing.T, s *Store) map[string]string {
	t.Helper()
	list, err := s.Records(Filter{})
	require.NoError(t, err)
	all := make(map[string]string)
	for _, r := range list {
		facts, err := s.Facts(r.ID)
		require.NoError(t, err)
		for _, f := range facts {
			all[r.ID+" "+f.Addr.String()] = string(f.Outcome)
		}
		all[r.ID] = string(r.Status)
	}
	return all
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	err := filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() && !e.Type().IsRegular() || e.Name() == "ballast" {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		written := strings.TrimRight(string(text), "\x00")
		if err := os.WriteFile(filepath.Join(to, rel), []byte(written), 0o600); err != nil {
			return err
		}
		return os.Truncate(filepath.Join(to, rel), int64(len(text)))
	})
	require.NoError(t, err)
	return to
}

// originals gives a store that was closed, and one whose owner was killed.
func originals(t *testing.T) map[string]string {
	t.Helper()
	closed := t.TempDir()
	s := open(t, closed)
	several(t, s)
	killed := copyDir(t, closed) // as if it had been killed now: everything is in the log
	require.NoError(t, s.Close())
	return map[string]string{"closed": closed, "killed": killed}
}

func TestADamagedStoreSaysSoAndIsRepaired(t *testing.T) {
	t.Parallel()
	for name, dir := range originals(t) {
		s := open(t, copyDir(t, dir))
		whole := state(t, s)
		require.Len(t, whole, 13*41)
		files, err := filepath.Glob(filepath.Join(dir, "db", "*"))
		require.NoError(t, err)
		for _, file := range files {
			info, err := os.Stat(file)
			require.NoError(t, err)
			for _, how := range harms(t, file, info.Size()) {
				file := filepath.Base(file)
				t.Run(fmt.Sprintf("%s/%s/%s", name, file, how.name), func(t *testing.T) {
					t.Parallel()
					dir := copyDir(t, dir)
					how.do(t, filepath.Join(dir, "db", file))
					survives(t, dir, whole)
				})
			}
		}
	}
}

type harm struct {
	name string
	do   func(t *testing.T, name string)
}

// harms are places to cut a file and to change a bit, among what is written of it.
func harms(t *testing.T, name string, size int64) (list []harm) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	used := int64(len(strings.TrimRight(string(text), "\x00")))
	chance := rand.New(rand.NewPCG(1, uint64(size)))
	var seen []int64
	for _, at := range []int64{0, used / 4, used / 2, used - 1, chance.Int64N(used + 1), chance.Int64N(used + 1)} {
		if at < 0 || at >= size || slices.Contains(seen, at) {
			continue
		}
		seen = append(seen, at)
		list = append(list, harm{fmt.Sprint("bit ", at), func(t *testing.T, name string) {
			t.Helper()
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			b := make([]byte, 1)
			_, err = f.ReadAt(b, at)
			require.NoError(t, err)
			b[0] ^= 1 << (at % 8)
			_, err = f.WriteAt(b, at)
			require.NoError(t, err)
		}}, harm{fmt.Sprint("cut ", at+1), func(t *testing.T, name string) {
			t.Helper()
			require.NoError(t, os.Truncate(name, at+1))
		}})
	}
	return append(list, harm{"missing", func(t *testing.T, name string) {
		t.Helper()
		require.NoError(t, os.Remove(name))
	}})
}

// survives opens a harmed store: either nothing that matters was harmed, or it says what is lost and becomes fit for use when it is repaired.
func survives(t *testing.T, dir string, whole map[string]string) {
	t.Helper()
	s := open(t, dir)
	damage, err := s.Damage()
	require.NoError(t, err)
	got := state(t, s)
	for key, value := range got {
		if strings.Contains(key, " ") {
			require.Equal(t, whole[key], value)
		}
	}
	if damage == nil {
		if !strings.HasSuffix(t.Name(), ".mem/missing") && !lastOnly(got, whole) {
			require.Equal(t, whole, got, "something is lost and nobody says so")
		}
		require.NoError(t, s.Create(Record{ID: "new"}))
		return
	}
	require.NotEmpty(t, damage.Damages)
	var corrupt *Corrupt
	require.ErrorAs(t, s.Create(Record{ID: "new"}), &corrupt)
	require.NoError(t, s.Close())

	checked, err := Check(dir)
	require.NoError(t, err)
	require.False(t, checked.Whole())
	repaired, err := Repair(dir)
	require.NoError(t, err)
	require.Equal(t, checked.Lost, repaired.Lost)
	require.DirExists(t, filepath.Join(repaired.Aside, "db"))

	s = open(t, dir)
	damage, err = s.Damage()
	require.NoError(t, err)
	require.Nil(t, damage)
	after := state(t, s)
	for key, value := range got {
		require.Equal(t, value, after[key])
	}
	told := make(map[string]bool)
	for _, l := range repaired.Lost {
		told[l.Run] = true
	}
	for key := range whole {
		run, _, fact := strings.Cut(key, " ")
		if _, there := after[key]; fact && !there && after[run] == string(Done) {
			require.True(t, told[run], "%s is lost and nobody says so", key)
		}
	}
	l := begin(t, s, "new")
	require.NoError(t, l.Append("new", done("", 1, "1")))
	if r, err := s.Record("open"); err == nil && !r.Status.Final() { // one that was made anew for its facts has failed
		require.NotEmpty(t, r.Damaged, "nobody can tell whether all of it is there")
		l, err := s.Lease("open")
		require.NoError(t, err)
		require.NoError(t, l.Append("open", done("", 1, `"later"`)))
		facts, err := s.Facts("open")
		require.NoError(t, err)
		require.Equal(t, done("", 1, `"later"`), facts[0])
	}
	require.NoError(t, s.Close())
	checked, err = Check(dir)
	require.NoError(t, err)
	require.True(t, checked.Whole(), "%s", &checked)
}

// lastOnly says that nothing but the very last thing written is missing, which looks like something that was being written when the machine
// stopped.
func lastOnly(got, whole map[string]string) bool {
	missing := 0
	for key := range whole {
		if _, ok := got[key]; !ok {
			missing++
		}
	}
	return missing <= 1
}

func TestCheckFindsWhatIsWrongWithTexts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ended(t, s, "good", 0, done("", 1, "1"))
	ended(t, s, "bad", 0, done("", 1, `"`+document(80<<10)+`"`))
	ended(t, s, "gone", 0, done("", 1, `"`+document(80<<10)+`"`))
	_, err := Check(dir)
	require.ErrorIs(t, err, ErrInUse)
	facts, err := s.Facts("bad")
	require.NoError(t, err)
	bad, err := s.Put(facts[0].Outcome[1 : len(facts[0].Outcome)-1])
	require.NoError(t, err)
	facts, err = s.Facts("gone")
	require.NoError(t, err)
	missing, err := s.Put(facts[0].Outcome[1 : len(facts[0].Outcome)-1])
	require.NoError(t, err)
	require.NoError(t, s.Close())
	r, err := Check(dir)
	require.NoError(t, err)
	require.True(t, r.Whole(), "%s", &r)
	require.Equal(t, 3, r.Runs)

	require.NoError(t, os.Truncate(s.blobs.path(bad), 100))
	require.NoError(t, os.Remove(s.blobs.path(missing)))
	r, err = Repair(dir)
	require.NoError(t, err)
	require.Len(t, r.Damages, 2)
	require.Equal(t, []Loss{{"bad", "a text that it needs is lost"}, {"gone", "a text that it needs is lost"}}, r.Lost)
	require.FileExists(t, filepath.Join(r.Aside, bad))

	s = open(t, dir)
	rec, err := s.Record("bad")
	require.NoError(t, err)
	require.Contains(t, rec.Why, "a text that it needs is lost")
	_, err = s.Facts("bad")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = s.Facts("good")
	require.NoError(t, err)
}

func TestANewerStoreIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, "version"))
	require.NoError(t, err)
	require.Equal(t, "1 1.2.3\n", string(text))
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "version"), []byte("2 9.0.1\n"), 0o600))
	_, err = Open(dir, Options{})
	require.EqualError(t, err, "the store in "+dir+" was written by parallax 9.0.1; install 9.0.1 or later, or give another directory")
	var newer *Newer
	require.ErrorAs(t, err, &newer)
	_, err = Check(dir)
	require.ErrorAs(t, err, &newer)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "version"), []byte("garbage"), 0o600))
	var corrupt *Corrupt
	_, err = Open(dir, Options{})
	require.ErrorAs(t, err, &corrupt)
}

func TestATornVersionIsWrittenAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	several(t, s)
	whole := state(t, s)
	require.NoError(t, s.Close())
	name := filepath.Join(dir, "version")
	require.NoError(t, os.WriteFile(name, []byte("\x00\x00"), 0o600))
	r, err := Check(dir)
	require.NoError(t, err)
	require.Equal(t, []Damage{{name, "it does not say which format the store has"}}, r.Damages)
	require.Empty(t, r.Lost)
	r, err = Repair(dir)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(r.Aside, "version"))
	s = open(t, dir)
	require.Equal(t, whole, state(t, s))
	rec, err := s.Record("open")
	require.NoError(t, err)
	require.Empty(t, rec.Damaged)
	require.NoError(t, s.Close())

	require.NoError(t, os.WriteFile(name, []byte("garbage"), 0o600)) // and nobody can read the database: it may be of another format
	require.NoError(t, os.WriteFile(filepath.Join(dir, "db", "MANIFEST"), []byte("garbage"), 0o600))
	_, err = Repair(dir)
	require.ErrorContains(t, err, `write the line "1 unknown" to that file, and repair it again`)
	require.NoError(t, os.WriteFile(name, []byte("1 unknown\n"), 0o600))
	_, err = Repair(dir)
	require.NoError(t, err)
	s = open(t, dir)
	require.Equal(t, whole, state(t, s))
}

func TestAReaderChangesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	_, err := Open(dir, Options{ReadOnly: true})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoDirExists(t, dir)
	s := open(t, dir)
	ended(t, s, "r", 0, done("", 1, "1"))
	r, err := Open(dir, Options{ReadOnly: true})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, "r", ids(t, r))
	require.ErrorIs(t, r.Create(Record{ID: "x"}), ErrReadOnly)
	require.ErrorIs(t, r.Remove("r"), ErrReadOnly)
	_, err = r.Lease("r")
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = r.Put([]byte("x"))
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = r.GC(Retention{})
	require.ErrorIs(t, err, ErrReadOnly)
}

// FuzzDatabase reads anything as the files of a database: it must not crash.
func FuzzDatabase(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Add([]byte{0x40, 0, 9, 1, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		ignore := func(pair) {}
		_, _ = tableIndex(text)
		_ = readBlock(text, ignore)
		_ = verify(nil, text)
		name := filepath.Join(t.TempDir(), "1.mem")
		require.NoError(t, os.WriteFile(name, append(make([]byte, walHeader), text...), 0o600))
		readLog(name, ignore, func(string) {})
	})
}

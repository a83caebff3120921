package runs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
)

func TestARunMovesToAnotherStore(t *testing.T) {
	t.Parallel()
	here, there := newDesk(t), newDesk(t)
	require.NoError(t, keeps(t.Context(), t, here.store(), "20260504-talk", talk, office{}))
	o := here.run("runs", "export", "2026")
	require.Equal(t, cli.Done, o.exit, o.stderr)
	require.Equal(t, "run 20260504-talk is in 20260504-talk.plx\n", o.stderr)
	file := filepath.Join(here.dir, "20260504-talk.plx")

	require.Equal(t, "20260504-talk\n", there.ok("runs", "import", file))
	require.Equal(t, here.ok("runs", "show", "2026"), there.ok("runs", "show", "2026"))
	require.Equal(t, "20260504-talk\n", there.ok("runs", "import", file), "the very same may come again")
	require.Equal(t, here.ok("runs", "export", "2026", "-o", "-"), there.ok("runs", "export", "2026", "-o", "-"))
	require.Equal(t, `{"run":"20260504-talk","file":"x.plx"}`+"\n", here.ok("runs", "export", "2026", "-o", "x.plx", "--json"))

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	third := newDesk(t)
	o = third.in(t.Context(), strings.NewReader(string(text)), "runs", "import", "-", "--json")
	require.Equal(t, `{"run":"20260504-talk"}`+"\n", o.stdout)
}

func TestAnotherRunOfTheSameIDIsRefused(t *testing.T) {
	t.Parallel()
	here, there := newDesk(t), newDesk(t)
	require.NoError(t, keeps(t.Context(), t, here.store(), "talk", talk, office{}))
	require.NoError(t, keeps(t.Context(), t, there.store(), "talk", "def main():\n    return 1\n", office{}))
	here.ok("runs", "export", "talk", "-o", filepath.Join(there.dir, "x.plx"))
	o := there.run("runs", "import", "x.plx")
	require.Equal(t, cli.Usage, o.exit)
	require.Contains(t, o.stderr, "x.plx has another run talk than the one that is kept")
	require.Contains(t, o.stderr, "hint: parallax runs rm talk removes the one that is kept")
	require.Contains(t, there.ok("runs", "show", "talk"), "\nresult\n  1\n")
}

// A file of a run that is cut off anywhere, or has any byte changed, is refused, and nothing of it is kept.
func TestADamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	here, there := newDesk(t), newDesk(t)
	require.NoError(t, keeps(t.Context(), t, here.store(), "talk", talk, office{}))
	text := here.ok("runs", "export", "talk", "-o", "-")
	s := there.store()
	refused := func(damaged []byte, what string, at int) {
		t.Helper()
		_, err := s.Import(bytes.NewReader(damaged))
		require.ErrorIs(t, err, badger.ErrFile, "%s at byte %d", what, at)
	}
	for at := range len(text) {
		refused([]byte(text[:at]), "cut off", at)
		flipped := []byte(text)
		flipped[at] ^= 1 << (at % 8)
		refused(flipped, "changed", at)
	}
	list, err := s.Records(badger.Filter{})
	require.NoError(t, err)
	require.Empty(t, list)

	for name, damaged := range map[string]string{"cut.plx": text[:len(text)/2], "flipped.plx": text[:200] + "\x00" + text[201:], "more.plx": text + "x", "other.plx": "hello"} {
		require.NoError(t, os.WriteFile(filepath.Join(there.dir, name), []byte(damaged), 0o600))
		o := there.run("runs", "import", name)
		require.Equal(t, cli.Usage, o.exit)
		require.Contains(t, o.stderr, name+": this is no whole exported run: ")
		require.Contains(t, o.stderr, "hint: copy it again, or export the run once more")
	}
	o := there.run("runs", "import", "nowhere.plx")
	require.Equal(t, cli.Usage, o.exit)
	require.Contains(t, o.stderr, "nowhere.plx cannot be read: no such file or directory")
}

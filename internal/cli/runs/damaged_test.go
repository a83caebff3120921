package runs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

func TestWhatIsLeftOfADamagedStoreCanBeLookedAt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s, err := badger.Open(d.state, badger.Options{})
	require.NoError(t, err)
	for n := range 8 {
		id := fmt.Sprint("r", n)
		require.NoError(t, s.Create(badger.Record{ID: id, Pattern: "p.star", Status: badger.Running, Started: time.Now()}))
		l, err := s.Lease(id)
		require.NoError(t, err)
		for i := range 50 {
			value := fmt.Sprintf("%q", strings.Repeat(fmt.Sprint(n, i, " "), 200))
			require.NoError(t, l.Append(id, runtime.Fact{Addr: runtime.Address{N: i + 1}, Kind: runtime.Done, At: time.Now(), Outcome: runtime.Payload(value)}))
		}
		require.NoError(t, l.End(func(r *badger.Record) { r.Status = badger.Done }))
		require.NoError(t, l.Release())
	}
	require.NoError(t, s.Close())
	tables, err := filepath.Glob(filepath.Join(d.state, "db", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	text, err := os.ReadFile(tables[0])
	require.NoError(t, err)
	for i := range 100 {
		text[len(text)/3+i] ^= 0xff
	}
	require.NoError(t, os.WriteFile(tables[0], text, 0o600))

	o := d.run("runs")
	require.Equal(t, cli.Done, o.exit, o.stderr)
	require.Contains(t, o.stderr, "the store in "+d.state+" is damaged and can only be read: parallax doctor says what is lost, and with --repair keeps the rest")
	require.Contains(t, o.stdout, "r0")
	o = d.run("runs", "rm", "r0", "--yes")
	require.NotEqual(t, cli.Done, o.exit)
	require.Contains(t, o.stderr, "damaged")
	_, err = badger.Repair(d.state)
	require.NoError(t, err)
	o = d.run("runs", "rm", "r0", "--yes")
	require.Equal(t, cli.Done, o.exit, o.stderr)
}

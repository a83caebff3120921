package badger

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// churn writes runs, ends them and has old ones removed, as fast as it can, until it is killed. It tells of each fact that is durable.
func churn(dir string, words []string) error {
	s, err := Open(dir, Options{Durability: Process})
	if err != nil {
		return err
	}
	for run := 0; ; run++ {
		id := fmt.Sprintf("%s-%d", words[0], run)
		if err := s.Create(Record{ID: id, Status: Running, Started: now()}); err != nil {
			return err
		}
		l, err := s.Lease(id)
		if err != nil {
			return err
		}
		for n := range 30 {
			if err := l.Append(id, done("", n+1, `"`+document(20<<10)+`"`)); err != nil {
				return err
			}
			fmt.Println(id, n+1)
		}
		if err := l.End(func(r *Record) { r.Status = Done }); err != nil {
			return err
		}
		if err := l.Release(); err != nil {
			return err
		}
		if run%10 == 9 {
			if _, err := s.GC(Retention{MaxRuns: 2}); err != nil {
				return err
			}
		}
	}
}

// TestKilledAtAnyTime kills a process that keeps writing, merging and compacting. What it had told of is there, and the store is whole. With
// STORE_SOAK it does so that many times.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	rounds := 8
	if n, err := strconv.Atoi(os.Getenv("STORE_SOAK")); err == nil {
		rounds = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for round := range rounds {
		p := start(t, dir, fmt.Sprintf("churn c%d", round))
		told := make(map[string]int)
		after := chance.IntN(700)
		for n := 0; p.lines.Scan(); n++ {
			id, count, _ := strings.Cut(p.lines.Text(), " ")
			told[id], _ = strconv.Atoi(count)
			if n == after {
				p.kill()
			}
		}
		_ = p.cmd.Wait() // it was killed
		require.Empty(t, p.errs.String())
		report, err := Check(dir)
		require.NoError(t, err)
		require.True(t, report.Whole(), "%s", &report)

		s := open(t, dir)
		damage, err := s.Damage()
		require.NoError(t, err)
		require.Nil(t, damage)
		for id, n := range told {
			facts, err := s.Facts(id)
			require.NoError(t, err)
			if r, _ := s.Record(id); r.ID == id || n < 30 { // else gc has removed it
				require.GreaterOrEqual(t, len(facts), n, "of run %s", id)
			}
		}
		require.NoError(t, s.Close())
	}
}

package runs_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/runtime"
)

func TestRunsTakeDiskByWhatIsDistinctInThem(t *testing.T) {
	t.Parallel()
	takesDiskByContent(t, 50, 1)
}

// readAll has two agents read a document, which stands in the inputs, in two requests, and in an answer.
const readAll = `
def main(doc):
    a = agent("ada").ask("say short", text = doc).value
    return [a, agent("bo").ask("say short", text = doc, notes = [doc, a]).value, doc]
`

// takesDiskByContent keeps runs of five documents of a megabyte each and collects them, so many times.
func takesDiskByContent(t *testing.T, runs, rounds int) {
	t.Helper()
	const documents, megabyte = 5, 1 << 20
	d := newDesk(t)
	s, err := badger.Open(d.state, badger.Options{Durability: badger.Process})
	require.NoError(t, err)
	base := badger.Size(d.state)
	inputs := make([]runtime.Payload, documents)
	for i := range inputs {
		text, err := json.Marshal(map[string]string{"doc": letters(uint64(i), megabyte)})
		require.NoError(t, err)
		inputs[i], err = runtime.Canonical(text)
		require.NoError(t, err)
	}
	allowed := int64(documents*megabyte + runs*8<<10 + 3<<20)
	for round := range rounds {
		for i := range runs {
			require.NoError(t, keepsOf(t.Context(), t, s, fmt.Sprintf("r%d-%d", round, i), readAll, office{}, inputs[i%documents]))
		}
		require.Less(t, badger.Size(d.state)-base, allowed, "%d runs of %d documents", runs, documents)
		facts, err := s.Facts(fmt.Sprintf("r%d-3", round))
		require.NoError(t, err)
		require.NotEmpty(t, facts)
		r, err := s.Record(fmt.Sprintf("r%d-3", round))
		require.NoError(t, err)
		require.Equal(t, inputs[3], r.Inputs)

		out := d.run("gc", "--max-age", "1ns", "--json")
		var freed struct {
			Runs  []string
			Blobs int
			Bytes int64
		}
		require.NoError(t, json.Unmarshal([]byte(out.stdout), &freed), out.stderr)
		require.Len(t, freed.Runs, runs)
		require.GreaterOrEqual(t, freed.Blobs, documents)
		require.Greater(t, freed.Bytes, int64(documents*megabyte*9/10))
		require.Less(t, badger.Size(d.state)-base, int64(3<<20), "the disk has its room back")
	}
	require.NoError(t, s.Close())
}

// letters is a text that is like no other.
func letters(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%016x ", r.Uint64())
	}
	return b.String()[:n]
}

package calibrate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/consensus"
)

// recorded is the line of a label.
func recorded(seq int, agent string, confidence any, correct bool) string {
	stated := "null"
	if confidence != nil {
		stated = fmt.Sprint(confidence)
	}
	return fmt.Sprintf(`{"seq":%d,"time":"t","run":"r","kind":"emit","name":"outcome","value":{"agent":%q,"confidence":%s,"correct":%t}}`+"\n",
		seq, agent, stated, correct)
}

func TestLabelsAreCountedByAgentInOrder(t *testing.T) {
	t.Parallel()
	c := newCollection()
	text := `{"seq":1,"kind":"run.started"}` + "\n\n" + recorded(2, "b", 0.9, true) + recorded(3, "a", nil, false) +
		`{"seq":4,"kind":"emit","name":"score","value":7}` + "\r\n" + recorded(5, "b", 0.25, false)
	cut, err := c.read(strings.NewReader(text), "f")
	require.NoError(t, err)
	require.Zero(t, cut)
	all := c.sorted()
	require.Len(t, all, 2)
	require.Equal(t, &labelled{name: "a", n: 1}, all[0])
	require.Equal(t, &labelled{name: "b", n: 2, right: 1, stated: consensus.Labels{{Confidence: 0.9, Correct: true}, {Confidence: 0.25}}}, all[1])
}

func TestTheSameEventCountsOnceAndALikeOneTwice(t *testing.T) {
	t.Parallel()
	c := newCollection()
	other := strings.Replace(recorded(1, "a", 0.9, true), `"time":"t"`, `"time":"u"`, 1)
	for _, text := range []string{recorded(1, "a", 0.9, true), recorded(1, "a", 0.9, true), other} {
		_, err := c.read(strings.NewReader(text), "f")
		require.NoError(t, err)
	}
	require.Equal(t, 2, c.sorted()[0].n)
	require.Equal(t, 1, c.repeated)
}

func TestOnlyALastLineWithoutAnEndMayBeCutOff(t *testing.T) {
	t.Parallel()
	whole := recorded(1, "a", 0.9, true)
	for n := 1; n < len(whole)-1; n++ { // at every byte
		c := newCollection()
		cut, err := c.read(strings.NewReader(recorded(2, "a", 0.5, true)+whole[:n]), "f")
		require.NoError(t, err)
		require.Equal(t, 2, cut)
		require.Equal(t, 1, c.sorted()[0].n)
	}
	c := newCollection()
	_, err := c.read(strings.NewReader(whole[:30]+"\n"+whole), "f")
	require.ErrorContains(t, err, "f:1: the line is no event")
	_, err = c.read(strings.NewReader(whole[:30]+"\n"), "f")
	require.ErrorContains(t, err, "f:1: the line is no event")
	cut, err := c.read(strings.NewReader(strings.TrimSuffix(whole, "\n")), "f")
	require.NoError(t, err)
	require.Zero(t, cut, "it is whole, only its end is missing")
}

func FuzzRead(f *testing.F) {
	f.Add(recorded(1, "a", 0.9, true))
	f.Add(recorded(1, "a", nil, false) + recorded(2, "b", 1, true)[:20])
	f.Add("{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := newCollection()
		if _, err := c.read(strings.NewReader(text), "f"); err != nil {
			return
		}
		n := 0
		for _, a := range c.sorted() {
			require.NotEmpty(t, a.name)
			require.LessOrEqual(t, a.right, a.n)
			require.LessOrEqual(t, len(a.stated), a.n)
			if len(a.stated) > 0 {
				require.NoError(t, a.stated.Check())
			}
			n += a.n
		}
		require.LessOrEqual(t, n, strings.Count(text, "\n")+1)
	})
}

package modelserver

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokensJoinedAreTheText(t *testing.T) {
	t.Parallel()
	m := Train(corpus)
	for _, text := range []string{
		"A review is a conversation.", "  two  blanks ", "tabs\tand\nlines\n\n", "ünïcödé — and 日本", `{"a": [1, "b"]}`,
		"don't 'quote' x'", "zzyzx unknownword", "\r\n \n", "\xff\xfe",
	} {
		var b strings.Builder
		for _, tok := range m.Tokenize(text) {
			b.WriteString(tok.Text)
			if tok.ID != Unknown {
				require.Equal(t, tok.Text, m.Text(tok.ID))
			}
		}
		require.Equal(t, text, b.String())
	}
}

func TestProbabilitiesSumToOne(t *testing.T) {
	t.Parallel()
	m := Train(corpus)
	v := m.under(m.Tokenize("does the timeout leak a secret"))
	pasts := []string{"", "A", "The reviewer", "The first question of a review", "never seen zzyzx words", "日本 is"}
	for _, text := range pasts {
		past := idsOf(m.Tokenize(text))
		for order := 1; order <= Order; order++ {
			requireDistribution(t, m.Limited(order).Distribution(past), m.Size())
		}
		requireDistribution(t, v.distribution(past), m.Size())
	}
}

func requireDistribution(t *testing.T, p []float64, size int) {
	t.Helper()
	require.Len(t, p, size)
	sum := 0.0
	for _, x := range p {
		require.Positive(t, x)
		sum += x
	}
	require.InDelta(t, 1, sum, 1e-9)
}

func TestLongerContextPredictsUnseenTextBetter(t *testing.T) {
	t.Parallel()
	docs := documents(corpus)
	half := len(docs) * 9 / 10
	m := Train(strings.Join(docs[:half], "\n\n"))
	bits := func(order int) (sum float64) {
		short := m.Limited(order)
		for _, doc := range docs[half:] {
			sum -= short.Logprob(nil, doc)
		}
		return sum
	}
	require.Less(t, bits(2), bits(1))
	require.Less(t, bits(3), bits(1))
}

func TestPromptWordsBecomeMoreLikely(t *testing.T) {
	t.Parallel()
	m := Train(corpus)
	past := idsOf(m.Tokenize("The"))
	id := m.vocab.ids[" verdict"]
	require.Greater(t, m.under(m.Tokenize("a verdict please")).distribution(past)[id], m.Distribution(past)[id])
}

func TestTemperatureZeroIsArgmax(t *testing.T) {
	t.Parallel()
	m := Train(corpus)
	v := m.under(nil)
	out := newSampler(v, settings{maxTokens: 60}, 1, 0).text(nil)
	require.Equal(t, out, newSampler(v, settings{maxTokens: 60}, 99, 3).text(nil))
	var past []int
	for _, p := range out.pieces {
		dist := v.distribution(past)
		id := argmax(dist)
		require.Equal(t, m.Text(id), p.text)
		require.InDelta(t, math.Log(dist[id]), p.logprob, 1e-12)
		past = append(past, id)
	}
}

func TestSeedsReproduceAndDiffer(t *testing.T) {
	t.Parallel()
	v := Train(corpus).under(nil)
	s := settings{temperature: 1, maxTokens: 80}
	a, b, c := newSampler(v, s, 7, 0).text(nil), newSampler(v, s, 7, 0).text(nil), newSampler(v, s, 8, 0).text(nil)
	require.Equal(t, a, b)
	require.NotEqual(t, join(a.pieces), join(c.pieces))
}

func TestDrawsFollowTheDistribution(t *testing.T) {
	t.Parallel()
	const draws = 1000
	v := Train(corpus).under(nil)
	p := v.distribution(idsOf(v.Tokenize("The")))
	likely := argmax(p)
	count := func(temperature, topP float64) (hits, unlikely int) {
		s := newSampler(v, settings{temperature: temperature, topP: topP}, 1, 0)
		for range draws {
			switch id := s.pick(p); {
			case id == likely:
				hits++
			case p[id] < 1e-3:
				unlikely++
			}
		}
		return hits, unlikely
	}
	plain, rare := count(1, 1)
	require.InDelta(t, p[likely], float64(plain)/draws, 0.05)
	require.Positive(t, rare)
	cold, _ := count(0.5, 1)
	require.Greater(t, cold, plain)
	_, rare = count(1, 0.5)
	require.Zero(t, rare, "top_p cuts the tail")
}

func TestStopSequenceEndsTheAnswerBeforeItself(t *testing.T) {
	t.Parallel()
	v := Train(corpus).under(nil)
	whole := join(newSampler(v, settings{maxTokens: 80}, 1, 0).text(nil).pieces)
	cut := newSampler(v, settings{maxTokens: 80, stop: []string{"nowhere", "onversa"}}, 1, 0).text(nil)
	before, _, found := strings.Cut(whole, "onversa")
	require.True(t, found)
	require.Equal(t, before, join(cut.pieces))
	require.Equal(t, "onversa", cut.stop)
}

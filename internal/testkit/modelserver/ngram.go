package modelserver

import (
	"math"
	"slices"
	"strings"
)

// Order is the order of the largest model: it sees this many tokens less one.
const Order = 4

const (
	discount = 0.5  // taken from every count and given to the shorter context
	floor    = 1e-4 // probability mass that the unigram model spreads over the whole vocabulary
)

// history is up to Order-1 tokens, the latest last, padded in front with pad.
type history [Order - 1]int

const pad = -2

// follow counts what came after one context.
type follow struct {
	total int
	ids   []int // in order of first sight, so that sums do not depend on map order
	count map[int]int
}

// Model is an n-gram language model: interpolated absolute discounting over words and punctuation, backing off from
// Order down to a unigram model with a uniform floor. Every distribution sums to one over the vocabulary.
type Model struct {
	vocab   *vocabulary
	order   int
	unigram []float64
	levels  [Order]map[history]*follow // by length of context; level 0 is the unigram model and unused
}

// Train learns from texts, whose documents are separated by blank lines.
func Train(texts ...string) *Model {
	m := &Model{vocab: newVocabulary(), order: Order}
	for i := range m.levels {
		m.levels[i] = map[history]*follow{}
	}
	counts := map[int]int{}
	for _, text := range texts {
		for _, doc := range documents(text) {
			m.learn(doc, counts)
		}
	}
	m.unigram = unigrams(counts, len(m.vocab.texts))
	return m
}

// documents splits text at blank lines; white space inside a document is a single blank.
func documents(text string) []string {
	var docs []string
	for doc := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if doc = strings.Join(strings.Fields(doc), " "); doc != "" {
			docs = append(docs, doc)
		}
	}
	return docs
}

func (m *Model) learn(doc string, counts map[int]int) {
	ids := m.split(doc)
	past := []int{endID}
	for _, id := range append(ids, endID) {
		counts[id]++
		for n := 1; n < Order && n <= len(past); n++ {
			m.count(historyOf(past, n), n, id)
		}
		past = append(past, id)
	}
}

// split is tokenize for training: every word becomes a token of the vocabulary.
func (m *Model) split(doc string) []int {
	var ids []int
	for len(doc) > 0 {
		n := wordLen(doc)
		ids = append(ids, m.vocab.add(doc[:n]))
		doc = doc[n:]
	}
	return ids
}

func (m *Model) count(c history, n, id int) {
	f := m.levels[n][c]
	if f == nil {
		f = &follow{count: map[int]int{}}
		m.levels[n][c] = f
	}
	if f.count[id] == 0 {
		f.ids = append(f.ids, id)
	}
	f.count[id]++
	f.total++
}

func unigrams(counts map[int]int, size int) []float64 {
	total := 0
	for _, n := range counts {
		total += n
	}
	p := make([]float64, size)
	for id := range p {
		p[id] = floor / float64(size)
		if total > 0 {
			p[id] += (1 - floor) * float64(counts[id]) / float64(total)
		} else {
			p[id] = 1 / float64(size)
		}
	}
	return p
}

// historyOf is the last n tokens of past as a key.
func historyOf(past []int, n int) history {
	var c history
	for i := range c {
		c[i] = pad
	}
	copy(c[len(c)-n:], past[len(past)-n:])
	return c
}

// Limited is the same model seeing a shorter context: order 1 sees none.
func (m *Model) Limited(order int) *Model {
	short := *m
	short.order = min(max(order, 1), Order)
	return &short
}

// Size is the number of tokens in the vocabulary, the end of a document included.
func (m *Model) Size() int { return len(m.vocab.texts) }

// Text is the text of a token; the end of a document has none.
func (m *Model) Text(id int) string { return m.vocab.texts[id] }

// Tokenize splits text into tokens whose texts, joined, are text.
func (m *Model) Tokenize(text string) []Token { return m.vocab.tokenize(text) }

// Distribution is the probability of every token after past, by id. Past is ids of tokens, Unknown among them; an
// empty past is the start of a document.
func (m *Model) Distribution(past []int) []float64 {
	if len(past) < Order {
		past = append([]int{endID}, past...)
	}
	p := append([]float64(nil), m.unigram...)
	for n := 1; n < m.order && n <= len(past); n++ {
		f := m.levels[n][historyOf(past, n)]
		if f == nil {
			break
		}
		f.interpolate(p)
	}
	return p
}

// interpolate turns the distribution of the shorter context into the one of this context, in place.
func (f *follow) interpolate(p []float64) {
	total := float64(f.total)
	rest := discount * float64(len(f.ids)) / total
	for id := range p {
		p[id] *= rest
	}
	for _, id := range f.ids {
		p[id] += (float64(f.count[id]) - discount) / total
	}
}

// Logprob is the natural logarithm of the probability of text after past.
func (m *Model) Logprob(past []int, text string) float64 {
	return (&view{Model: m}).logprob(past, text)
}

// view is a model under a prompt: words that the prompt uses are more likely in the answer.
type view struct {
	*Model
	boost []float64 // factor by token before normalising; nil means one
}

// promptBoost is how much more likely a word of the prompt is.
const promptBoost = 4

func (m *Model) under(prompt []Token) *view {
	said := map[string]bool{}
	for _, t := range prompt {
		if s := stem(t.Text); len(s) > 3 {
			said[s] = true
		}
	}
	v := &view{Model: m, boost: make([]float64, m.Size())}
	for id, text := range m.vocab.texts {
		v.boost[id] = 1
		if said[stem(text)] {
			v.boost[id] = promptBoost
		}
	}
	return v
}

// distribution is Distribution under the prompt.
func (v *view) distribution(past []int) []float64 {
	p := v.Distribution(past)
	if v.boost == nil {
		return p
	}
	sum := 0.0
	for id := range p {
		p[id] *= v.boost[id]
		sum += p[id]
	}
	for id := range p {
		p[id] /= sum
	}
	return p
}

func (v *view) logprob(past []int, text string) float64 {
	sum := 0.0
	for _, t := range v.Tokenize(text) {
		if t.ID == Unknown {
			sum += math.Log(floor / float64(v.Size()))
		} else {
			sum += math.Log(v.distribution(past)[t.ID])
		}
		past = append(slices.Clip(past), t.ID)
	}
	return sum
}

package modelserver

import (
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// piece is a token of an answer with what the model thought of it.
type piece struct {
	text    string
	logprob float64       // under the model, before temperature and top_p
	top     []alternative // most likely first
}

// alternative is a token that could have stood in a place.
type alternative struct {
	text    string
	logprob float64
}

// settings are how an answer is sampled.
type settings struct {
	temperature float64 // zero means the most likely token, the first of equals
	topP        float64 // zero and one mean all tokens
	maxTokens   int
	stop        []string
	top         int // alternatives to report for each token
}

// sampler draws from distributions; equal seeds draw equally.
type sampler struct {
	settings
	view *view
	rng  *rand.Rand
}

func newSampler(v *view, s settings, seed, stream uint64) *sampler {
	return &sampler{settings: s, view: v, rng: rand.New(rand.NewPCG(seed, stream))}
}

// text continues past until the end of the document, a stop sequence or the largest number of tokens.
func (s *sampler) text(past []int) reply {
	var out []piece
	var said strings.Builder
	for len(out) < s.maxTokens {
		p := s.view.distribution(past)
		id := s.pick(p)
		if id == endID {
			return reply{pieces: out, finish: "stop"}
		}
		out = append(out, s.piece(p, id))
		said.WriteString(s.view.Text(id))
		if at, stop := firstOf(said.String(), s.stop); at >= 0 {
			return reply{pieces: truncate(out, at), finish: "stop", stop: stop}
		}
		past = append(past, id)
	}
	return reply{pieces: out, finish: "length"}
}

// pick draws an index of p by temperature and top_p.
func (s *sampler) pick(p []float64) int {
	if s.temperature == 0 {
		return argmax(p)
	}
	w := slices.Clone(p)
	for i, x := range w {
		if s.temperature != 1 {
			w[i] = math.Pow(x, 1/s.temperature)
		}
	}
	if s.topP > 0 && s.topP < 1 {
		keepNucleus(w, s.topP)
	}
	return draw(w, s.rng)
}

func argmax(p []float64) int {
	best := 0
	for i, x := range p {
		if x > p[best] {
			best = i
		}
	}
	return best
}

// draw picks an index in proportion to its weight.
func draw(w []float64, rng *rand.Rand) int {
	sum := 0.0
	for _, x := range w {
		sum += x
	}
	at, last := rng.Float64()*sum, 0
	for i, x := range w {
		if x == 0 {
			continue
		}
		if at -= x; at < 0 {
			return i
		}
		last = i
	}
	return last
}

// keepNucleus clears all but the most likely tokens that together reach the share topP.
func keepNucleus(w []float64, topP float64) {
	sum := 0.0
	for _, x := range w {
		sum += x
	}
	kept := 0.0
	for _, i := range byWeight(w) {
		if kept >= topP*sum {
			w[i] = 0
			continue
		}
		kept += w[i]
	}
}

// byWeight is the indices of w, heaviest first and the lower index first among equals.
func byWeight(w []float64) []int {
	order := make([]int, len(w))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(w[b], w[a]) })
	return order
}

func (s *sampler) piece(p []float64, id int) piece {
	return piece{s.view.Text(id), math.Log(p[id]), s.alternatives(p, s.view.Text)}
}

func (s *sampler) alternatives(p []float64, text func(int) string) []alternative {
	if s.top == 0 {
		return nil
	}
	order := byWeight(p)
	out := make([]alternative, 0, s.top)
	for _, i := range order[:min(s.top, len(order))] {
		if p[i] > 0 {
			out = append(out, alternative{text(i), math.Log(p[i])})
		}
	}
	return out
}

// firstOf is where the first of the stop sequences begins in text, and which it is, or -1.
func firstOf(text string, stops []string) (first int, which string) {
	first = -1
	for _, stop := range stops {
		if at := strings.Index(text, stop); stop != "" && at >= 0 && (first < 0 || at < first) {
			first, which = at, stop
		}
	}
	return first, which
}

// truncate keeps the first n bytes of the pieces' text.
func truncate(pieces []piece, n int) []piece {
	for i := range pieces {
		if len(pieces[i].text) >= n {
			pieces[i].text = pieces[i].text[:n]
			if n == 0 {
				return pieces[:i]
			}
			return pieces[:i+1]
		}
		n -= len(pieces[i].text)
	}
	return pieces
}

func join(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

// escape is text as it stands inside a JSON string.
func escape(text string) string {
	b, _ := json.Marshal(text) // a string always marshals
	return string(b[1 : len(b)-1])
}

package modelserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth      = 16 // of nested values in an answer
	maxSentence   = 40 // tokens of a string without other bounds
	usualItems    = 2  // length of an array without other bounds
	numberGrid    = 100
	defaultBounds = 100 // numbers without bounds lie in 0..100
)

// writer writes one JSON answer to a schema. What the schema forces has probability one; what it leaves open is drawn
// from the model.
type writer struct {
	*sampler
	root *schema
	out  []piece
}

// structured answers to the schema.
func (s *sampler) structured(root *schema) (out []piece, finish string, err error) {
	w := &writer{sampler: s, root: root}
	if err := w.value(root, "answer", 0); err != nil {
		return nil, "", err
	}
	if len(w.out) > s.maxTokens {
		return w.out[:s.maxTokens], "length", nil
	}
	return w.out, "stop", nil
}

// forced writes text that the schema leaves no choice about.
func (w *writer) forced(text string) {
	for _, t := range w.view.Tokenize(text) {
		w.out = append(w.out, piece{text: t.Text, top: w.certain(t.Text)})
	}
}

func (w *writer) certain(text string) []alternative {
	if w.top == 0 {
		return nil
	}
	return []alternative{{text, 0}}
}

func (w *writer) value(s *schema, name string, depth int) error {
	s, err := w.resolve(s)
	if err != nil {
		return err
	}
	if word := s.unsupported(); word != "" {
		return fmt.Errorf("schema of %q: keyword %q is not supported", name, word)
	}
	if s.never || depth > maxDepth {
		return fmt.Errorf("schema of %q: no value satisfies it within %d levels", name, maxDepth)
	}
	switch {
	case len(s.Const) > 0:
		w.forced(compact(s.Const))
		return nil
	case len(s.Enum) > 0:
		w.choice(name, s.Enum)
		return nil
	case len(s.AnyOf)+len(s.OneOf) > 0:
		return w.either(append(s.AnyOf, s.OneOf...), name, depth)
	}
	return w.typed(s, name, depth)
}

func (w *writer) typed(s *schema, name string, depth int) error {
	switch kind := s.kind(); kind {
	case "object":
		return w.object(s, depth)
	case "array":
		return w.array(s, name, depth)
	case "string":
		return w.str(s, name)
	case "integer", "number":
		return w.number(s, name, kind == "integer")
	case "boolean":
		w.choice(name, []json.RawMessage{[]byte("true"), []byte("false")})
	case "null":
		w.forced("null")
	default:
		return fmt.Errorf("schema of %q: unknown type %q", name, kind)
	}
	return nil
}

// resolve follows references into the definitions of the root.
func (w *writer) resolve(s *schema) (*schema, error) {
	if s == nil {
		return &schema{}, nil
	}
	for range maxDepth {
		if s.Ref == "" {
			return s, nil
		}
		next := w.definition(s.Ref)
		if next == nil {
			return nil, fmt.Errorf("schema: reference %q leads nowhere", s.Ref)
		}
		s = next
	}
	return nil, fmt.Errorf("schema: reference %q leads to itself", s.Ref)
}

func (w *writer) definition(ref string) *schema {
	if ref == "#" {
		return w.root
	}
	name, ok := strings.CutPrefix(ref, "#/$defs/")
	if !ok {
		return nil
	}
	for _, def := range w.root.Defs {
		if def.name == name {
			return def.schema
		}
	}
	return nil
}

func (w *writer) object(s *schema, depth int) error {
	w.forced("{")
	for i, p := range s.Properties {
		if i > 0 {
			w.forced(",")
		}
		w.forced(`"` + escape(p.name) + `":`)
		if err := w.value(p.schema, p.name, depth+1); err != nil {
			return err
		}
	}
	w.forced("}")
	return nil
}

func (w *writer) array(s *schema, name string, depth int) error {
	n := max(usualItems, s.MinItems)
	if s.MaxItems != nil {
		n = min(n, *s.MaxItems)
	}
	w.forced("[")
	for i := range n {
		if i > 0 {
			w.forced(",")
		}
		if err := w.value(s.Items, name, depth+1); err != nil {
			return err
		}
	}
	w.forced("]")
	return nil
}

// either takes the alternatives in turn when they are too deep or not supported, beginning with a drawn one.
func (w *writer) either(options []*schema, name string, depth int) error {
	even := make([]float64, len(options))
	for i := range even {
		even[i] = 1
	}
	first, mark := w.pick(even), len(w.out)
	var failed error
	for i := range options {
		err := w.value(options[(first+i)%len(options)], name, depth+1)
		if err == nil {
			return nil
		}
		failed, w.out = err, w.out[:mark]
	}
	return failed
}

// choice writes one of the values, drawn by how likely the model finds it after "<name> is".
func (w *writer) choice(name string, values []json.RawMessage) {
	past := idsOf(w.view.Tokenize(name + " is"))
	scores, tokens := make([]float64, len(values)), make([][]Token, len(values))
	for i, v := range values {
		text := compact(v)
		scores[i] = w.view.logprob(past, " "+strings.Trim(text, `"`))
		tokens[i] = w.view.Tokenize(text)
	}
	share := softmax(scores)
	w.spell(tokens, share, w.pick(share))
}

// spell writes the tokens of the chosen value. A token's probability is the share of the values that go on with it among
// those that agree with everything before it, so that the product over the value is the value's share.
func (w *writer) spell(tokens [][]Token, share []float64, chosen int) {
	alive := make([]bool, len(tokens))
	for i := range alive {
		alive[i] = true
	}
	for k, t := range tokens[chosen] {
		texts, mass := continuations(tokens, share, alive, k)
		at := 0
		for i := range texts {
			if texts[i] == t.Text {
				at = i
			}
		}
		text := func(i int) string { return texts[i] }
		w.out = append(w.out, piece{t.Text, math.Log(mass[at]), w.alternatives(mass, text)})
		for i := range alive {
			alive[i] = alive[i] && k < len(tokens[i]) && tokens[i][k].Text == t.Text
		}
	}
}

// continuations are the different k-th tokens of the values alive, with their shares.
func continuations(tokens [][]Token, share []float64, alive []bool, k int) (texts []string, mass []float64) {
	sum := 0.0
	for i := range tokens {
		if !alive[i] || k >= len(tokens[i]) {
			continue
		}
		sum += share[i]
		at := len(texts)
		for j, text := range texts {
			if text == tokens[i][k].Text {
				at = j
			}
		}
		if at == len(texts) {
			texts, mass = append(texts, tokens[i][k].Text), append(mass, 0)
		}
		mass[at] += share[i]
	}
	for i := range mass {
		mass[i] /= sum
	}
	return texts, mass
}

func softmax(scores []float64) []float64 {
	top := scores[argmax(scores)]
	p, sum := make([]float64, len(scores)), 0.0
	for i, s := range scores {
		p[i] = math.Exp(s - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// formatted is an answer to a string of a format, which the model cannot spell.
func formatted(format string) (string, bool) {
	switch format {
	case "date-time":
		return "2025-01-02T03:04:05Z", true
	case "date":
		return "2025-01-02", true
	case "time":
		return "03:04:05Z", true
	case "email":
		return "someone@example.com", true
	case "uri":
		return "https://example.com/", true
	case "uuid":
		return "6f1c9d1e-3b1a-4b60-9f0e-1d2c3b4a5f60", true
	}
	return "", false
}

// str writes a sentence, drawn from the model as the start of a document, within the bounds of its length.
func (w *writer) str(s *schema, name string) error {
	if text, ok := formatted(s.Format); ok {
		w.forced(`"` + text + `"`)
		return nil
	}
	limit := math.MaxInt
	if s.MaxLength != nil {
		limit = *s.MaxLength
	}
	if limit < s.MinLength || s.MinLength > 1<<16 {
		return fmt.Errorf("schema of %q: minLength %d cannot be met", name, s.MinLength)
	}
	w.forced(`"`)
	w.sentence(s.MinLength, limit)
	w.forced(`"`)
	return nil
}

func (w *writer) sentence(least, most int) {
	var past []int
	length := 0
	for n := 0; length < most && (n < maxSentence || length < least); n++ {
		p := w.view.distribution(past)
		id := w.pick(p)
		if id == endID {
			if length >= least && length > 0 {
				return
			}
			past = nil
			continue
		}
		next := w.piece(p, id)
		runes := []rune(next.text)
		if length+len(runes) > most {
			next.text = string(runes[:most-length])
		}
		length += utf8.RuneCountInString(next.text)
		next.text = escape(next.text)
		w.out = append(w.out, next)
		if past = append(past, id); endsSentence(runes) && length >= least {
			return
		}
	}
}

func endsSentence(r []rune) bool { return strings.ContainsRune(".!?", r[len(r)-1]) }

// number draws evenly from the numbers that the bounds allow: integers, multiples, or a grid of hundredths of the range.
func (w *writer) number(s *schema, name string, integer bool) error {
	lo, hi := bounds(s)
	step := s.MultipleOf
	if step == 0 {
		step = 1
		if !integer {
			step = (hi - lo) / numberGrid
		}
	}
	first, last := math.Ceil(lo/step), math.Floor(hi/step)
	if s.Above != nil && first*step <= *s.Above {
		first++
	}
	if s.Below != nil && last*step >= *s.Below {
		last--
	}
	if step == 0 { // lo == hi
		first, last, step = 1, 1, lo
	}
	if last < first {
		return fmt.Errorf("schema of %q: no number satisfies its bounds", name)
	}
	n := last - first + 1
	at := first + math.Floor(n/2)
	if w.temperature > 0 {
		at = first + math.Floor(w.rng.Float64()*n)
	}
	text := spellNumber(min(max(at*step, lo), hi), lo, hi)
	w.out = append(w.out, piece{text, -math.Log(n), w.certain(text)})
	return nil
}

func bounds(s *schema) (lo, hi float64) {
	low, high := first(s.Minimum, s.Above), first(s.Maximum, s.Below)
	switch {
	case low != nil && high != nil:
		return *low, *high
	case low != nil:
		return *low, *low + defaultBounds
	case high != nil:
		return *high - defaultBounds, *high
	}
	return 0, defaultBounds
}

func first(a, b *float64) *float64 {
	if a != nil {
		return a
	}
	return b
}

// spellNumber is x in decimal, short where that stays within the bounds.
func spellNumber(x, lo, hi float64) string {
	short := strconv.FormatFloat(x, 'f', 6, 64)
	short = strings.TrimSuffix(strings.TrimRight(short, "0"), ".")
	if y, err := strconv.ParseFloat(short, 64); err == nil && math.Abs(x-y) < 1e-9 && lo <= y && y <= hi {
		return short
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// compact is a JSON value without white space.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

func idsOf(tokens []Token) []int {
	ids := make([]int, len(tokens))
	for i, t := range tokens {
		ids[i] = t.ID
	}
	return ids
}

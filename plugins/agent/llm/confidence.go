package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
)

// TokenProb is a token of an answer with the natural logarithm of its probability.
type TokenProb struct {
	Text    string
	Logprob float64
}

// Confidence is how likely the answer text was, from its tokens. With a shape that leaves the model choices (enums and
// booleans) it is the probability of the value that was chosen: the product over its tokens, and the least of the choices if
// there are several. Else it is the geometric mean of the probabilities of the tokens: those of the values when the answer
// is JSON, all of them when it is text. ok is false when the tokens are not those of the text.
//
// The shape may be nil.
func (s *Shape) Confidence(text string, tokens []TokenProb) (p float64, ok bool) {
	if len(tokens) == 0 || joined(tokens) != text {
		return 0, false
	}
	if s == nil {
		return geometricMean(tokens)
	}
	leaves, ok := s.leaves(text)
	if !ok {
		return 0, false
	}
	least, chose := 1.0, false
	var values []TokenProb
	for _, l := range leaves {
		within := overlap(tokens, l.start, l.end)
		if l.choice {
			least, chose = min(least, product(within)), true
		}
		values = append(values, within...)
	}
	if chose {
		return least, true
	}
	return geometricMean(values)
}

func joined(tokens []TokenProb) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t.Text)
	}
	return b.String()
}

func product(tokens []TokenProb) float64 {
	sum := 0.0
	for _, t := range tokens {
		sum += t.Logprob
	}
	return math.Exp(min(sum, 0))
}

func geometricMean(tokens []TokenProb) (float64, bool) {
	if len(tokens) == 0 {
		return 0, false
	}
	sum := 0.0
	for _, t := range tokens {
		sum += t.Logprob
	}
	return math.Exp(min(sum/float64(len(tokens)), 0)), true
}

// overlap is the tokens that have a byte in [start, end).
func overlap(tokens []TokenProb, start, end int) []TokenProb {
	at := 0
	first, last := len(tokens), len(tokens)
	for i, t := range tokens {
		if next := at + len(t.Text); next > start && i < first {
			first = i
		}
		if at >= end && i < last {
			last = i
		}
		at += len(t.Text)
	}
	return tokens[first:max(first, last)]
}

// leaf is where a value that is no object or list stands in the text of the answer: [start, end), a string without its
// opening quote but with its closing one, which is the token that ended it.
type leaf struct {
	start, end int
	choice     bool
}

// leaves finds the values in an answer. The model's report of its own confidence is none.
func (s *Shape) leaves(text string) ([]leaf, bool) {
	var root map[string]any
	if json.Unmarshal(s.Schema, &root) != nil || !json.Valid([]byte(text)) {
		return nil, false
	}
	w := &walker{text: text, dec: json.NewDecoder(bytes.NewReader([]byte(text))), root: root, skip: s.reports}
	if err := w.value(root, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, false
	}
	return w.found, true
}

// walker goes through an answer and its schema together.
type walker struct {
	text  string
	dec   *json.Decoder
	root  map[string]any
	skip  bool
	found []leaf
}

func (w *walker) value(schema map[string]any, depth int) error {
	before := int(w.dec.InputOffset())
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	schema = w.resolve(schema)
	switch tok {
	case json.Delim('{'):
		return w.object(schema, depth)
	case json.Delim('['):
		for w.dec.More() {
			if err := w.value(sub(schema, "items"), depth+1); err != nil {
				return err
			}
		}
		_, err := w.dec.Token()
		return err
	}
	w.leaf(schema, tok, before)
	return nil
}

func (w *walker) object(schema map[string]any, depth int) error {
	fields := sub(schema, "properties")
	for w.dec.More() {
		key, err := w.dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		mark := len(w.found)
		if err := w.value(sub(fields, name), depth+1); err != nil {
			return err
		}
		if w.skip && depth == 0 && name != answerField {
			w.found = w.found[:mark]
		}
	}
	_, err := w.dec.Token()
	return err
}

func (w *walker) leaf(schema map[string]any, tok json.Token, before int) {
	end := int(w.dec.InputOffset())
	start := before + strings.IndexFunc(w.text[before:end], func(r rune) bool { return !strings.ContainsRune(" \t\r\n,:", r) })
	if _, ok := tok.(string); ok {
		start++
	}
	_, enum := schema["enum"]
	_, flag := tok.(bool)
	w.found = append(w.found, leaf{start, end, enum || flag})
}

// resolve follows references, and goes into the first alternative that is not null.
func (w *walker) resolve(schema map[string]any) map[string]any {
	for range 16 { // a schema may lead back to itself
		next := w.step(schema)
		if next == nil {
			return schema
		}
		schema = next
	}
	return schema
}

func (w *walker) step(schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok {
			return sub(sub(w.root, "$defs"), name)
		}
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		options, _ := schema[word].([]any)
		for _, o := range options {
			if option, ok := o.(map[string]any); ok && option["type"] != "null" {
				return option
			}
		}
	}
	return nil
}

func sub(schema map[string]any, name string) map[string]any {
	inner, _ := schema[name].(map[string]any)
	return inner
}

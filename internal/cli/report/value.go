package report

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// value is an input, an answer or a result on the page.
type value struct {
	Label string
	Text  string
	Size  string // of the whole, "" where it is short
	Fold  bool   // it is folded until somebody opens it
	Cut   string // what was left out, "" when nothing was

	whole int  // bytes of it as it was recorded
	first bool // it is what people look for, and folded only when it is long
}

// Bounds on one value in bytes: what is shown at most, at least, and without being folded.
const (
	maxValue  = 64 << 10
	minValue  = 32
	openValue = 400
	openLines = 8
	openFirst = 20 // times as much of what people look for
)

// desk cuts the values of a page until they fit together.
type desk struct{ values []*value }

// add takes a value that is recorded as JSON. Strings are shown as text; nil is no value.
func (d *desk) add(label string, p runtime.Payload) *value {
	if len(p) == 0 {
		return nil
	}
	return d.text(label, readable(p), len(p))
}

// text takes a value that is a text of so many bytes as it was recorded.
func (d *desk) text(label, text string, whole int) *value {
	if text == "" {
		return nil
	}
	v := &value{Label: label, Text: visible(text), whole: whole}
	d.values = append(d.values, v)
	return v
}

// readable writes JSON for people: a string is its text, the rest is indented.
func readable(p runtime.Payload) string {
	if len(p) > 4*maxValue {
		return strings.ToValidUTF8(string(p[:maxValue+1]), "") // as it is: it will be cut
	}
	var text string
	if p[0] == '"' && json.Unmarshal(p, &text) == nil {
		if text == "" {
			return `""`
		}
		return text
	}
	var b bytes.Buffer
	if json.Indent(&b, p, "", "  ") != nil {
		return strings.ToValidUTF8(string(p), "\uFFFD")
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// fit cuts what is too long: all by one measure, the largest with which the page takes at most so many bytes.
func (d *desk) fit(most int) {
	limit := maxValue
	for limit > minValue && d.bytes(limit) > most {
		limit /= 2
	}
	for _, v := range d.values {
		v.cut(limit)
	}
}

func (d *desk) bytes(limit int) int {
	sum := 0
	for _, v := range d.values {
		text := v.Text[:min(len(v.Text), limit)]
		sum += len(text) + 4*strings.Count(text, `"`) + 4*strings.Count(text, "'") + 3*strings.Count(text, "<") + 3*strings.Count(text, ">") + 4*strings.Count(text, "&")
	}
	return sum
}

func (v *value) cut(limit int) {
	if len(v.Text) > limit || v.whole > 4*maxValue {
		v.Text = strings.ToValidUTF8(v.Text[:min(len(v.Text), limit)], "")
		v.Cut = "The first " + size(len(v.Text)) + " of " + size(v.whole) + " are shown; the record of the run has the rest."
	}
	times := 1
	if v.first {
		times = openFirst
	}
	v.Fold = len(v.Text) > openValue*times || strings.Count(v.Text, "\n") >= openLines*times
	if v.Fold {
		v.Size = size(v.whole)
	}
}

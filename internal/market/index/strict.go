package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parallax-run/parallax/runtime"
)

// Bounds of one file of an index.
const (
	MaxEntry = 1 << 20 // bytes
	maxNotes = 16 << 20
	maxDepth = 16
)

// decode reads JSON into v, whose type says all that may be there: no unknown keys, none twice, none in another case, no null. What is wrong goes
// to f, and so do the lines. The text has at most that many bytes. It says whether v
// can be looked at.
func (f *findings) decode(text []byte, v any, most int64) bool {
	before := len(f.list)
	f.lines = nil
	switch {
	case int64(len(text)) > most:
		f.wrong("", "", "the file is larger than %d KiB", most>>10)
		return false
	case !utf8.Valid(text):
		f.wrong("", "save the file as UTF-8", "the text is not valid UTF-8")
		return false
	case len(bytes.TrimSpace(text)) == 0:
		f.wrong("", "", "the file is empty")
		return false
	}
	r := &strictly{findings: f, text: text, dec: json.NewDecoder(bytes.NewReader(text)), keys: make(map[reflect.Type][]string)}
	r.dec.UseNumber()
	f.lines = make(map[string]int)
	if err := r.value("", reflect.TypeOf(v).Elem(), 0); err != nil {
		f.malformed(text, r.dec.InputOffset(), err)
		return false
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		f.lines[""] = r.here()
		f.wrong("", "remove it", "something stands behind the end")
		return false
	}
	err := json.Unmarshal(text, v)
	if err != nil && len(f.list) == before {
		f.wrong("", "", "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return err == nil
}

// malformed notes text that is no JSON.
func (f *findings) malformed(text []byte, at int64, err error) {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = e.Offset
	}
	message := strings.TrimPrefix(err.Error(), "json: ")
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		message = "it ends before it is complete"
	}
	f.lines = map[string]int{"": 1 + bytes.Count(text[:min(max(at-1, 0), int64(len(text)))], []byte{'\n'})}
	f.wrong("", "", "it is not JSON: %s", message)
	f.lines = nil
}

// strictly walks JSON along a type.
type strictly struct {
	*findings
	text []byte
	dec  *json.Decoder
	line int   // of done
	done int64 // offset up to which newlines were counted
	keys map[reflect.Type][]string
}

// here is the line of what was read last.
func (r *strictly) here() int {
	at := r.dec.InputOffset()
	r.line += bytes.Count(r.text[r.done:at], []byte{'\n'})
	r.done = at
	return r.line + 1
}

// value reads one value at a path. t is nil where anything may be, which is then only read over. The error is that of the text.
func (r *strictly) value(path string, t reflect.Type, depth int) error {
	token, err := r.dec.Token()
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	if path != "" || depth == 0 {
		r.lines[path] = r.here()
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && !fits(token, t) {
		r.wrong(path, "", "%s is %s, want %s", named(path), kindOf(token), wanted(t))
		t = nil
	}
	switch token {
	case json.Delim('{'):
		return r.object(path, t, depth)
	case json.Delim('['):
		return r.list(path, t, depth)
	}
	return nil
}

func (r *strictly) object(path string, t reflect.Type, depth int) error {
	seen := make(map[string]bool)
	for r.dec.More() {
		token, err := r.dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		below := strings.TrimPrefix(path+"."+key, ".")
		r.lines[below] = r.here()
		var in reflect.Type
		switch {
		case seen[key]:
			r.wrong(below, "keep one of them", "%s has the key %q twice", named(path), key)
		case t == nil:
		case t.Kind() == reflect.Map:
			in = t.Elem()
		default:
			in = r.field(below, key, t)
		}
		seen[key] = true
		if err := r.value(below, in, depth+1); err != nil {
			return err
		}
	}
	_, err := r.dec.Token()
	return err
}

// field is the type of a key of a struct, nil where there is none.
func (r *strictly) field(path, key string, t reflect.Type) reflect.Type {
	known, ok := r.keys[t]
	if !ok {
		known = keysOf(t)
		r.keys[t] = known
	}
	for i, k := range known {
		if k == key {
			return t.Field(i).Type
		}
	}
	hint := "known here: " + strings.Join(known, ", ")
	if near := runtime.Nearest(key, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	r.wrong(path, hint, "there is no key %q", key)
	return nil
}

func (r *strictly) list(path string, t reflect.Type, depth int) error {
	var in reflect.Type
	if t != nil {
		in = t.Elem()
	}
	for i := 0; r.dec.More(); i++ {
		if err := r.value(fmt.Sprintf("%s[%d]", path, i), in, depth+1); err != nil {
			return err
		}
	}
	_, err := r.dec.Token()
	return err
}

// keysOf lists the keys of a struct, in the order of its fields.
func keysOf(t reflect.Type) []string {
	var keys []string
	for f := range t.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		keys = append(keys, key)
	}
	return keys
}

// fits says whether a value that begins with token can be of type t.
func fits(token json.Token, t reflect.Type) bool {
	switch v := token.(type) {
	case json.Delim:
		return v == '{' && (t.Kind() == reflect.Map || t.Kind() == reflect.Struct && t != moment()) || v == '[' && t.Kind() == reflect.Slice
	case string:
		if t != moment() {
			return t.Kind() == reflect.String
		}
		_, err := time.Parse(time.RFC3339, v)
		return err == nil
	case bool:
		return t.Kind() == reflect.Bool
	case json.Number:
		_, err := v.Int64()
		return err == nil && t.Kind() == reflect.Int64
	}
	return false
}

func moment() reflect.Type { return reflect.TypeFor[time.Time]() }

func named(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// wanted names a type for people.
func wanted(t reflect.Type) string {
	switch {
	case t == moment():
		return "a time such as 2026-01-02T15:04:05Z"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Map, t.Kind() == reflect.Struct:
		return "an object"
	case t.Kind() == reflect.Int64:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a string"
}

func kindOf(token json.Token) string {
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return "a list"
		}
		return "an object"
	case string:
		return fmt.Sprintf("%.40q", v)
	case bool:
		return fmt.Sprint(v)
	case json.Number:
		return fmt.Sprintf("%.40s", v)
	}
	return "null"
}

package manifest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// table is one table of a document. A table that is not there reads as empty. What is wrong goes to the document.
type table struct {
	doc  *document
	path []string
	m    map[string]any // nil when the table is not there
}

func (d *document) top() *table { return &table{doc: d, m: d.values} }

func (t *table) sub(key string) []string { return append(slices.Clip(t.path), key) }

// name is the table as a manifest writes it.
func (t *table) name() string { return "[" + strings.Join(t.path, ".") + "]" }

// wrong notes a problem at a key of the table, or at the table itself when key is "".
func (t *table) wrong(key, hint, format string, args ...any) {
	path := t.path
	if key != "" {
		path = t.sub(key)
	}
	t.doc.problem(t.doc.place(path), hint, format, args...)
}

// sortedKeys gives the table's keys in byte order.
func (t *table) sortedKeys() []string { return slices.Sorted(maps.Keys(t.m)) }

// only notes every key that is not known.
func (t *table) only(known ...string) {
	if t.doc.accepts != nil {
		t.doc.accepts[strings.Join(t.path, ".")] = known
	}
	for _, key := range t.sortedKeys() {
		if slices.Contains(known, key) {
			continue
		}
		hint := "known here: " + strings.Join(known, ", ")
		if near := runtime.Nearest(key, known); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		switch {
		case len(t.path) > 0:
			t.wrong(key, hint, "%s has no key %q", t.name(), key)
		default:
			t.wrong(key, hint, "a manifest has no table [%s]", key)
		}
	}
}

// table gives a table below.
func (t *table) table(key string) *table {
	below := &table{doc: t.doc, path: t.sub(key)}
	v, ok := t.m[key]
	if !ok {
		return below
	}
	if below.m, ok = v.(map[string]any); !ok {
		t.wrong(key, fmt.Sprintf("write a table: %s", below.name()), "%s is %s, want a table", key, kindOf(v))
	}
	return below
}

// text gives a string, "" when it is not there.
func (t *table) text(key string) string {
	v, ok := t.m[key]
	if !ok {
		return ""
	}
	s, ok := v.(string)
	switch {
	case !ok:
		t.wrong(key, fmt.Sprintf("write %s = \"...\"", key), "%s is %s, want a string", key, kindOf(v))
	case s == "":
		t.wrong(key, "leave the key out or give it a value", "%s is empty", key)
	case strings.ContainsRune(s, 0):
		t.wrong(key, "", "%s has a NUL character", key)
		return ""
	}
	return s
}

// texts gives a list of strings.
func (t *table) texts(key string) []string {
	v, ok := t.m[key]
	if !ok {
		return nil
	}
	items, ok := v.([]any)
	hint := fmt.Sprintf("write %s = [\"...\", \"...\"]", key)
	if !ok {
		t.wrong(key, hint, "%s is %s, want a list of strings", key, kindOf(v))
		return nil
	}
	list := make([]string, 0, len(items))
	for i, item := range items {
		s, ok := item.(string)
		if !ok || s == "" || strings.ContainsRune(s, 0) {
			t.wrong(key, hint, "%s[%d] is %s, want a string that is not empty", key, i, kindOf(item))
			return nil
		}
		list = append(list, s)
	}
	return list
}

// duration gives a time span above zero, zero when it is not there.
func (t *table) duration(key string) time.Duration {
	v, ok := t.m[key]
	if !ok {
		return 0
	}
	hint := fmt.Sprintf("write %s = \"90s\", \"5m\" or \"1h30m\"", key)
	s, ok := v.(string)
	if !ok {
		t.wrong(key, hint, "%s is %s, want a string with a unit", key, kindOf(v))
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		t.wrong(key, hint, "%s is %q, want a time span above zero", key, s)
		return 0
	}
	return d
}

// count gives a whole number from 1 to most, zero when it is not there.
func (t *table) count(key string, most int64) int {
	v, ok := t.m[key]
	if !ok {
		return 0
	}
	n, ok := v.(int64)
	if !ok || n < 1 || n > most {
		t.wrong(key, "", "%s is %s, want a whole number from 1 to %d", key, shown(v), most)
		return 0
	}
	return int(n)
}

// kindOf names the type of a value for people.
func kindOf(v any) string {
	switch v := v.(type) {
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

// shown is a number as it stands, or the type of anything else.
func shown(v any) string {
	switch v := v.(type) {
	case int64:
		return fmt.Sprint(v)
	case float64:
		if !math.IsNaN(v) {
			return fmt.Sprint(v)
		}
	}
	return kindOf(v)
}

package builtins

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// maxLabel bounds what people read as the name of a branch, in bytes.
const maxLabel = 40

// labelOf is what people call a value that a branch works on: its text, its name, or what it is.
func labelOf(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		line, _, _ := strings.Cut(strings.TrimSpace(string(v)), "\n")
		return clipped(line, maxLabel)
	case *Agent:
		return v.name
	case *deferred:
		return v.label()
	case starlark.Callable:
		return v.Name()
	case starlark.NoneType, starlark.Bool, starlark.Int, starlark.Float:
		return clipped(v.String(), maxLabel)
	case starlark.IterableMapping:
		return nameOr(v.Get(starlark.String("name")))(v)
	case starlark.HasAttrs:
		name, err := v.Attr("name")
		return nameOr(name, name != nil, err)(v)
	}
	return sizeOf(v)
}

// nameOr labels a value by its name, when that is a string.
func nameOr(name starlark.Value, found bool, err error) func(v starlark.Value) string {
	return func(v starlark.Value) string {
		s, ok := name.(starlark.String)
		if err != nil || !found || !ok {
			return sizeOf(v)
		}
		return clipped(string(s), maxLabel)
	}
}

func sizeOf(v starlark.Value) string {
	if n := starlark.Len(v); n >= 0 {
		return fmt.Sprintf("%s of %d", v.Type(), n)
	}
	return v.Type()
}

// clipped cuts a text to at most n bytes.
func clipped(s string, n int) string {
	if len(s) <= n {
		return s
	}
	at := n - 3
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + "..."
}

package patterntest

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/runtime/guard"
)

// assertion marks the errors by which a test fails, which nothing in the test may take for an error of what it tests.
type assertion struct{}

func (assertion) Error() string { return "the test failed" }

// IsAssertion says whether err is a test's own: a claim that does not hold, or a script that has no answer.
func IsAssertion(err error) bool {
	_, ok := errors.AsType[assertion](err)
	return ok
}

// broken makes the error of a test that fails. No script can catch it.
func broken(format string, args ...any) *runtime.Error {
	return &runtime.Error{Code: runtime.Script, Message: fmt.Sprintf(format, args...), Cause: assertion{}}
}

// Bounds on how a value is shown.
const (
	shownBytes = 64 << 10 // of work
	shownText  = 1500     // bytes
	shortText  = 60       // bytes, what fits beside another on a line
)

// shown is a value for a message.
func shown(v starlark.Value) string {
	if n, err := guard.Measure(v); err != nil || n > shownBytes {
		return runtime.A(v.Type()) + " too large to show"
	}
	s := v.String()
	if len(s) > shownText {
		s = strings.ToValidUTF8(s[:shownText], "") + " ..."
	}
	return s
}

// differ says what was got and what was wanted: on one line where they fit, as a diff where they are long.
func differ(got, want starlark.Value, verb string) string {
	g, w := shown(got), shown(want)
	if g == w {
		g, w = g+" ("+got.Type()+")", w+" ("+want.Type()+")"
	}
	if len(g) <= shortText && len(w) <= shortText {
		return fmt.Sprintf("got %s, %s %s", g, verb, w)
	}
	if gl, wl := lined(got), lined(want); strings.Contains(gl, "\n") && strings.Contains(wl, "\n") && gl != wl && verb != "want in it" {
		return fmt.Sprintf("not as it should be\n  - %s, + got\n%s", verb, indented(Diff(wl, gl)))
	}
	return fmt.Sprintf("not as it should be\n  got  %s\n  %s %s", g, verb, w)
}

// different is the error of two values that should be related otherwise. Its details are both, where they are data.
func different(name string, got, want starlark.Value, verb string) *runtime.Error {
	e := broken("%s: %s", name, differ(got, want, verb))
	fields := []starlark.Tuple{{starlark.String("got"), starlark.String(shown(got))}, {starlark.String("want"), starlark.String(shown(want))}}
	if p, err := runtime.EncodeFields(fields); err == nil {
		e.Details = p
	}
	return e
}

func indented(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

package manifest

import (
	"regexp"
	"sync"
)

// lazily compiles an expression when it is first used: together they take a millisecond, and most runs need none of them.
func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

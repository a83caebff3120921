package builtins

import (
	"strings"
	"unicode"
)

// folded is one string for all that people would read as the same answer: without the space around it, and with one letter standing for
// those that differ in case only.
func folded(s string) string { return strings.Map(foldRune, strings.TrimSpace(s)) }

// foldRune gives the smallest letter that is r in some case.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

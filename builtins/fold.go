package builtins

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// folded is one string for all that people would read as the same answer: without the space around it, in NFC, and with one letter
// standing for those that differ in case only. That is Unicode's simple case folding, letter by letter: ß is ẞ, and not ss.
func folded(s string) string {
	s = strings.TrimSpace(s)
	if isASCII(s) {
		return strings.ToUpper(s) // what foldRune would give, faster
	}
	return norm.NFC.String(strings.Map(foldRune, norm.NFC.String(s)))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldRune gives the smallest letter that is r in some case.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

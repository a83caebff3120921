// Package roman writes Roman numerals. What is wrong with it takes more than one small change.
package roman

import "strings"

// letters are the numerals, the largest first.
var letters = []struct {
	value  int
	symbol string
}{
	{1000, "M"}, {500, "D"}, {100, "C"}, {50, "L"}, {10, "X"}, {5, "V"}, {1, "I"},
}

// Numeral writes a number from 1 to 3999, and nothing for others.
func Numeral(n int) string {
	if n > 3999 || n < 1 {
		return ""
	}
	var b strings.Builder
	for _, l := range letters {
		b.WriteString(strings.Repeat(l.symbol, n/l.value))
		n %= l.value
	}
	return b.String()
}

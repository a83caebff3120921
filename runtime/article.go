package runtime

import "strings"

// A is a noun with its indefinite article, as messages need it: "an agent", "a list".
func A(noun string) string {
	if noun != "" && strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

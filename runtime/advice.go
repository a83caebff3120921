package runtime

import "strings"

// slips are bugs that the interpreter words by its own terms only, by how the message begins, with the next step.
var slips = []struct{ says, hint string }{
	{"unhandled index operation result[", "the answer is in .value: write .value[...]"},
	{"unhandled index operation outcome[", "the result is in .value: write .value[...]"},
	{"list has no .ask ", "ask each of them: parallel(lambda a: a.ask(...), AGENTS).values"},
	{"tuple has no .ask ", "ask each of them: parallel(lambda a: a.ask(...), AGENTS).values"},
	{"string has no .ask ", `a name is asked as an agent: agent("name").ask(...)`},
}

// slipHint is the next step after a bug that is often made, or "".
func slipHint(message string) string {
	for _, s := range slips {
		if strings.HasPrefix(message, s.says) {
			return s.hint
		}
	}
	return ""
}

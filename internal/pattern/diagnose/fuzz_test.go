package diagnose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzDiagnose examines arbitrary texts. Findings stand within the text, fixes do what they say, fixing comes to an end and stays there, and
// what can be read is not broken by it.
func FuzzDiagnose(f *testing.F) {
	for _, p := range Pages() {
		f.Add(p.Wrong)
	}
	table, err := os.ReadFile(filepath.Join("..", "testdata", "mistakes.txt"))
	require.NoError(f, err)
	for part := range strings.SplitSeq(string(table), "\n=== ") {
		_, text, _ := strings.Cut(part, "\n")
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	lang := language()
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 1<<14 {
			return
		}
		for _, found := range Examine("main.star", []byte(src), lang) {
			require.NotEmpty(t, found.Code)
			require.NotEmpty(t, found.Message)
			require.GreaterOrEqual(t, found.Offset, 0)
			require.LessOrEqual(t, found.Offset, len(src))
			line, col := Place(src, found.Offset)
			require.Positive(t, line)
			require.Positive(t, col)
			if found.Fix == nil {
				continue
			}
			at := 0
			for _, e := range found.Fix.Edits {
				require.GreaterOrEqual(t, e.Start, at)
				require.GreaterOrEqual(t, e.End, e.Start)
				require.LessOrEqual(t, e.End, len(src))
				at = e.End
			}
			if utf8.ValidString(src) {
				require.True(t, utf8.ValidString(Apply(src, found.Fix.Edits)), "%s breaks a character", found.Code)
			}
		}
		once := FixSafe(src, lang)
		require.True(t, !parses(src) || parses(once), "a text that can be read is broken: %s", once)
		require.Equal(t, once, FixSafe(once, lang), "fixing does not come to an end")
	})
}

package examples_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTeamAsksAPersonOnTheTerminal(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ answer, status, last string }{
		"yes":           {"approve\n", "accepted", "decide accepted"},
		"no, and a why": {"2 write subtractive numerals first\n", "surfaced", "decide rejected"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, shown := onTerminal(t, "> ", c.answer, "run", "team", "--input", "path=hopeless", "--input", "text=false", "--agents", hasty(t))
			var got mended
			decode(t, out, &got)
			require.Equal(t, c.status, got.Status)
			last := got.Steps[len(got.Steps)-1]
			require.Equal(t, c.last, last.Step+" "+last.Result)
			require.Contains(t, shown, "? Take this repair, although it does not satisfy the tests?")
			require.Contains(t, shown, "got IIII for 4, want IV")
			if c.status == "accepted" {
				require.Equal(t, last.By, got.By, "who approves answers for it")
				return
			}
			require.Contains(t, got.Reasons, "person: write subtractive numerals first")
		})
	}
}

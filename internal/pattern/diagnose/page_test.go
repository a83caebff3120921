package diagnose

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

func language() Language {
	return Language{Env: runtime.Environment{Builtins: builtins.All()}, Decls: builtins.Decls()}
}

// codesOf lists the codes of findings.
func codesOf(list []Finding) []string {
	codes := make([]string, len(list))
	for i, f := range list {
		codes[i] = f.Code
	}
	return codes
}

// found elsewhere: what a page's example shows is found by the package above.
func elsewhere(code string) bool {
	return code == "no-main" || code == "late-binding" || code == "top-level-effect"
}

// Each example is found under its code, and what its page shows instead is fine.
func TestEveryPageShowsAWayOut(t *testing.T) {
	t.Parallel()
	for _, p := range Pages() {
		if p.Wrong == "" {
			continue
		}
		t.Run(p.Code, func(t *testing.T) {
			t.Parallel()
			if !elsewhere(p.Code) {
				require.Contains(t, codesOf(Examine("main.star", []byte(p.Wrong), language())), p.Code)
			}
			right := p.Instead(language())
			require.NotEqual(t, p.Wrong, right)
			require.Empty(t, Examine("main.star", []byte(right), language()), "%s", right)
		})
	}
}

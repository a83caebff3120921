package origin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain makes this test binary be programs that answer, in ways that are named by a file beside them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if !strings.HasPrefix(os.Args[1], "-test.") {
			os.Exit(2) // never the tests: they would start themselves again and again
		}
		os.Exit(m.Run())
	}
	self, err := os.Executable()
	if err != nil {
		os.Exit(2)
	}
	how, err := os.ReadFile(filepath.Join(filepath.Dir(self), "how"))
	if err != nil {
		os.Exit(m.Run()) // it was started by hand
	}
	os.Exit(answers(string(how)))
}

func answers(how string) int {
	var q Question
	if err := json.NewDecoder(os.Stdin).Decode(&q); err != nil {
		return 2
	}
	switch how {
	case "fails":
		_, _ = fmt.Fprintln(os.Stderr, "no room")
		return 1
	case "long":
		_, _ = os.Stdout.WriteString(strings.Repeat("x", 2*maxAnswer))
	case "secrets":
		_, _ = fmt.Fprintf(os.Stdout, `{"version":"v1","verdict":"refused","why":%q}`, strings.Join(os.Environ(), " "))
	default:
		_, _ = os.Stdout.WriteString(strings.ReplaceAll(how, "REPO", q.Repo))
	}
	return 0
}

// program is one that answers in some way, found beside self.
func program(t *testing.T, how string) Program {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	text, err := os.ReadFile(self)
	require.NoError(t, err)
	name := ProgramName
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "how"), []byte(how), 0o644))
	return Program{Self: filepath.Join(dir, "parallax"), Version: "v1", Env: []string{}}
}

func TestItIsFoundBesideParallax(t *testing.T) {
	t.Parallel()
	p := program(t, `{"version":"v1","verdict":"verified","identity":"https://github.com/REPO/x@refs/tags/v1.0.0"}`)
	require.NoError(t, p.Ready())
	a, err := p.Ask(t.Context(), Question{Repo: "acme/critic"})
	require.NoError(t, err)
	require.Equal(t, Answer{Version: "v1", Verdict: Verified, Identity: "https://github.com/acme/critic/x@refs/tags/v1.0.0"}, a)
	require.Equal(t, "https://github.com/acme/critic/x", Signer(a.Identity))
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for how, why := range map[string]string{
		"":                                      "which is no answer of parallax-verify",
		"fails":                                 "exit status 1: no room",
		"long":                                  "xxx\", which is no answer",
		`{"version":"v1"`:                       "which is no answer",
		`{"version":"v1","verdict":"yes"}`:      `the verdict "yes", which is not known`,
		`{"version":"v1","verdict":"verified"}`: "which is not known",
		`{"version":"v2","verdict":"verified","identity":"x"}`: "is of version v2, and this parallax is v1: install both together",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			a, err := program(t, how).Ask(t.Context(), Question{})
			require.NoError(t, err)
			require.Equal(t, Unknown, a.Verdict)
			require.Contains(t, a.Why, why)
			require.Empty(t, a.Identity)
		})
	}
}

func TestItIsGivenNoSecrets(t *testing.T) {
	t.Parallel()
	p := program(t, "secrets")
	p.Env = []string{"HOME=/nowhere"}
	a, err := p.Ask(t.Context(), Question{})
	require.NoError(t, err)
	require.Equal(t, "HOME=/nowhere", a.Why)
}

func TestWithoutIt(t *testing.T) {
	t.Parallel()
	p := Program{Self: filepath.Join(t.TempDir(), "parallax")}
	require.ErrorContains(t, p.Ready(), "there is no parallax-verify beside parallax or in PATH")
	a, err := p.Ask(t.Context(), Question{})
	require.NoError(t, err)
	require.Equal(t, Unknown, a.Verdict)
	p.Named = filepath.Join(t.TempDir(), "x")
	require.ErrorContains(t, p.Ready(), "PARALLAX_VERIFY names "+p.Named)
}

func TestAskingCanBeBrokenOff(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := program(t, `{"version":"v1","verdict":"none"}`).Ask(ctx, Question{})
	require.ErrorIs(t, err, context.Canceled)
}

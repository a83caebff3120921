package examples_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/modelserver"
)

// verdict is the review as data.
type verdict struct {
	Verdict  string
	Reasons  []string
	Dissent  []string
	Absent   []string
	Findings []struct {
		Severity, File, Message string
		Line                    int
	}
}

func TestReviewLooksAtThisRepository(t *testing.T) {
	t.Parallel()
	e := parallax(t, "..", "run", "examples/review/review.star")
	out := e.done(t)
	require.Regexp(t, `^\./runtime: (APPROVE|REQUEST CHANGES|REJECT)\n\nbecause\n  - `, out)
	require.Contains(t, out, `linter: agent "linter" refused: there is no program "staticcheck-missing" on PATH`)
	require.Contains(t, e.stderr, "phase tools and analysts")
	require.NotContains(t, e.stderr, "a closer look", "there is no key, so no model may be asked")
}

func TestReviewHasATypedResult(t *testing.T) {
	t.Parallel()
	dir := module(t, map[string]string{"good.go": "package p\n\n// One is 1.\nfunc One() int { return 1 }\n"})
	var report struct{ Result verdict }
	decode(t, review(t, dir, "--json"), &report)
	require.Equal(t, "approve", report.Result.Verdict)
	require.Empty(t, report.Result.Findings)
	require.Empty(t, report.Result.Dissent)
	require.Len(t, report.Result.Absent, 1)
}

func TestReviewRejectsWithItsReasons(t *testing.T) {
	t.Parallel()
	token := "ghp_" + strings.Repeat("aB3", 12) // put together here: this repository is reviewed, too
	dir := module(t, map[string]string{
		"bad.go":       "package p\n\nimport \"fmt\"\n\nfunc  Bad() { fmt.Printf(\"%d\", \"x\") }\n\nconst t = \"" + token + "\"\n",
		"hard.go":      "package p\n\nfunc hard(n int) int {\n" + strings.Repeat("if n > 1 { for n > 2 { if n > 3 { n-- } } }\n", 4) + "return n\n}\n",
		"bad_test.go":  "package p\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Fatal(\"no\") }\n\nfunc TestGood(*testing.T) { hard(1) }\n",
		"broken.md":    "not looked at\n",
		"vendor/x.txt": token,
	})
	var got verdict
	decode(t, review(t, dir), &got)
	require.Equal(t, "reject", got.Verdict)
	require.ElementsMatch(t, []string{
		"bad_test.go:5: TestBad fails",
		"bad.go:7: a GitHub token: ghp_********",
	}, got.Reasons)
	require.Equal(t, []string{"build would approve", "complexity, gofmt, vet would request changes"}, got.Dissent)
	warnings := map[string]int{}
	for _, f := range got.Findings {
		require.NotContains(t, f.Message, token)
		if f.Severity == "warning" {
			warnings[f.File+" "+strings.Fields(f.Message)[0]]++
		}
	}
	require.Equal(t, map[string]int{"bad.go is": 1, "hard.go is": 1, "bad.go fmt.Printf": 1, "hard.go hard": 1}, warnings)
}

func TestReviewOfCodeThatDoesNotBuildSaysWhere(t *testing.T) {
	t.Parallel()
	var got verdict
	decode(t, review(t, module(t, map[string]string{"p.go": "package p\n\nfunc P() int { return \"1\" }\n"})), &got)
	require.Equal(t, "reject", got.Verdict)
	require.Contains(t, got.Reasons[0], "p.go:3: cannot use \"1\"")
}

func TestReviewHasAModelLookCloserWhenThereIsAKey(t *testing.T) {
	t.Parallel()
	srv := modelserver.New(modelserver.Options{Key: "k", Models: []string{"gpt-5-mini"}, Seed: 1})
	url := serve(t, srv)
	agents := write(t, t.TempDir(), "agents.toml", "[agents.critic]\nuse = \"openai\"\nmodel = \"gpt-5-mini\"\nbase_url = \""+url+"\"\n"+
		"capabilities = [\"llm-review\"]\nrequires_env = [\"OPENAI_API_KEY\"]\n")
	dir := module(t, map[string]string{"p.go": "package p\n\n// P is a function that the model is shown.\nfunc P() int { return 1 }\n"})
	e := parallaxWith(t, "..", []string{"OPENAI_API_KEY=k"}, "run", "examples/review", "--agents", agents, "--input", "text=false", "--input", "path="+dir, "--input", "package=.")
	var got verdict
	decode(t, e.done(t), &got)
	require.Contains(t, e.stderr, "a closer look")
	require.Len(t, got.Absent, 1, "the linter and nobody else: %v", got.Absent)
	require.NotEmpty(t, srv.Requests())
	require.Contains(t, string(srv.Requests()[0].Body), "func P() int { return 1 }")
}

func TestReviewWithoutItsAgentsSaysHowToBuildThem(t *testing.T) {
	t.Parallel()
	dir := copyOf(t, "review")
	e := parallax(t, dir, "run", "--input", "package=.")
	require.Equal(t, 1, e.code)
	require.Contains(t, e.stderr, "complexity and secrets cannot be started")
	require.Contains(t, e.stderr, "go build -o examples/review/bin/ ./examples/review/agents/...")
}

// review reviews the module in dir as data.
func review(t *testing.T, dir string, flags ...string) string {
	t.Helper()
	args := append([]string{"run", "examples/review", "--quiet", "--input", "text=false", "--input", "path=" + dir, "--input", "package=."}, flags...)
	return parallax(t, "..", args...).done(t)
}

// module writes a Go module of one package.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.org/p\n\ngo 1.26\n")
	for name, text := range files {
		write(t, dir, name, text)
	}
	return dir
}

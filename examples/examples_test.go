package examples_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/modelserver"
)

func TestHelloGreetsFromAnyDirectory(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, dir := range []string{here, filepath.Join(here, "hello"), t.TempDir()} {
		e := parallax(t, dir, "run", filepath.Join(here, "hello", "hello.star"), "--input", "name=Ada")
		require.Equal(t, "Good day, Ada! (said the butler)\n", e.done(t))
	}
	require.Equal(t, "Good day, world! (said the butler)\n", parallax(t, filepath.Join(here, "hello"), "run").done(t))
}

func TestEveryPatternPassesTheCheck(t *testing.T) {
	t.Parallel()
	manifests, err := filepath.Glob("*/parallax.toml")
	require.NoError(t, err)
	require.Len(t, manifests, 8)
	for _, m := range manifests {
		e := parallax(t, ".", "check", filepath.Dir(m))
		require.Zero(t, e.code, "%s\n%s", e.stderr, e.out)
	}
}

func TestMapReduceLeavesOutTheBrokenInvoice(t *testing.T) {
	t.Parallel()
	golden(t, "mapreduce.json", parallax(t, ".", "run", "mapreduce").done(t))
}

func TestMapReduceReadsAFolderOfOnesOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a.txt", "Invoice: 1\nFrom: Nobody\nDate: 2026-01-01\n\n3 x Nothing 0.01\n\nTotal: 0.03\n")
	write(t, dir, "letter.txt", "Dear Sir or Madam,\n")
	out := parallax(t, ".", "run", "mapreduce", "--input", "folder="+dir).done(t)
	require.Contains(t, out, `"total": "0.03"`)
	require.Contains(t, out, "it is no invoice")

	e := parallax(t, ".", "run", "mapreduce", "--input", "folder=nothing")
	require.Equal(t, 1, e.code)
	require.Contains(t, e.stderr, `agent "library" refused`)
}

func TestCascadeAsksNoMoreModelsThanItNeeds(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		args  []string
		asked []string
		sure  bool
	}{
		"the default":        {nil, []string{"small", "medium"}, true},
		"an easy question":   {[]string{"--input", "question=What is 2 + 2?"}, []string{"small"}, true},
		"little is enough":   {[]string{"--input", "sure=0.4"}, []string{"small"}, true},
		"much is wanted":     {[]string{"--input", "sure=0.95"}, []string{"small", "medium", "large"}, true},
		"more than there is": {[]string{"--input", "sure=0.99"}, []string{"small", "medium", "large"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got struct {
				Asked   []string
				Enough  bool
				Dollars float64
			}
			decode(t, parallax(t, ".", append([]string{"run", "cascade"}, c.args...)...).done(t), &got)
			require.Equal(t, c.asked, got.Asked)
			require.Equal(t, c.sure, got.Enough)
			require.Positive(t, got.Dollars)
		})
	}
}

func TestApprovalNeedsAPerson(t *testing.T) {
	t.Parallel()
	e := parallax(t, ".", "run", "approval")
	require.Equal(t, 7, e.code)
	require.Contains(t, e.stderr, `"Make this change?" needs a person`)
	require.Empty(t, e.out)
}

func TestModelsStopWhenTwoAgree(t *testing.T) {
	t.Parallel()
	srv := modelserver.New(modelserver.Options{Models: []string{"llama3.2", "qwen3", "gemma3"}, Seed: 1})
	url := serve(t, srv)
	var got struct {
		Answer    string
		Votes     map[string]struct{ Answer string }
		NotNeeded []string `json:"not_needed"`
		Failed    map[string]string
	}
	decode(t, parallax(t, ".", "run", "models", "--agents", modelsAt(t, url, nil)).done(t), &got)
	require.Contains(t, []string{"yes", "no"}, got.Answer, "of three votes for one of two answers, two agree")
	require.Empty(t, got.Failed)
	require.Len(t, got.Votes, 3-len(got.NotNeeded))
	agree := 0
	for _, v := range got.Votes {
		if v.Answer == got.Answer {
			agree++
		}
	}
	require.Equal(t, 2, agree)
}

// The third judge is held by its server until the test ends: only cancelling it lets the run end.
func TestModelsDoNotWaitForTheSlowOne(t *testing.T) {
	t.Parallel()
	srv := modelserver.New(modelserver.Options{Models: []string{"qwen3"}, Seed: 1})
	url := serve(t, srv)
	same := "model = \"qwen3\"\ntemperature = 0.0" // the likeliest answer, so two of them agree
	file := modelsAt(t, url, strings.NewReplacer(`model = "llama3.2"`, same, `model = "qwen3"`, same, "gemma3", "ngram-4+hold"))
	var got struct {
		NotNeeded []string `json:"not_needed"`
		Votes     map[string]any
	}
	decode(t, parallax(t, ".", "run", "models", "--agents", file).done(t), &got)
	require.Equal(t, []string{"gemma"}, got.NotNeeded)
	require.Len(t, got.Votes, 2)
	require.NoError(t, srv.AwaitLeft(t.Context(), 1), "the cancelled judge's request was not ended")
}

func TestModelsThatAreNotThereAreNamed(t *testing.T) {
	t.Parallel()
	url := serve(t, modelserver.New(modelserver.Options{}))
	e := parallax(t, ".", "run", "models", "--agents", modelsAt(t, url, nil))
	require.Equal(t, 1, e.code)
	require.Contains(t, e.stderr, "two judges are needed, 0 answered")
	require.Contains(t, e.stderr, `does not have the model "llama3.2"`)
}

func TestAThousandAgentsAndTenThousandBranches(t *testing.T) {
	t.Parallel()
	golden(t, "thousand.json", parallax(t, ".", "run", "thousand").done(t))
}

func TestMoreBranchesThanTheLimitAreRefusedAloud(t *testing.T) {
	t.Parallel()
	e := parallax(t, ".", "run", "thousand", "--input", "branches=10001")
	require.Equal(t, 5, e.code)
	require.Contains(t, e.stderr, "its limit of 10000 live_branches")
	require.Contains(t, parallax(t, ".", "run", "thousand", "--input", "branches=10001", "--limit", "live_branches=20000").done(t), `"branches": 10001`)
}

// modelsAt writes the agents of the models example with another address, and other changes.
func modelsAt(t *testing.T, url string, change *strings.Replacer) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("models", "parallax.toml"))
	require.NoError(t, err)
	_, agents, found := strings.Cut(string(text), "[agents.llama]")
	require.True(t, found)
	agents = strings.ReplaceAll("[agents.llama]"+agents, "http://localhost:11434/v1", url)
	require.Contains(t, agents, url)
	if change != nil {
		agents = change.Replace(agents)
	}
	return write(t, t.TempDir(), "agents.toml", agents)
}

// serve runs a model server until the test ends and gives its base URL.
func serve(t *testing.T, srv *modelserver.Server) string {
	t.Helper()
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	t.Cleanup(srv.Release)
	return web.URL + "/v1"
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), into), text)
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
)

// The secrets in this file are put together at run time: it is searched itself when this repository is reviewed.
var (
	random  = "q7Zp4xWm9" + "Kt2VbN8sLr5Yc3HdJf6"
	private = "-----BEGIN RSA " + "PRIVATE KEY-----"
	aws     = "AKIA" + "Q4ZJ7XNP2WLM9KTV"
	github  = "ghp_" + random + "Qw1Er2Ty3"
)

func TestTheAgentAnswersOverTheProtocol(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "env", "KEY="+aws)
	def := agent.Define(agent.Info{Name: "secrets", Version: "0.1.0"}, review)

	reply, err := agenttest.Run(t, def, agenttest.Request{Input: In{Path: dir}})
	require.NoError(t, err)
	require.JSONEq(t, `{"files": 1, "findings": [{"severity": "error", "file": "env", "line": 1, "message": "an AWS access key: AKIA********"}]}`,
		string(reply.Output))

	_, err = agenttest.Run(t, def, agenttest.Request{Input: In{Path: "nowhere"}})
	require.ErrorContains(t, err, "cannot search nowhere")
}

func TestSecretsAreRecognised(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ line, want string }{
		"private key":              {private, "error a private key: ----********"},
		"aws":                      {"id = " + aws, "error an AWS access key: AKIA********"},
		"github":                   {"git clone https://" + github + "@example.org", "error a GitHub token: ghp_********"},
		"password in Go":           {`password := "` + random + `"`, "warning a password or key in a literal: q7Zp********"},
		"token in JSON":            {`"auth_token": "` + random + `"`, "warning a password or key in a literal: q7Zp********"},
		"provider":                 {"curl -H 'Bearer sk-" + random + "abcd'", "warning a model provider's key: sk-q********"},
		"a placeholder":            {`password = "xxxxxxxxxxxxxxxxxxxxxxxx"`, ""},
		"the name of a variable":   {`api_key = "OPENAI_API_KEY"`, ""},
		"a value from elsewhere":   {`password := os.Getenv("PASSWORD")`, ""},
		"a word with token inside": {`tokenizer = "simple"`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, f := range searchFile("x", "\n"+c.line+"\n") {
				require.Equal(t, 2, f.Line)
				got = f.Severity + " " + f.Message
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestASearchReadsSourcesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "main.go", aws)
	write(t, dir, "deep/down/config.yaml", "a: 1\nkey: "+github)
	write(t, dir, "node_modules/x/index.js", aws)
	write(t, dir, "image.png", aws+"\x00")
	write(t, dir, "huge.txt", aws+strings.Repeat(" ", maxFile))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(dir, "link")))

	out, err := search(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, 2, out.Files)
	require.Len(t, out.Findings, 2)
	require.Equal(t, "deep/down/config.yaml", out.Findings[0].File)
	require.Equal(t, 2, out.Findings[0].Line)
	require.Equal(t, "main.go", out.Findings[1].File)
}

func TestADirectoryThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	_, err := search(t.Context(), filepath.Join(t.TempDir(), "nothing"))
	require.ErrorContains(t, err, "no such file")
}

func TestEntropyTellsRandomFromWords(t *testing.T) {
	t.Parallel()
	require.Zero(t, entropy("aaaaaaaa"))
	require.InDelta(t, 1, entropy("abababab"), 1e-9)
	require.InDelta(t, 3, entropy("abcdefgh"), 1e-9)
	require.Less(t, entropy("password_password"), minEntropy)
	require.Greater(t, entropy(random), minEntropy)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

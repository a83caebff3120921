package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPrintsItsURLAndEndsWithItsInput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(file, []byte("one two three four"), 0o600))
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(t.Context(), []string{file}, inR, outW) }()
	url, err := bufio.NewReader(outR).ReadString('\n')
	require.NoError(t, err)

	body := `{"model":"ngram-4","temperature":0,"messages":[{"role":"user","content":"go"}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.TrimSpace(url)+"/chat/completions", strings.NewReader(body))
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Contains(t, string(text), "one two three four")

	require.NoError(t, inW.Close())
	require.NoError(t, <-done)
}

func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	inR, inW := io.Pipe()
	done := make(chan error, 1)
	outR, outW := io.Pipe()
	go func() { done <- run(ctx, nil, inR, outW) }()
	_, err := bufio.NewReader(outR).ReadString('\n')
	require.NoError(t, err)
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, inW.Close())
}

func TestMissingFileIsAnError(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, run(t.Context(), []string{"nowhere.txt"}, strings.NewReader(""), io.Discard), "nowhere.txt")
}

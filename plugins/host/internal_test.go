package host

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTailKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	var k tail
	line := strings.Repeat("x", 99) + "\n"
	for range 5000 {
		_, err := k.Write([]byte(line))
		require.NoError(t, err)
	}
	_, err := k.Write([]byte("the end\xff\n"))
	require.NoError(t, err)
	text := k.text()
	require.LessOrEqual(t, len(text), tailBytes+2)
	require.Greater(t, len(text), tailBytes-200)
	require.True(t, strings.HasPrefix(text, line), "it starts within a line")
	require.True(t, strings.HasSuffix(text, "the end\uFFFD\n"))
	require.Len(t, strings.Split(excerpt(text), "\n"), excerptLines)
}

func TestExcerptIsSafeOnATerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, "\uFFFD[31mred\tx", excerpt("\x1b[31mred\tx\n\n"))
	require.Len(t, excerpt(strings.Repeat("y", 10_000)), excerptBytes+len("..."))
}

func TestScrubberHidesEveryLineOfASecret(t *testing.T) {
	t.Parallel()
	s := newScrubber([]string{"-----BEGIN-----\nabcdef\nghi\n", "s3cret", "no", ""})
	require.Equal(t, "[secret] [secret] x [secret] ghi no", s.clean("s3cret abcdef x -----BEGIN----- ghi no"))
	require.Equal(t, "text", scrubber{}.clean("text"))
}

func TestMinimalEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{"PATH": "/bin", "HOME": "/root", "OPENAI_API_KEY": "sk", "MINE": "1", "EMPTY": ""}
	got := command{env: []string{"MINE", "EMPTY", "UNSET"}}.environ(func(n string) (string, bool) { v, ok := env[n]; return v, ok })
	require.Equal(t, []string{"PARALLAX_STDIN_WATCH=1", "EMPTY=", "HOME=/root", "MINE=1", "PATH=/bin"}, got)
}

func TestPauseGrowsUntilTheBreakerOpens(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	p := &process{now: func() time.Time { return now }}
	for i := range breakerExits - 1 {
		p.exited("x")
		pause := p.notBefore.Sub(now)
		require.GreaterOrEqual(t, pause, firstPause<<i/2)
		require.LessOrEqual(t, pause, firstPause<<i)
		now = now.Add(time.Second)
	}
	p.exited("x")
	require.Equal(t, breakerPause, p.notBefore.Sub(now))
	now = now.Add(2 * breakerWindow)
	p.exited("x")
	require.LessOrEqual(t, p.notBefore.Sub(now), firstPause)
}

func TestStderrBecomesLogRecords(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h := New(Options{Log: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	i := &instance{proc: newProcess(h, command{label: "a"}), scrub: newScrubber([]string{"s3cret"})}
	log := i.logLine()
	log(`{"@level":"warn","@message":"s3cret leaks","@timestamp":"now","n":1,"key":"s3cret"}`)
	log(`plain s3cret`)
	log(`{"not":"a log line"}`)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	for i, want := range []map[string]any{
		{"level": "WARN", "msg": "[secret] leaks", "agent": "a", "n": 1.0, "key": "[secret]"},
		{"level": "DEBUG", "msg": "plain [secret]", "agent": "a"},
		{"level": "DEBUG", "msg": `{"not":"a log line"}`, "agent": "a"},
	} {
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(lines[i]), &got))
		delete(got, "time")
		require.Equal(t, want, got)
	}
	require.NoError(t, h.Close())
}

func TestHandshakeAddressMustBeLocal(t *testing.T) {
	t.Parallel()
	r := &runner{}
	for address, ok := range map[string]bool{
		"127.0.0.1:10": true, "[::1]:10": true, "10.0.0.1:10": false, "example.com:10": false, "0.0.0.0:10": false, "": false,
	} {
		_, _, err := r.PluginToHost("tcp", address)
		require.Equal(t, ok, err == nil, address)
	}
}

// FuzzHandshake feeds what an agent may print to the reader of the handshake: whatever it is, it is handed on once, at
// most one line of it, and what is no handshake is kept to be shown.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte("1|1|unix|/tmp/s|grpc\nnoise"))
	f.Add([]byte("hello"))
	f.Add([]byte("\n\n|||||\n"))
	f.Add([]byte("1|1|tcp|10.0.0.1:1|grpc|" + strings.Repeat("A", 3000) + "\n"))
	f.Add(bytes.Repeat([]byte("x"), 2*handshakeBytes))
	f.Fuzz(func(t *testing.T, stdout []byte) {
		r := &runner{printed: head{limit: printedBytes}, noise: head{limit: printedBytes}}
		pr, pw := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.pumpStdout(bytes.NewReader(stdout), pw)
		}()
		line, err := io.ReadAll(pr)
		require.NoError(t, err)
		<-done
		require.True(t, bytes.HasPrefix(stdout, line))
		require.LessOrEqual(t, bytes.Count(line, []byte("\n")), 1)
		require.LessOrEqual(t, len(line), handshakeBytes)
		if isHandshake(line) {
			require.Empty(t, r.printed.text())
		} else if len(stdout) > 0 {
			require.NotEmpty(t, r.printed.text())
		}
		parseLine(string(stdout))
	})
}

package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/otlp"
)

// traced writes a project and gives its folder.
func traced(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"parallax.toml": `
[agents.mind]
use = "mock"
answer = "secret answer"
confidence = 0.5
usage = {input_tokens = 7, output_tokens = 3, model = "tiny-1"}

[agents.echo]
use = "exec"
command = ["sh", "-c", "printf %s \"$TRACEPARENT\""]
output = "text"

[agents.slow]
use = "exec"
command = ["sh", "-c", "echo $1 >> asked; sleep $2; echo $1", "slow", "{name}", "{pause}"]
output = "text"
`,
		"child.star": `
def main(n):
    """A part."""
    return parallel(part, [1, 2], n = n).values

def part(k, n):
    return agent("slow").ask("part", name = "c%d%d" % (n, k), pause = "0.05").value
`,
		"team.star": `
def main(question = "secret question"):
    """A team."""
    phase("parts")
    first = agent("mind").ask("secret task", about = question)
    parent = agent("echo").ask("who?").value
    both = parallel(work, ["a", "b", "c"], pause = "0.2")
    sleep("20ms")
    won = race(defer(work, "quick", pause = "0.05"), defer(work, "late", pause = "20"))
    kids = parallel(kid, [1, 2]).values
    last = parallel(work, ["x", "y", "z"], pause = "0.3")
    return {"parent": parent, "all": both.values + last.values + kids}

def work(name, pause):
    one = agent("slow").ask("one", name = name + "1", pause = pause).value
    return one + agent("slow").ask("two", name = name + "2", pause = pause).value

def kid(n):
    return run(":child.star", n = n)
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// observed is parallax with an environment that asks for traces.
func observed(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := parallaxCmd(t, dir, args...)
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// finished runs a command to its end and gives what it printed.
func finished(t *testing.T, cmd *exec.Cmd) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), "%s%s", &out, &errs)
	return out.String(), errs.String()
}

func TestTracesOfARun(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) (*otlp.Receiver, string){"http/protobuf": otlp.Start, "grpc": otlp.StartGRPC} {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			t.Parallel()
			to, url := start(t)
			dir := traced(t)
			stdout, stderr := finished(t, observed(t, dir, []string{
				"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_EXPORTER_OTLP_PROTOCOL=" + name, "OTEL_EXPORTER_OTLP_HEADERS=x-key=a%20key",
				"OTEL_SERVICE_NAME=the team", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test,service.name=other",
			}, "run", "team.star", "--id", "t1"))
			require.NotContains(t, stderr, "traces:")
			spans := to.Spans()
			ways := otlp.Tree(t, spans, name, "parallax.branch", "parallax.address", "parallax.run.id")
			require.Equal(t, "invoke_workflow team.star t1", ways[0])
			require.Contains(t, strings.Join(ways, "\n"), "invoke_workflow team.star t1 > fork parallel 4 > branch 4.2 > invoke_agent slow 4.2/2 t1")
			require.Contains(t, strings.Join(ways, "\n"), "> branch 7.1 > invoke_workflow child.star t1/7.1/1 > fork parallel 1 > branch 1.0 > invoke_agent slow 1.0/1 t1/7.1/1")
			require.Equal(t, "the team", to.Resource()["service.name"])
			require.Equal(t, "test", to.Resource()["deployment.environment.name"])
			require.NotContains(t, to.Bytes(), "secret", "content is told on request only")
			if h := to.Header(); h != nil {
				require.Equal(t, "a key", h.Get("X-Key"))
			}
			for _, s := range spans {
				if otlp.Attr(s, "gen_ai.agent.name").GetStringValue() == "mind" {
					require.EqualValues(t, 7, otlp.Attr(s, "gen_ai.usage.input_tokens").GetIntValue())
					require.Equal(t, "tiny-1", otlp.Attr(s, "gen_ai.response.model").GetStringValue())
				}
				if otlp.Attr(s, "gen_ai.agent.name").GetStringValue() == "echo" {
					require.Contains(t, stdout, "00-"+hexOf(s.GetTraceId())+"-"+hexOf(s.GetSpanId())+"-01", "an agent is told of its span")
				}
			}
		})
	}
}

func TestTracesOfARunThatWasKilledAndResumedAreOneTree(t *testing.T) {
	t.Parallel()
	to, url := otlp.Start(t)
	dir := traced(t)
	env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_BSP_SCHEDULE_DELAY=10"}
	undisturbed, _ := finished(t, observed(t, dir, nil, "run", "team.star", "--id", "calm"))

	// Each host is killed when so many calls have been made; the last one is not.
	args := []string{"run", "team.star", "--id", "t2", "--keep"}
	require.NoError(t, os.Remove(filepath.Join(dir, "asked")))
	for _, calls := range []int{4, 8, 12, 17} {
		cmd := observed(t, dir, env, args...)
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool {
			asked, _ := os.ReadFile(filepath.Join(dir, "asked"))
			return bytes.Count(asked, []byte("\n")) >= calls
		}, 20*time.Second, 2*time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		args = []string{"resume", "t2"}
	}
	stdout, stderr := finished(t, observed(t, dir, env, args...))
	require.NotContains(t, stderr, "traces:")
	require.Equal(t, withoutParent(undisturbed), withoutParent(stdout))
	ways := otlp.Tree(t, to.Spans(), "killed four times", "parallax.branch", "parallax.address", "parallax.run.id")
	require.Equal(t, "invoke_workflow team.star t2", ways[0])
	all := strings.Join(ways, "\n")
	for _, part := range []string{
		"fork parallel 4 > branch 4.0", "sleep 5", "fork race 6 > branch 6.1",
		"branch 7.0 > invoke_workflow child.star t2/7.0/1 > fork parallel 1 > branch 1.1", "fork parallel 8 > branch 8.2 > invoke_agent slow 8.2/2",
	} {
		require.Contains(t, all, part)
	}

	finished(t, observed(t, dir, env, "replay", "t2"))
	require.Len(t, to.Spans(), len(ways), "a replay is no run")
}

func TestTracesThatNobodyTakesNeitherSlowNorFailARun(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	silent, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	full := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(full.Close)
	for name, url := range map[string]string{"silent": "http://" + silent.Addr().String(), "absent": "http://127.0.0.1:1", "full": full.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := traced(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "one.star"), []byte("def main():\n    return agent(\"mind\").ask(\"x\").value\n"), 0o600))
			began := time.Now()
			stdout, stderr := finished(t, observed(t, dir, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url}, "run", "one.star"))
			require.Equal(t, "secret answer\n", stdout)
			require.Equal(t, 1, strings.Count(stderr, "traces:"), stderr)
			require.Contains(t, stderr, "traces: 2 spans were lost")
			require.Less(t, time.Since(began), 15*time.Second, "the end of a run waits three seconds for the receiver")
		})
	}
}

func TestTracesAreMadeWhenTheyAreAskedForOnly(t *testing.T) {
	t.Parallel()
	to, url := otlp.Start(t)
	dir := traced(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one.star"), []byte("def main():\n    return agent(\"mind\").ask(\"x\").value\n"), 0o600))
	endpoint := "OTEL_EXPORTER_OTLP_ENDPOINT=" + url
	for _, env := range [][]string{
		nil,
		{endpoint, "OTEL_SDK_DISABLED=true"},
		{endpoint, "OTEL_TRACES_EXPORTER=none"},
		{endpoint, "OTEL_TRACES_SAMPLER=always_off"},
	} {
		_, stderr := finished(t, observed(t, dir, env, "run", "one.star"))
		require.NotContains(t, stderr, "traces:")
		require.Empty(t, to.Spans(), "%v", env)
	}
	_, stderr := finished(t, observed(t, dir, []string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"}, "run", "one.star"))
	require.Contains(t, stderr, "traces: OTEL_EXPORTER_OTLP_PROTOCOL=http/json is not spoken here; http/protobuf and grpc are")
	require.Empty(t, to.Spans())
	finished(t, observed(t, dir, []string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + url + "/v1/traces", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
	}, "run", "one.star"))
	require.Len(t, to.Spans(), 2)
	require.Contains(t, to.Bytes(), "secret answer")
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// withoutParent is a result without the trace context that is in it.
func withoutParent(s string) string {
	var kept []string
	for line := range strings.Lines(s) {
		if !strings.Contains(line, `"parent"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

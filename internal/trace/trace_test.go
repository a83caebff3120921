package trace_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/testkit/otlp"
	"github.com/parallax-run/parallax/internal/trace"
	"github.com/parallax-run/parallax/runtime"
)

// told runs a pattern and gives its spans by name; those of one name come in the order of their ends.
func told(t *testing.T, src string, o trace.Options) map[string][]*tracepb.Span {
	t.Helper()
	to := &receiver{}
	synctest.Test(t, func(t *testing.T) {
		tracer := trace.New(to, o)
		signals := &local.Signals{}
		signals.Send("go", runtime.Payload(`"top secret signal"`))
		signals.Close()
		eng := &local.Engine{Agents: office{}, Watch: true, Emit: tracer.Event, Signals: signals}
		_, _ = eng.Run(t.Context(), engine.Run{ID: "r", Program: compiled(t, src), Inputs: runtime.Payload(`{"question":"top secret input"}`)})
	})
	byName := make(map[string][]*tracepb.Span)
	for _, s := range to.spans {
		byName[s.GetName()] = append(byName[s.GetName()], s)
	}
	otlp.Tree(t, to.spans, "an undisturbed run")
	return byName
}

const everything = `
def work(n):
    return agent("a").ask("tools " + n).value
def main(question):
    phase("first")
    log("top secret line", what=question)
    emit("found", it=question)
    gate("good", agent("a").ask("flaky top secret task", retry=retry(2, backoff="1s"), text=question))
    attempt(agent("b").ask, "fail: top secret failure")
    parallel(work, ["top secret label"])
    wait_for("go")
    attempt(wait_for, "never", timeout="3s")
    sleep("2s")
    return "top secret result"
`

func TestSpansSayWhatHappened(t *testing.T) {
	t.Parallel()
	spans := told(t, everything, trace.Options{Model: func(agent string) (string, string) { return "openai", "m-" + agent }})
	root := spans["invoke_workflow p.star"][0]
	require.Empty(t, root.GetParentSpanId())
	require.Equal(t, "invoke_workflow", otlp.Attr(root, "gen_ai.operation.name").GetStringValue())
	require.Equal(t, "p.star", otlp.Attr(root, "gen_ai.workflow.name").GetStringValue())
	require.Equal(t, "r", otlp.Attr(root, "parallax.run.id").GetStringValue())
	var notes []string
	for _, e := range root.GetEvents() {
		notes = append(notes, e.GetName()+" "+otlp.Texts(e.GetAttributes())["parallax.name"])
	}
	require.Equal(t, []string{"phase first", "log ", "emit found", "gate good"}, notes)

	flaky := spans["invoke_agent a"][0]
	require.Equal(t, tracepb.Span_SPAN_KIND_CLIENT, flaky.GetKind())
	for key, want := range map[string]string{
		"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m-a",
		"gen_ai.response.model": "m-1", "parallax.address": "4",
	} {
		require.Equal(t, want, otlp.Attr(flaky, key).GetStringValue(), key)
	}
	require.EqualValues(t, 3, otlp.Attr(flaky, "gen_ai.usage.input_tokens").GetIntValue())
	require.EqualValues(t, 5, otlp.Attr(flaky, "gen_ai.usage.output_tokens").GetIntValue())
	require.EqualValues(t, 2, otlp.Attr(flaky, "parallax.attempts").GetIntValue())
	require.Len(t, flaky.GetEvents(), 1)
	require.Equal(t, "retry", flaky.GetEvents()[0].GetName())
	require.Equal(t, "unavailable", otlp.Texts(flaky.GetEvents()[0].GetAttributes())["error.type"])
	require.GreaterOrEqual(t, flaky.GetEndTimeUnixNano()-flaky.GetStartTimeUnixNano(), uint64(500_000_000), "the pause is within the call")

	failed := spans["invoke_agent b"][0]
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, failed.GetStatus().GetCode())
	require.Equal(t, "refused", otlp.Attr(failed, "error.type").GetStringValue())

	require.Len(t, spans["execute_tool search"], 1, "it was reported twice, by one id")
	search := spans["execute_tool search"][0]
	require.Equal(t, "t1", otlp.Attr(search, "gen_ai.tool.call.id").GetStringValue())
	require.Equal(t, "search", otlp.Attr(search, "gen_ai.tool.name").GetStringValue())
	require.Equal(t, spans["invoke_agent a"][1].GetSpanId(), search.GetParentSpanId())
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, spans["execute_tool shell"][0].GetStatus().GetCode())

	require.Len(t, spans["fork parallel"], 1)
	require.Equal(t, spans["fork parallel"][0].GetSpanId(), spans["branch"][0].GetParentSpanId())
	require.Equal(t, spans["branch"][0].GetSpanId(), spans["invoke_agent a"][1].GetParentSpanId())
	require.Equal(t, "go", otlp.Attr(spans["wait_for"][0], "parallax.signal.name").GetStringValue())
	require.Equal(t, "timeout", otlp.Attr(spans["wait_for"][1], "error.type").GetStringValue())
	require.EqualValues(t, 2_000_000_000, spans["sleep"][0].GetEndTimeUnixNano()-spans["sleep"][0].GetStartTimeUnixNano())
}

func TestContentIsToldOnRequestOnly(t *testing.T) {
	t.Parallel()
	for name, spans := range told(t, everything, trace.Options{}) {
		for _, s := range spans {
			require.NotContains(t, s.String(), "top secret", name)
		}
	}
	spans := told(t, everything, trace.Options{Content: true})
	call := spans["invoke_agent a"][0]
	require.JSONEq(t,
		`[{"role":"user","parts":[{"type":"text","content":"flaky top secret task"},{"type":"text","content":"{\"text\":\"top secret input\"}"}]}]`,
		otlp.Attr(call, "gen_ai.input.messages").GetStringValue())
	require.JSONEq(t, `[{"role":"assistant","parts":[{"type":"text","content":"flaky"}],"finish_reason":"stop"}]`,
		otlp.Attr(call, "gen_ai.output.messages").GetStringValue())
	require.Contains(t, otlp.Attr(spans["invoke_workflow p.star"][0], "gen_ai.output.messages").GetStringValue(), "top secret result")
	require.Contains(t, spans["invoke_agent b"][0].GetStatus().GetMessage(), "top secret failure")
	require.Equal(t, `{"q":"x"}`, otlp.Attr(spans["execute_tool search"][0], "gen_ai.tool.call.arguments").GetStringValue())
	require.Equal(t, `"found"`, otlp.Attr(spans["execute_tool search"][0], "gen_ai.tool.call.result").GetStringValue())
	require.Contains(t, otlp.Attr(spans["branch"][0], "parallax.branch.label").GetStringValue(), "top secret label")
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	src := "def main(question):\n    agent(\"a\").ask(\"" + strings.Repeat("ä", 500) + "\")\n"
	spans := told(t, src, trace.Options{Content: true, Limit: 101})
	got := otlp.Attr(spans["invoke_agent a"][0], "gen_ai.input.messages").GetStringValue()
	require.Contains(t, got, strings.Repeat("ä", 50)+"…")
	require.NotContains(t, got, strings.Repeat("ä", 51))
}

func TestARunIsLinkedToWhoeverStartedIt(t *testing.T) {
	t.Parallel()
	spans := told(t, "def main(question):\n    pass\n", trace.Options{Caller: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	links := spans["invoke_workflow p.star"][0].GetLinks()
	require.Len(t, links, 1)
	require.Equal(t, []byte{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31}, links[0].GetSpanId())
}

func TestARunThatNobodyKeepsIsToldWhenItNeedsAPerson(t *testing.T) {
	t.Parallel()
	spans := told(t, "def main(question):\n    parallel(lambda x: approve(\"ok?\"), [1, 2])\n", trace.Options{})
	require.Equal(t, "suspended", otlp.Attr(spans["invoke_workflow p.star"][0], "error.type").GetStringValue())
	require.NotEmpty(t, spans["approve"])
}

package runs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// What is told from the record is what the engine told when it happened: for each event the same kind, address, branch, agent, name and number.
func TestWhatIsToldFromTheRecordIsWhatHappened(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{
		"talk": talk,
		"nested": `
def inner(i):
    return [agent("ada").ask("say a").value for _ in range(2)]

def outer(i):
    x = parallel(inner, range(3)).values
    return [x, agent("bo").ask("say b").value, parallel(inner, [1]).values]

def main():
    a = parallel(outer, range(4))
    b = parallel(outer, [1, 2], limit = 1)
    return [a.values, b.values]
`,
		"computing": `
def main():
    a = parallel(lambda x: x * 2, range(3)).values
    log("between", n = 1)
    b = agent("ada").ask("flaky").value
    sleep("1ms")
    return [a, b]
`,
		"losers": `
def slow():
    return [agent("ada").ask("say x").value, parallel(lambda i: agent("bo").ask("never").value, range(2)).values]

# The winner waits until the loser is at its last.
# The winner waits until the loser is at its last.
def main():
    a = race(slow, lambda: agent("cy").ask("wait").value)
    return [a, agent("ada").ask("say end").value]
`,
		"failure": `
def ask(q):
    if q == "fail":
        agent("bo").ask("wait")
    return agent("ada").ask(q).value

# It fails when everybody else is at work.
def main():
    return parallel(ask, ["never", "never", "fail"])
`,
		"children": `
def main():
    return parallel(lambda i: run(":child.star", n = i), range(3)).values
`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			var happened []string
			gate, never := make(chan struct{}), 0
			emit := func(e runtime.Event) {
				if e.Kind == runtime.AgentCalled && e.Text == "never" {
					if never++; never == 2 {
						close(gate)
					}
				}
				where := e.Addr.String()
				if strings.HasPrefix(string(e.Kind), "branch.") {
					where = string(e.Branch)
				}
				switch e.Kind {
				case runtime.AgentRetrying, runtime.AgentProgress: // are not kept
				case runtime.RunStarted, runtime.RunDone, runtime.RunFailed:
					happened = append(happened, line(e.Run, string(e.Kind)))
				default:
					happened = append(happened, line(e.Run, string(e.Kind), where, e.Name+e.Agent, e.Text))
				}
			}
			_ = keeps(t.Context(), t, d.store(), "r", src, office{emit: emit, gate: gate}) // one of them fails
			var kept []string
			for _, e := range told(t, d.run("runs", "watch", "r", "--json").stdout) {
				words := strings.Fields(e)
				if strings.HasPrefix(words[1], "run.") {
					e = line(words[:2]...)
				}
				kept = append(kept, e)
			}
			slices.Sort(happened)
			slices.Sort(kept)
			happened = slices.Compact(happened) // a branch may be cancelled with its fork and by itself
			require.Equal(t, strings.Join(happened, "\n"), strings.Join(kept, "\n"))
		})
	}
}

func line(words ...string) string {
	return strings.Join(strings.Fields(fmt.Sprint(strings.Join(words, " "))), " ")
}

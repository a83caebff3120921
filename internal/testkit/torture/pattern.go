// Package torture is a pattern for runs that are disturbed, with agents that write down what they are asked: whatever happens to the host, the
// result must be that of an undisturbed run, and nobody may be asked again for what is on record.
package torture

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Manifest is a parallax.toml with the agents of the pattern: a program that serves them as `PROGRAM ledger [once]`, and their log.
func Manifest(program, log string) string { return fmt.Sprintf(agents, program, log) }

const agents = `
[agents.worker]
use = "plugin"
command = [%[1]q, "ledger"]
log = %[2]q

[agents.once]
use = "plugin"
command = [%[1]q, "ledger", "once"]
log = %[2]q
`

// Files are main.star, which gives {result, once}, and what it runs. What takes a few milliseconds takes that with so many zeros.
func Files(zeros int) map[string]string {
	ms := strings.NewReplacer(`ms"`, strings.Repeat("0", zeros)+`ms"`)
	return map[string]string{"main.star": ms.Replace(pattern), "child.star": ms.Replace(child)}
}

// pattern has everything that a record has to bring back: branches side by side, a race, calls tried again, pauses, state, child runs, agents that
// are found, and calls that must not be made twice.
const pattern = `
def work(n):
    a = agent("worker").ask("part %d after %dms" % (n, 1 + n * 7 % 5)).value
    if n % 2:
        sleep("%dms" % n)
    b = agent("worker").ask("flaky %d" % n, retry = retry(4, backoff = "1ms")).value
    state.set("part%d" % n, a)
    return [a, b, random()]

def once(n):
    did = attempt(agent("once").ask, "once %d after 10ms" % n)
    return did.value.value if did.ok else did.error.code

def fast():
    return agent("worker").ask("fast after 3ms").value

def slow():
    return agent("worker").ask("slow after 60s", timeout = "2m").value

def vote(n):
    return agent("worker").ask("vote %d after %s" % (n, "60s" if n else "1ms"), timeout = "2m").value

def main():
    parts = parallel(work, range(5), limit = 3).values
    winner = race(fast, slow)
    kin = parallel(lambda n: run(":child.star", n = n), range(2)).values
    soonest = parallel(vote, range(3), until = first(1)).values
    left = attempt(lambda: agent("worker").ask("refuse", retry = 0).value)
    known = [a.name for a in agents("worker", min = 0)]
    return {
        "result": [parts, winner, kin, soonest, left.ok, state.keys(), known, agent("worker").ask("last").value],
        "once": parallel(once, range(3), limit = 2).values,
    }
`

const child = `
def main(n):
    a = agent("worker").ask("child %d after 2ms" % n).value
    sleep("2ms")
    return [a, agent("worker").ask("child %d again" % n).value, random()]
`

// OnceFork begins the addresses of the calls that must not be made twice.
const OnceFork = "8."

// Optional are addresses of calls that a fork may or may not have come to when it stopped.
func Optional(at string) bool { return strings.HasPrefix(at, "2.") || strings.HasPrefix(at, "4.") }

// Outcome takes the result of a run apart: what is always the same, and what the calls said that must not be made twice.
func Outcome(text []byte) (result json.RawMessage, once []string, err error) {
	var out struct {
		Result json.RawMessage `json:"result"`
		Once   []string        `json:"once"`
	}
	err = json.Unmarshal(text, &out)
	return out.Result, out.Once, err
}

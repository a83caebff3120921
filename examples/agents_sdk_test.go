package examples_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// everything is an agent that does what the SDKs of the templates offer, in each of their languages.
var everything = map[string][2]string{
	"node": {"agent.js", `import { spawnSync } from 'node:child_process';
import { overloaded, refuse } from './parallax.js';

console.log('printed at once');
export default {
  name: 'words', version: '1.0.0', description: 'Does everything.', capabilities: { streaming: true },
  skills: { echo: { description: 'Says it again.', input: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
    async run(call, { text }) {
      console.log('a print', process.stdout === process.stderr);
      process.stdout.write('another\n');
      spawnSync('echo', ['of a child'], { stdio: 'inherit' });
      if (text === 'slow') {
        await new Promise((go) => call.signal.addEventListener('abort', go));
        throw new Error('nobody waits');
      }
      if (text === 'no') throw refuse('it will not', { hint: 'ask nicely', code: 'rude' });
      if (text === 'busy') throw overloaded('too many', { retryAfter: 20 });
      if (text === 'bug') throw new TypeError('a bug');
      for (let i = 0; i < 2000; i++) await call.emit('x');
      call.progress(0.5, 'half');
      call.usage({ inputTokens: 7, outputTokens: 3, costMicroUSD: 5, model: 'm' });
      call.confidence(0.75, 'verifier');
      call.reasoning('because');
      return { text: text + text, secret: call.secret('WORD') ?? '', emitted: call.text.length };
    } } },
};
`},
	"python": {"agent.py", `import parallax
import subprocess

print("printed at once")


def echo(call, input):
    print("a print")
    subprocess.run(["echo", "of a child"])
    text = input["text"]
    if text == "slow":
        call.cancelled.wait()
        raise ValueError("nobody waits")
    if text == "no":
        raise parallax.refuse("it will not", hint="ask nicely", code="rude")
    if text == "busy":
        raise parallax.overloaded("too many", retry_after=0.02)
    if text == "bug":
        raise TypeError("a bug")
    for _ in range(2000):
        call.emit("x")
    call.progress(0.5, "half")
    call.usage(input_tokens=7, output_tokens=3, cost_microusd=5, model="m")
    call.confidence(0.75, "verifier")
    call.reasoning("because")
    return {"text": text + text, "secret": call.secret("WORD") or "", "emitted": len(call.text)}


agent = parallax.Agent("words", "1.0.0", "Does everything.", capabilities={"streaming": True}, skills={"echo": parallax.Skill(
    echo, input={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]})})

if __name__ == "__main__":
    parallax.serve(agent)
`},
}

const askEverything = `
def tell(text, **how):
    r = attempt(agent("words", **how).ask, "echo", text = text)
    if not r.ok:
        return [r.error.code, r.error.message, r.error.hint]
    v = r.value
    return [len(v.value["text"]), v.value["secret"], v.value["emitted"], v.confidence, v.reasoning]

def main(text = ""):
    slow = tell("slow", timeout = "300ms")
    return {"large": tell(text), "no": tell("no"), "busy": tell("busy"), "bug": tell("bug"), "slow": slow[0], "after": tell("a")}
`

func TestTheSDKsOfTheTemplatesDoWhatAgentsNeed(t *testing.T) {
	t.Parallel()
	for lang, program := range everything {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			a := begin(t, lang)
			write(t, a.dir, program[0], program[1])
			write(t, a.dir, "try/try.star", askEverything)
			large := write(t, t.TempDir(), "text", strings.Repeat("ä", 200_000))
			e := a.runWith(t, []string{"WORD=secret"}, "run", "try", "--json", "--agents", a.with(t, `secrets = ["WORD"]`), "--input", "text=@"+large)
			out := e.done(t)
			for _, want := range []string{
				`"large":[800000,"secret",2000,0.75,"because"]`, `"no":["refused","agent \"words\" refused: it will not","ask nicely"]`,
				`"busy":["unavailable","agent \"words\" is overloaded: too many"`, `"bug":["refused","agent \"words\" failed: a bug"`, `"slow":"timeout"`, `"after":[2,"secret",2000,0.75,"because"]`,
				`"input_tokens":14`, `"output_tokens":6`,
			} {
				require.Contains(t, out, want, e.stderr)
			}
			conforms := a.run(t, "plugin", "test")
			require.Zero(t, conforms.code, conforms.out)
		})
	}
}

package manual

import (
	"fmt"
	"strings"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/pattern/moduledoc"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
)

// MaxLLMs bounds the page for models, in bytes: it is to fit beside a task.
const MaxLLMs = 24_000

// LLMs is the language on one page, for a model that writes patterns: rules, examples, and each name with its signature and a
// sentence. Sentences are cut where the page would become too long.
func LLMs(modules []moduledoc.Module) string {
	for width := longSentence; ; width -= 5 {
		if page := llms(modules, width); len(page) < MaxLLMs || width <= 0 {
			return page
		}
	}
}

// longSentence is longer than any there is, in bytes.
const longSentence = 200

func llms(modules []moduledoc.Module, width int) string {
	var b strings.Builder
	b.WriteString(llmsHead)
	for _, s := range builtins.Manual() {
		fmt.Fprintf(&b, "\n## %s\n\n", s.Title)
		for _, d := range s.Decls {
			entry(&b, starred(d), d.Summary(), width)
		}
	}
	for _, m := range modules {
		fmt.Fprintf(&b, "\n## %s\n\n", m.Label)
		for _, t := range m.Types {
			fmt.Fprintf(&b, "- `%s`\n", strings.Join(strings.Fields(t.Source), " "))
		}
		for _, f := range m.Funcs {
			entry(&b, strings.ReplaceAll(f.Signature, " = ", "="), f.Summary(), width)
		}
	}
	b.WriteString("\n## Only in *_test.star\n\n")
	for _, d := range patterntest.Decls() {
		entry(&b, d.Signature(), d.Summary(), width)
	}
	return b.String()
}

func starred(d *builtins.Decl) string {
	s := strings.TrimSuffix(d.Signature(), " -> None")
	if d.Effect {
		s = "*" + s
	}
	return s
}

func entry(b *strings.Builder, signature, says string, width int) {
	if says = brief(says, width); says != "" {
		says = " " + says
	}
	fmt.Fprintf(b, "- `%s`%s\n", signature, says)
}

// brief is a sentence of at most width bytes: cut at the last comma, colon or semicolon that leaves half of that, else at a word.
func brief(sentence string, width int) string {
	if len(sentence) <= width {
		return sentence
	}
	head := sentence[:width]
	at := strings.LastIndexAny(head, ",:;")
	if at > width/2 && strings.Count(head[:at], "(") == strings.Count(head[:at], ")") && strings.Count(head[:at], `"`)%2 == 0 {
		return head[:at] + "."
	}
	if at = strings.LastIndexByte(head, ' '); at > 0 {
		return head[:at] + " ..."
	}
	return ""
}

const llmsHead = `# Parallax

Parallax runs teams of AI agents from a pattern: a Starlark file (Python's syntax, less of it). This page is the whole language. ` + "`parallax doc NAME`" + ` has
more on each name, ` + "`parallax check FILE`" + ` finds mistakes, ` + "`parallax run FILE --input x=1`" + ` runs, ` + "`parallax test`" + ` tests.

## Ten rules

1. A pattern has ` + "`def main(inputs...)`" + `. Its parameters are the inputs, what it returns is the result: None, bools, numbers, strings, lists, dicts, records, structs.
2. There is no import, class, try, raise, while, with, yield, async, ` + "`is`, `**`" + ` or f-string, no recursion, no annotations, no generator and no set literal. Use load, record or struct, attempt,
   fail, ` + "`for i in range(n)`, `==`" + `, math.pow, "%s" % x or "{}".format(x), list comprehensions, set([..]).
3. At the top level stand only load, def and names that are given a value once; no if, no for, and nothing marked * below: that acts on the world and works in functions that main calls.
4. ` + "`agent(\"name\").ask(\"what to do\", key=value, returns=Type)`" + ` asks an agent of parallax.toml. The Result has .value .confidence (0 to 1, or None) .agent .reasoning .usage; with
   returns= a record, its fields too. A function asks; never call a model in another way.
5. parallel, gather, pipeline and race run side by side. Results come in input order as Outcomes: .values, .ok, .failed, .all. What crosses into a branch is frozen: return values, do not append to
   an outer list.
6. A failed agent ends the run, unless attempt(fn, ...) makes it data (.ok .value .error.code) or on_error="collect" lets the others count. Mistakes in the script are never caught.
7. Nothing is repeated without consent: retry=2 on ask. Nothing waits for ever: timeout="30s". ` + "`pattern(budget=budget(cost=0.5))`" + ` bounds a run; until= stops it when enough is known.
8. Time and chance are now(), random() and uuid(), so that a run can be told again. Files come in as inputs: ` + "`def main(text=file(\"x.txt\"))`" + `.
9. A missing confidence is None and is left out of means; an agent that failed abstains; a tie is a status and no winner. Agreement is no proof: a check by a program, a
   schema or a person is worth more than another vote.
10. ` + "`load(\":lib.star\", \"f\")`" + ` is a file beside this one, "//dir/lib.star" is seen from the project, "@std//name.star" is a standard module below. Names with _ are private.

## A pattern

` + "```python" + llmsPattern + "```" + `

## Its tests, in jury_test.star: parallax test

` + "```python" + llmsTests + "```" + `

Signatures follow; * marks effects.
`

const llmsPattern = `
Verdict = record(answer = enum("yes", "no", "unclear"), reason = field(str, doc = "one sentence"))

def judge(juror, claim):
    return juror.ask("Is the claim true?", claim = claim, returns = Verdict, retry = 1)

def main(claim, jurors = 3):
    """Asks jurors until two agree."""
    votes = parallel(judge, agents("juror", count = jurors), claim = claim, on_error = "collect", until = quorum(2, by = lambda r: r.answer))
    answers = group_by(votes.values, "answer")
    agreed = [a for a in answers if len(answers[a]) >= 2]
    return {"answer": agreed[0] if agreed else "unclear", "reasons": [r.reason for r in votes.values]}
`

const llmsTests = `
load(":jury.star", "main")

def test_two_that_agree_are_enough():
    for name, says in [("ada", "no"), ("bob", "no"), ("cyd", "yes")]:
        scripted(name, {"answer": says, "reason": "so"}, confidence = 0.9, capabilities = ["juror"])
    assert.eq(main("A tomato is a vegetable."), {"answer": "no", "reasons": ["so", "so"]})
    assert.eq(calls("ada")[0].inputs, {"claim": "A tomato is a vegetable."})
`

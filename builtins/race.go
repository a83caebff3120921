package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func raceDecl() *Decl {
	return &Decl{
		Name: "race",
		Params: []Param{
			{Name: "calls", Type: "Call", Kind: Rest},
			{Name: "timeout", Type: "duration", Default: "None", Kind: Named},
		},
		Result: "any",
		Effect: true,
		Doc: `Makes several calls side by side and gives the value of the first that succeeds; the rest are cancelled.

Each is a Call from defer or a function without parameters. A call that fails is out of the race. When all have failed, the error has the
code of the failure that came last, and its message says why each of them failed. When timeout passes first, the error is "timeout". Which
call won is recorded, so a replay has the same winner.

    def main(question):
        return race(
            defer(agent("fast").ask, question),
            defer(agent("thorough").ask, question),
            timeout="30s",
        ).value
`,
		Impl: race,
	}
}

func race(c *Call) (starlark.Value, error) {
	if len(c.Rest) == 0 {
		return nil, fmt.Errorf("race: there is nothing to call: %s", c.Decl.Signature())
	}
	f := &fork{name: "race", collect: true, settled: true, until: &firstWatch{need: 1}}
	if err := c.rules(f, -1, 1, -1); err != nil {
		return nil, err
	}
	if err := f.call(c, c.Rest); err != nil {
		return nil, err
	}
	s, err := f.run(c.Thread)
	if err != nil {
		return nil, err
	}
	for i := range s.out.all {
		if o := &s.out.all[i]; o.status == succeeded {
			return o.value, nil
		}
	}
	if s.late > 0 {
		return nil, f.overdue(s.late)
	}
	return nil, lost(s)
}

// lost is the error of a race that nobody won.
func lost(s *settling) *runtime.Error {
	reasons := make([]string, len(s.out.all))
	for i := range s.out.all {
		reasons[i] = fmt.Sprintf("%d: %s", i, failure{s.out.all[i].err})
	}
	e := *s.last
	e.Message = clipped(fmt.Sprintf("all %d calls of the race failed: %s", s.n, strings.Join(reasons, "; ")), maxFailText)
	e.Hint = ""
	return &e
}

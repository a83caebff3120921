package builtins

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func runDecl() *Decl {
	return &Decl{
		Name: "run",
		Params: []Param{
			{Name: "pattern", Type: "str"},
			{Name: "inputs", Type: "any", Kind: Extra},
		},
		Result: "any",
		Effect: true,
		Doc: `Runs another pattern as a run of its own and gives its result.

pattern is written as in load(): ":sibling.star", "//from/package/root.star", "@std//x.star", "@alias//x.star". The named arguments are its inputs. The
child has a history of its own and shares the budget; children within children go eight levels deep. When it fails, its error is raised here, with its code;
cancelling this branch cancels the child. Unlike a call of a loaded function, a child shows as one step here and can be resumed by itself.

    def main(topics):
        return [run(":research.star", topic=t) for t in topics]
`,
		Impl: func(c *Call) (starlark.Value, error) {
			label, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			if !strings.HasSuffix(label, ".star") || label[0] != ':' && !strings.Contains(label, "//") {
				return nil, c.wrong(0, `%q is not a pattern, write ":sibling.star", "//from/root.star" or "@alias//x.star"`, brief(label))
			}
			inputs, err := askInputs(c)
			if err != nil {
				return nil, err
			}
			return decoded(c.do(runtime.ChildRun{Pattern: label, From: callerFile(c.Thread), Inputs: inputs}))
		},
	}
}

// callerFile names the module that calls the builtin which runs on t. A builtin that calls another, such as attempt, is not a module.
func callerFile(t *starlark.Thread) string {
	for depth := 1; depth < t.CallStackDepth(); depth++ {
		if pos := t.CallFrame(depth).Pos; pos.Line > 0 {
			return pos.Filename()
		}
	}
	return ""
}

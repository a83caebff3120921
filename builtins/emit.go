package builtins

import (
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func emitDecl() *Decl {
	return &Decl{
		Name: "emit",
		Params: []Param{
			{Name: "name", Type: "str"},
			{Name: "data", Type: "any", Kind: Extra},
		},
		Result: "None",
		Effect: true,
		Doc: `Tells the world that something happened: an event of the script's own, with data.

The event is among those of the run (--events, the history on a server) and reaches whoever subscribed. Data must have a JSON form. It is
recorded once: a replay does not emit it again.

    def main(drafts):
        for i, d in enumerate(drafts):
            emit("draft.scored", index=i, score=d["score"])
`,
		Impl: func(c *Call) (starlark.Value, error) {
			name, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			return c.tell(runtime.Emitted, name, "field")
		},
	}
}

// tell performs an Emit with the named arguments as its data.
func (c *Call) tell(kind runtime.EventKind, name, noun string) (starlark.Value, error) {
	data, err := c.fieldsArg(noun)
	if err != nil {
		return nil, err
	}
	if _, err := c.do(runtime.Emit{Kind: kind, Name: name, Data: data}); err != nil {
		return nil, err
	}
	return starlark.None, nil
}

package builtins

import (
	"maps"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/runtime"
)

// module is a family of builtins under one name, such as `json`.
type module struct {
	Name   string
	Doc    string // manual page
	Decls  []*Decl
	Consts starlark.StringDict
}

// value makes the Starlark value of a module.
func (m module) value() starlark.Value {
	members := make(starlark.StringDict, len(m.Decls)+len(m.Consts))
	maps.Copy(members, m.Consts)
	for _, d := range m.Decls {
		members[d.Name] = d.Builtin(nil)
	}
	return &starlarkstruct.Module{Name: m.Name, Members: members}
}

// dataModules gives the modules of data builtins, sorted by name.
func dataModules() []module {
	return []module{jsonModule(), mathModule(), reModule(), statsModule(), timeModule()}
}

// dataDecls gives the declarations of the data builtins outside modules, sorted by name.
func dataDecls() []*Decl {
	return []*Decl{
		chunksDecl(), enumDecl(), fieldDecl(), fileDecl(), flattenDecl(), groupByDecl(), optionalDecl(), recordDecl(), structDecl(),
	}
}

// dataValues gives the values of all data builtins, modules included, by name.
func dataValues() starlark.StringDict {
	values := make(starlark.StringDict)
	for _, d := range dataDecls() {
		values[d.Name] = d.Builtin(nil)
	}
	for _, m := range dataModules() {
		values[m.Name] = m.value()
	}
	return values
}

// textOr is parameter i as a string, or def when it was left out.
func (c *Call) textOr(i int, def string) (string, error) {
	if !c.given(i) {
		return def, nil
	}
	return c.textArg(i)
}

// maxItems bounds the length of what a builtin copies, at a word pair each.
const maxItems = runtime.MaxValueBytes / 16

// elements is itemsArg for things of bounded length.
func (c *Call) elements(i int) ([]starlark.Value, error) {
	if n := starlark.Len(c.Args[i]); n > maxItems {
		return nil, c.wrong(i, "got %d elements, want at most %d", n, maxItems)
	}
	return c.itemsArg(i)
}

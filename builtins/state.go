package builtins

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// stateKey is where a branch keeps its store.
const stateKey = "state"

// store is one branch's view of the run's state: what stood there when it was forked, and what it wrote since.
type store struct {
	below  *store // of the branch that this one was forked from; blocked, and so unchanging, while this one lives
	writes map[string]entry
}

// entry is one write.
type entry struct {
	value  starlark.Value // frozen; nil means deleted
	branch runtime.Path   // that wrote it and was joined; "" for the store's own branch
}

var _ runtime.Local = (*store)(nil)

func newStore() *store { return &store{writes: make(map[string]entry)} }

// Fork gives a child its view.
func (s *store) Fork() runtime.Local { return &store{below: s, writes: make(map[string]entry)} }

// Empty gives a store without anything in it.
func (s *store) Empty() runtime.Local { return newStore() }

// Join takes over what a branch wrote. A key that two branches of one fork wrote is a Conflict; nothing of the second is taken over then.
func (s *store) Join(child runtime.Local, branch runtime.Path) error {
	writes := child.(*store).writes
	keys := slices.Sorted(maps.Keys(writes))
	for _, k := range keys {
		if mine, found := s.writes[k]; found && sameFork(mine.branch, branch) {
			return &runtime.Error{
				Code:    runtime.Conflict,
				Message: fmt.Sprintf("state %q was written by two branches, %s and %s", k, mine.branch, branch),
				Hint:    "return the values and write them after the fork, or give each branch a key of its own",
			}
		}
	}
	for _, k := range keys {
		s.writes[k] = entry{value: writes[k].value, branch: branch}
	}
	return nil
}

// sameFork says whether two branches have the same fork as parent.
func sameFork(a, b runtime.Path) bool {
	i := strings.LastIndexByte(string(b), '.') + 1
	return a != "" && i > 0 && strings.LastIndexByte(string(a), '.') == i-1 && a[:i] == b[:i]
}

// get gives what stands at a key, or nil.
func (s *store) get(key string) starlark.Value {
	for at := s; at != nil; at = at.below {
		if e, found := at.writes[key]; found {
			return e.value
		}
	}
	return nil
}

// keys lists the keys that begin with prefix, sorted.
func (s *store) keys(prefix string) []string {
	present := make(map[string]bool)
	for at := s; at != nil; at = at.below {
		for k, e := range at.writes {
			if _, above := present[k]; !above && strings.HasPrefix(k, prefix) {
				present[k] = e.value != nil
			}
		}
	}
	maps.DeleteFunc(present, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(present))
}

// storeOf gives the state that the branch of the call sees.
func (c *Call) storeOf() (*store, error) {
	b, err := runtime.BranchOf(c.Thread)
	if err != nil {
		return nil, outOfPlace(c.Decl.Name, err)
	}
	return runtime.LocalOf(b, stateKey, newStore), nil
}

func stateModule() module {
	return module{
		Name: "state",
		Doc: `state keeps values by key for the length of a run.

It belongs to the run and needs no effect. A branch sees what its parent had when it forked, and what it writes itself. When it is joined the parent takes over its
writes; two branches of one fork that wrote (or deleted) the same key are the error "conflict", which names both. What a cancelled branch wrote is lost, and where a
failure ends the fork also what those wrote that had succeeded. Values must have a JSON form; they keep their type, and are frozen: lists and dicts are copied when they are written, so that the script's own stay as they are.

    def main(pages):
        state.set("seen", 0)
        for p in pages:
            agent("reader").ask("read", page=p)
            state.set("seen", state.get("seen") + 1)
        return state.get("seen")`,
		Decls: []*Decl{stateGetDecl(), stateSetDecl(), stateDeleteDecl(), stateKeysDecl()},
	}
}

func stateGetDecl() *Decl {
	return &Decl{
		Name: "get",
		Params: []Param{
			{Name: "key", Type: "str"},
			{Name: "default", Type: "any", Default: "None"},
		},
		Result: "any",
		Doc: `state.get(key, default=None) gives what stands at the key, or default when nothing does. What it gives is frozen: change a copy.

    def main():
        notes = list(state.get("notes", []))
        notes.append("read")
        state.set("notes", notes)
`,
		Impl: func(c *Call) (starlark.Value, error) {
			key, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			s, err := c.storeOf()
			if err != nil {
				return nil, err
			}
			if v := s.get(key); v != nil {
				return v, nil
			}
			if c.Args[1] != nil {
				return c.Args[1], nil
			}
			return starlark.None, nil
		},
	}
}

func stateSetDecl() *Decl {
	return &Decl{
		Name: "set",
		Params: []Param{
			{Name: "key", Type: "str"},
			{Name: "value", Type: "any"},
		},
		Result: "None",
		Doc: `state.set(key, value) puts the value at the key. The value must have a JSON form; lists and dicts are copied.

    def main(text):
        state.set("draft", {"text": text, "version": 1})
`,
		Impl: func(c *Call) (starlark.Value, error) {
			key, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			s, err := c.storeOf()
			if err != nil {
				return nil, err
			}
			p, err := runtime.Encode(c.Args[1])
			if err != nil {
				return nil, c.wrong(1, "%w", err)
			}
			if err := charge(c.Thread, len(key)+2*len(p)); err != nil {
				return nil, err
			}
			v := copied(c.Args[1])
			v.Freeze()
			s.writes[key] = entry{value: v}
			return starlark.None, nil
		},
	}
}

func stateDeleteDecl() *Decl {
	return &Decl{
		Name:   "delete",
		Params: []Param{{Name: "key", Type: "str"}},
		Result: "bool",
		Doc: `state.delete(key) takes away what stands at the key, and says whether anything did.

    def main():
        state.set("draft", "x")
        return state.delete("draft")
`,
		Impl: func(c *Call) (starlark.Value, error) {
			key, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			s, err := c.storeOf()
			if err != nil {
				return nil, err
			}
			if s.get(key) == nil {
				return starlark.False, nil
			}
			s.writes[key] = entry{}
			return starlark.True, nil
		},
	}
}

func stateKeysDecl() *Decl {
	return &Decl{
		Name:   "keys",
		Params: []Param{{Name: "prefix", Type: "str", Default: `""`}},
		Result: "[str]",
		Doc: `state.keys(prefix="") lists the keys that begin with prefix, sorted.

    def main():
        state.set("page/1", "a")
        state.set("page/2", "b")
        return [state.get(k) for k in state.keys("page/")]
`,
		Impl: func(c *Call) (starlark.Value, error) {
			prefix, err := c.textArg(0)
			if err != nil {
				return nil, err
			}
			s, err := c.storeOf()
			if err != nil {
				return nil, err
			}
			keys := s.keys(prefix)
			list := make([]starlark.Value, len(keys))
			for i, k := range keys {
				list[i] = starlark.String(k)
			}
			return starlark.NewList(list), nil
		},
	}
}

// copied copies lists and dicts all the way down, so that freezing the copy leaves the script's own alone. It is given values that have a JSON
// form, and so are neither deep nor cyclic.
func copied(v starlark.Value) starlark.Value {
	switch v := v.(type) {
	case *starlark.List:
		elems := make([]starlark.Value, v.Len())
		for i := range elems {
			elems[i] = copied(v.Index(i))
		}
		return starlark.NewList(elems)
	case starlark.Tuple:
		elems := make(starlark.Tuple, len(v))
		for i := range elems {
			elems[i] = copied(v[i])
		}
		return elems
	case *starlark.Dict:
		d := starlark.NewDict(v.Len())
		for _, kv := range v.Items() {
			setKey(d, string(kv[0].(starlark.String)), copied(kv[1]))
		}
		return d
	}
	return v
}

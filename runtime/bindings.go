package runtime

import (
	"cmp"

	"go.starlark.net/starlark"
)

// bindings are the Agents of the files of a program, by the name of the file. Nil where no file has any.
type bindings map[string]map[string]string

// boundKey is where a thread that loads a file keeps the bindings.
const boundKey = "parallax.agents"

func bindingsOf(files []*File) bindings {
	var all bindings
	for _, f := range files {
		if len(f.Agents) == 0 {
			continue
		}
		if all == nil {
			all = make(bindings)
		}
		all[f.Name] = f.Agents
	}
	return all
}

// means gives the agent that a name in the file stands for.
func (f *File) means(name string) string { return cmp.Or(f.Agents[name], name) }

// AgentMeant gives the agent that a name stands for where the script is now: what the file binds from which a builtin was called, as seen
// through other builtins.
func AgentMeant(t *starlark.Thread, name string) string {
	bound, _ := t.Local(boundKey).(bindings)
	if b, ok := t.Local(branchKey).(*Branch); ok {
		bound = b.run.program.bound
	}
	if bound == nil {
		return name
	}
	for depth := 1; depth < t.CallStackDepth(); depth++ {
		if at := t.CallFrame(depth).Pos; at.IsValid() && at.Filename() != "<builtin>" {
			return cmp.Or(bound[at.Filename()][name], name)
		}
	}
	return name
}

package builtins

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime"
)

// Agent is a handle on an agent of the project: its name and how its calls are made. It is immutable.
type Agent struct {
	name    string
	timeout time.Duration // per attempt, unless ask says otherwise; zero leaves it to the project
	retry   runtime.RetryPolicy
	ask     *starlark.Builtin
}

// noBound is how long an attempt may take that the script does not bound, for zero leaves it to the project.
const noBound = 10 * 365 * 24 * time.Hour

func newAgent(name string, ask *Decl) *Agent {
	a := &Agent{name: name}
	a.ask = ask.Builtin(a)
	return a
}

func (a *Agent) String() string        { return fmt.Sprintf("agent(%q)", a.name) }
func (a *Agent) Type() string          { return "agent" }
func (a *Agent) Freeze()               {}
func (a *Agent) Truth() starlark.Bool  { return true }
func (a *Agent) Hash() (uint32, error) { return starlark.String(a.name).Hash() }
func (a *Agent) AttrNames() []string   { return []string{"ask", "name"} }

// Attr gives the agent's name, or ask bound to it.
func (a *Agent) Attr(name string) (starlark.Value, error) {
	switch name {
	case "ask":
		return a.ask, nil
	case "name":
		return starlark.String(a.name), nil
	}
	return nil, nil
}

// CompareSameType makes two handles on one agent equal.
func (a *Agent) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	same := a.name == other.(*Agent).name
	switch op {
	case syntax.EQL:
		return same, nil
	case syntax.NEQ:
		return !same, nil
	default:
		return false, fmt.Errorf("agents have no order, compare their names")
	}
}

// Plain is the agent as it goes into results and inputs: its name.
func (a *Agent) Plain() starlark.Value { return starlark.String(a.name) }

func agentDecl(ask *Decl) *Decl {
	return &Decl{
		Name: "agent",
		Params: []Param{
			{Name: "name", Type: "str"},
			{Name: "timeout", Type: "duration", Default: "None", Kind: Named},
			{Name: "retry", Type: "int or retry()", Default: "None", Kind: Named},
		},
		Result: "Agent",
		Doc: `Gives a handle on an agent that the project names in parallax.toml. In a module of a package it may be a role, for which the project that uses the package
has another agent; the handle is then one on that agent.

Nothing is called yet, so a handle may be made anywhere, also at the top level of a module. timeout and retry are the defaults of its ask;
without them an attempt has the time that parallax.toml gives the agent, or a minute, and is not repeated. Handles on one name are equal, print as agent("name"), can be keys of a
dict, and go into inputs and results as their name. .name is the name, .ask asks.

A name that the project does not have is reported before main starts when it is written as a literal, otherwise by ask, as the error
"not_found".

    CRITIC = agent("critic", timeout="2m", retry=2)

    def main(text):
        return CRITIC.ask("What is wrong with this text?", text=text).value
`,
		Impl: func(c *Call) (starlark.Value, error) {
			name, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			a := newAgent(runtime.AgentMeant(c.Thread, name), ask)
			if c.given(1) {
				if a.timeout, err = c.durationArg(1, 0); err != nil {
					return nil, err
				}
			}
			a.retry, err = c.retryArg(2, runtime.RetryPolicy{})
			return a, err
		},
	}
}

func agentsDecl(ask *Decl) *Decl {
	return &Decl{
		Name: "agents",
		Params: []Param{
			{Name: "capability", Type: "str"},
			{Name: "count", Type: "int", Default: "None", Kind: Named},
			{Name: "min", Type: "int", Default: "1", Kind: Named},
		},
		Result: "[Agent]",
		Effect: true,
		Doc: `Finds the agents that have a capability.

The list is sorted by name and holds at most count of them (all, by default). It is recorded, so a run that is resumed has the same panel
even if the project has changed since. Fewer than min is the error "not_found"; min=0 accepts an empty list.

A capability is a word that parallax.toml lists for the agent. "idempotent" also finds the agents that declare themselves so: they may be asked twice for
one answer. An agent says so when its program starts, before main only if the pattern names it; list the word for those that are found by capability.

    def main(claim):
        panel = agents("fact-check", count=5, min=3)
        return parallel(ask_one, panel, claim=claim).values
`,
		Impl: func(c *Call) (starlark.Value, error) {
			capability, err := c.nameArg(0)
			if err != nil {
				return nil, err
			}
			count, err := c.intArg(1, 0, 1)
			if err != nil {
				return nil, err
			}
			least, err := c.intArg(2, 1, 0)
			if err != nil {
				return nil, err
			}
			if count > 0 && least > count {
				return nil, c.wrong(2, "at least %d agents and at most %d cannot both be had", least, count)
			}
			found, err := decoded(c.do(runtime.AgentLookup{Capability: capability, Count: count, Min: least}))
			if err != nil {
				return nil, err
			}
			return handles(found, ask)
		},
	}
}

// handles makes agents of the names that a lookup found.
func handles(found starlark.Value, ask *Decl) (starlark.Value, error) {
	names, ok := found.(*starlark.List)
	if !ok {
		return nil, &runtime.HostError{Err: fmt.Errorf("an agent lookup gave a %s, want a list of names", found.Type())}
	}
	list := make([]starlark.Value, names.Len())
	for i := range list {
		name, ok := starlark.AsString(names.Index(i))
		if !ok {
			return nil, &runtime.HostError{Err: fmt.Errorf("an agent lookup gave a %s for a name", names.Index(i).Type())}
		}
		list[i] = newAgent(name, ask)
	}
	return starlark.NewList(list), nil
}

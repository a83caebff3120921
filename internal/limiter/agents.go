package limiter

import (
	"context"

	"github.com/parallax-run/parallax/runtime"
)

// Agents answers agent calls.
type Agents interface {
	Call(ctx context.Context, c runtime.Call) (runtime.Answer, error)
	Info(name string) (runtime.AgentInfo, bool)
	Lookup(capability string) []runtime.AgentInfo
}

// Agents puts limits before agents: those of an agent, by its name, in the order in which its calls meet them. The last of them learns
// how calls end, and holds others back. Where there are none next is given back as it is, and an agent without limits is called as if
// nothing stood before it.
//
// A call waits for as long as it must, which takes none of its timeout, and tells c.Watch when that takes longer than a second. What is
// known to be down fails at once, as unavailable.
func (l *Limits) Agents(next Agents, of map[string][]Limit) Agents {
	if len(of) == 0 {
		return next
	}
	return &limited{Agents: next, limits: l, of: of}
}

type limited struct {
	Agents

	limits *Limits
	of     map[string][]Limit
}

// Call makes the call when its limits allow it.
func (a *limited) Call(ctx context.Context, c runtime.Call) (answer runtime.Answer, err error) {
	of := a.of[c.Agent]
	if len(of) == 0 {
		return a.Agents.Call(ctx, c)
	}
	p, err := a.limits.enter(ctx, &c, of)
	if err != nil {
		return runtime.Answer{}, err
	}
	defer func() { p.leave(err) }()
	return a.Agents.Call(ctx, c)
}

// Info is that of the agent; one that has limits may have to wait for them.
func (a *limited) Info(name string) (runtime.AgentInfo, bool) {
	info, ok := a.Agents.Info(name)
	info.Instant = info.Instant && len(a.of[name]) == 0
	return info, ok
}

// Lookup gives what Info gives.
func (a *limited) Lookup(capability string) []runtime.AgentInfo {
	list := a.Agents.Lookup(capability)
	for i := range list {
		list[i].Instant = list[i].Instant && len(a.of[list[i].Name]) == 0
	}
	return list
}

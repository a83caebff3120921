package story

import (
	"encoding/json"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// request is what runtime.Request and runtime.NamedFork write.
type request struct {
	Effect     string          `json:"effect"`
	Agent      string          `json:"agent"`
	Task       string          `json:"task"`
	Input      runtime.Payload `json:"input"`
	Capability string          `json:"capability"`
	For        string          `json:"for"`
	Name       string          `json:"name"`
	Title      string          `json:"title"`
	Context    runtime.Payload `json:"context"`
	Options    []string        `json:"options"`
	Of         string          `json:"of"`
	Pattern    string          `json:"pattern"`
	Inputs     runtime.Payload `json:"inputs"`
	Data       runtime.Payload `json:"data"`
	Branches   int             `json:"branches"`
	Labels     []string        `json:"labels"`
}

// askedOf reads a request; nil when it is none.
func askedOf(p runtime.Payload) *request {
	r := new(request)
	if len(p) == 0 || json.Unmarshal(p, r) != nil {
		return nil
	}
	return r
}

// kinds are those that a request names as they are called here. Any other name is that of a builtin that forks.
var kinds = map[string]Kind{
	"agent": Agent, "agents": Agents, "sleep": Sleep, "wait_for": Signal, "approve": Approval, "run": RunNode, "budget": Budget,
	"phase": Phase, "log": Log, "emit": Emit, "gate": Gate,
}

// describe reads what was asked and answered. What cannot be read stays as it was recorded.
func (n *Node) describe() {
	if r := askedOf(n.Asked); r != nil {
		n.read(r)
	}
	if n.Kind == Agent && len(n.Outcome) > 0 {
		if a, err := runtime.ParseAnswer(n.Outcome); err == nil {
			n.Answer = &a
			n.Usage = either(n.Usage, a.Usage)
		}
	}
	if n.Answer != nil {
		n.Votes = votesIn(n.Answer.Value)
	} else {
		n.Votes = votesIn(n.Outcome)
	}
	if len(n.Votes) == 0 {
		switch n.Kind {
		case Log, Emit, Gate:
			n.Votes = votesIn(n.Input)
		case RunNode, Fork, Branch, Agent, Agents, Sleep, Signal, Approval, Budget, Phase, Count, Unknown:
		}
	}
}

func (n *Node) read(r *request) {
	kind, isEffect := kinds[r.Effect]
	switch {
	case isEffect && n.Kind == Unknown:
		n.Kind = kind
	case !isEffect && r.Branches > 0 && n.Kind == Unknown:
		n.Kind = Fork
	}
	switch n.Kind {
	case Agent:
		n.Name, n.Task, n.Input = r.Agent, r.Task, r.Input
	case Agents:
		n.Name = r.Capability
	case Sleep:
		n.Name = r.For
		if d, err := time.ParseDuration(r.For); err == nil {
			n.Name = d.String()
		}
	case Signal:
		n.Name = r.Name
	case Approval:
		n.Name, n.Input, n.Options = r.Title, r.Context, r.Options
	case RunNode:
		n.Name, n.Input = r.Pattern, r.Inputs
	case Budget:
		n.Name = r.Of
	case Phase, Log, Emit, Gate:
		n.Name, n.Input = r.Name, r.Data
	case Fork:
		n.Name, n.Branches = r.Effect, max(r.Branches, 0)
		for _, b := range n.Children {
			if b.Kind == Branch && b.Index >= 0 && b.Index < len(r.Labels) {
				b.Name = r.Labels[b.Index]
			}
		}
	case Branch, Count, Unknown:
		n.Name = r.Effect
	}
}

func either(u, v runtime.Usage) runtime.Usage {
	if u == (runtime.Usage{}) {
		return v
	}
	return u
}

package host

import (
	"context"
	"encoding/json"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Description is what an agent offers.
type Description struct {
	Agent       string // its name in the project
	Name        string // as its author calls it
	Version     string
	Description string
	Detail      string // what its session is bound to
	InProcess   bool
	Skills      []Skill
	Config      json.RawMessage // JSON Schema of its settings; nil when anything goes

	Streaming, Interactive, Deterministic, Idempotent, AtMostOnce bool

	Concurrency int // calls at a time; zero means no limit
}

// Skill is one thing an agent can do.
type Skill struct {
	Name        string
	Description string
	Input       json.RawMessage // JSON Schemas; nil when anything goes
	Output      json.RawMessage
}

func (m *member) describe(ctx context.Context) (Description, error) {
	if _, ok := m.factory(); ok {
		return Description{Agent: m.cfg.Name, Name: m.cfg.Use, InProcess: true, Concurrency: m.cfg.MaxConcurrency}, nil
	}
	s, err := m.join(ctx)
	if err != nil {
		return Description{}, err
	}
	offer, caps := s.inst.offer, s.capabilities()
	d := Description{
		Agent: m.cfg.Name, Name: offer.GetName(), Version: offer.GetVersion(), Description: offer.GetDescription(),
		Detail: s.open.GetDetail(), Config: offer.GetConfigSchema(),
		Streaming: caps.GetStreaming(), Interactive: caps.GetInteractive(), Deterministic: caps.GetDeterministic(),
		Idempotent: caps.GetIdempotent(), AtMostOnce: caps.GetAtMostOnce(), Concurrency: cap(s.queue),
	}
	for _, k := range s.skills() {
		d.Skills = append(d.Skills, Skill{
			Name: k.GetName(), Description: k.GetDescription(), Input: k.GetInputSchema(), Output: k.GetOutputSchema(),
		})
	}
	return d, nil
}

// capabilities are those of the session, or else of its process.
func (s *session) capabilities() *agentpb.Capabilities {
	if own := s.open.GetCapabilities(); own != nil {
		return own
	}
	return s.inst.offer.GetCapabilities()
}

// skills are those of the session, or else of its process.
func (s *session) skills() []*agentpb.Skill {
	if own := s.open.GetSkills(); len(own) > 0 {
		return own
	}
	return s.inst.offer.GetSkills()
}

// skill is the name of the skill that a task names, or "".
func (s *session) skill(task string) string {
	for _, k := range s.skills() {
		if k.GetName() == task {
			return task
		}
	}
	return ""
}

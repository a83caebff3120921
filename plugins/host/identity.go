package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// identity is all on which an agent's answers depend, beside what it is asked. Of secrets it has the names alone.
type identity struct {
	Agent   string // its name in the project
	Use     string
	Command []string
	Dir     string
	Config  string
	Env     [][2]string // with their values
	Secrets []string
	Program string // what the agent calls itself
	Version string // as it says itself
	Host    string // version of this program, of agents that are part of it
}

// Identity says which agent it is that answers to a name: a digest of its program, version and configuration. It starts the agent if need be. How
// it may be called is no part of it: how long, how often, how many calls at a time.
func (h *Host) Identity(ctx context.Context, name string) (string, error) {
	if err := h.start(ctx, name); err != nil {
		return "", err
	}
	m := h.agents[name]
	id := identity{
		Agent: name, Use: m.cfg.Use, Command: m.cfg.Command, Dir: m.cfg.Dir, Config: string(m.cfg.Config), Secrets: m.cfg.Secrets,
	}
	for _, name := range m.cfg.Env {
		if v, ok := h.opts.LookupEnv(name); ok {
			id.Env = append(id.Env, [2]string{name, v})
		}
	}
	if m.cfg.Use != "" {
		id.Host = h.opts.Version
	}
	if _, local := m.factory(); !local {
		s, err := m.join(ctx)
		if err != nil {
			return "", err
		}
		id.Program, id.Version = s.inst.offer.GetName(), s.inst.offer.GetVersion()
	}
	text, err := json.Marshal(id)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

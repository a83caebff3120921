package llm

import (
	"math"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Price is what tokens cost, in US dollars per million; that is also micro-dollars per token.
type Price struct {
	Input  float64  `json:"input,omitempty"`
	Output float64  `json:"output,omitempty"`
	Cached *float64 `json:"cached,omitempty"` // of input that the provider had in its cache; nil means Input
}

// Check refuses prices below nothing.
func (p *Price) Check() error {
	if p == nil {
		return nil
	}
	if p.Input < 0 || p.Output < 0 || (p.Cached != nil && *p.Cached < 0) {
		return agent.BadInput("price: a price is below zero").WithField("price", "must not be below zero")
	}
	return nil
}

// Cost is the cost of a usage in millionths of a US dollar, to the nearest; a nil price costs nothing.
func (p *Price) Cost(u agent.Usage) int64 {
	if p == nil {
		return 0
	}
	cached := p.Input
	if p.Cached != nil {
		cached = *p.Cached
	}
	fresh := float64(max(u.InputTokens-u.CachedTokens, 0))
	return int64(math.Round(fresh*p.Input + float64(u.CachedTokens)*cached + float64(u.OutputTokens)*p.Output))
}

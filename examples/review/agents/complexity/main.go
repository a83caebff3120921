// Complexity is an agent that says which functions of a Go package are hard to follow. It reads the syntax tree only, so it
// needs no build, and says for each function where it starts and how complex it is in two ways.
package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Config is what [agents.complexity] may set; zero means the default.
type Config struct {
	MaxCyclomatic int `json:"max_cyclomatic"` // default 15
	MaxCognitive  int `json:"max_cognitive"`  // default 20
}

// In names a directory with Go files.
type In struct {
	Path string `json:"path"`
}

// Out is the answer.
type Out struct {
	Functions int        `json:"functions"` // how many were measured
	Worst     []Function `json:"worst"`     // at most three, the hardest first
	Findings  []Finding  `json:"findings"`  // functions over a limit
}

// Finding is one thing that a person should look at.
type Finding struct {
	Severity string `json:"severity"` // always "warning": code that is hard to follow is not wrong
	File     string `json:"file"`
	Line     int    `json:"line"`
	Message  string `json:"message"`
}

func main() {
	agent.Serve(agent.Info{
		Name:          "complexity",
		Version:       "0.1.0",
		Description:   "Measures how hard Go functions are to follow.",
		Deterministic: true,
		Idempotent:    true,
	}, review)
}

func review(ctx context.Context, c *agent.Call[Config], in In) (Out, error) {
	dir := in.Path
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(c.Workdir(), dir)
	}
	functions, err := measure(ctx, dir)
	if err != nil {
		return Out{}, agent.BadInput("cannot measure %s: %w", in.Path, err)
	}
	c.Confidence(1, agent.Verifier)
	c.Reasoning(fmt.Sprintf("%d functions measured from their syntax tree", len(functions)))
	return Out{
		Functions: len(functions),
		Worst:     functions[:min(3, len(functions))],
		Findings:  findings(functions, *c.Config),
	}, nil
}

// findings lists the functions over a limit, the hardest first.
func findings(functions []Function, limits Config) []Finding {
	if limits.MaxCyclomatic == 0 {
		limits.MaxCyclomatic = 15
	}
	if limits.MaxCognitive == 0 {
		limits.MaxCognitive = 20
	}
	found := []Finding{}
	for _, f := range functions {
		if f.Cyclomatic <= limits.MaxCyclomatic && f.Cognitive <= limits.MaxCognitive {
			continue
		}
		found = append(found, Finding{
			Severity: "warning", File: f.File, Line: f.Line,
			Message: fmt.Sprintf("%s is hard to follow: cyclomatic complexity %d (limit %d), cognitive %d (limit %d)",
				f.Name, f.Cyclomatic, limits.MaxCyclomatic, f.Cognitive, limits.MaxCognitive),
		})
	}
	return found
}

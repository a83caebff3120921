// Secrets is an agent that looks for keys, tokens and passwords that somebody left in a source tree. What it finds it masks:
// a report must not leak what it warns of.
package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/parallax-run/parallax/plugins/agent"
)

// In names a directory, which is searched with everything below it.
type In struct {
	Path string `json:"path"`
}

// Out is the answer.
type Out struct {
	Files    int       `json:"files"` // how many were read
	Findings []Finding `json:"findings"`
}

// Finding is one leaked secret.
type Finding struct {
	Severity string `json:"severity"` // "error" for a known kind of key, "warning" for a guess
	File     string `json:"file"`     // below the directory
	Line     int    `json:"line"`
	Message  string `json:"message"`
}

func main() {
	agent.Serve(agent.Info{
		Name:          "secrets",
		Version:       "0.1.0",
		Description:   "Finds keys, tokens and passwords in a source tree.",
		Deterministic: true,
		Idempotent:    true,
	}, review)
}

func review(ctx context.Context, c *agent.Call[agent.NoConfig], in In) (Out, error) {
	dir := in.Path
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(c.Workdir(), dir)
	}
	out, err := search(ctx, dir)
	if err != nil {
		return Out{}, agent.BadInput("cannot search %s: %w", in.Path, err)
	}
	c.Reasoning(fmt.Sprintf("%d files searched for %d kinds of secrets", out.Files, len(kinds)))
	return out, nil
}

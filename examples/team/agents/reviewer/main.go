// Reviewer is an agent that says where a package is wrong: it runs the tests one by one, and ranks the code by how much oftener it runs in
// those that fail.
package main

import (
	"context"
	"fmt"

	"github.com/parallax-run/parallax/examples/team/repair"
	"github.com/parallax-run/parallax/plugins/agent"
)

// Config is what [agents.reviewer] may set.
type Config struct {
	DollarsPerRun float64 `json:"dollars_per_run,omitempty"` // what one run of tests costs
}

// In names the directory of a package.
type In struct {
	Path string `json:"path"`
}

func main() {
	agent.Serve(agent.Info{
		Name:          "reviewer",
		Version:       "0.1.0",
		Description:   "Says which code the failing tests of a Go package point at.",
		Deterministic: true,
		Idempotent:    true,
	}, review)
}

func review(ctx context.Context, c *agent.Call[Config], in In) (repair.Review, error) {
	bench, err := repair.NewBench(repair.Within(c.Workdir(), in.Path))
	if err != nil {
		return repair.Review{}, agent.BadInput("cannot review %s: %w", in.Path, err)
	}
	defer bench.Close()
	r, err := bench.Look(ctx)
	c.Usage(repair.Usage(bench, c.Config.DollarsPerRun))
	if err != nil {
		return r, agent.BadInput("cannot review %s: %w", in.Path, err)
	}
	c.Confidence(1, agent.Verifier)
	c.Reasoning(fmt.Sprintf("%d tests pass, %d fail", r.Passing, len(r.Failing)))
	return r, nil
}

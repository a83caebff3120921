// Senior is an agent that mends by trying: it makes one small change after another where the failing tests point, builds, runs the tests, and hands
// over the first change that satisfies all of them.
package main

import (
	"context"
	"fmt"

	"github.com/parallax-run/parallax/examples/team/repair"
	"github.com/parallax-run/parallax/plugins/agent"
)

// Config is what [agents.senior] may set.
type Config struct {
	MaxTries      int     `json:"max_tries,omitempty"`       // changes that are tried; default 100
	DollarsPerRun float64 `json:"dollars_per_run,omitempty"` // what one run of tests costs
}

func main() {
	agent.Serve(agent.Info{
		Name:          "senior",
		Version:       "0.1.0",
		Description:   "Mends by trying small changes against the tests.",
		Deterministic: true,
		Idempotent:    true,
	}, mend)
}

func mend(ctx context.Context, c *agent.Call[Config], job repair.Job) (repair.Repair, error) {
	bench, err := repair.NewBench(repair.Within(c.Workdir(), job.Path))
	if err != nil {
		return repair.Repair{}, agent.BadInput("cannot mend %s: %w", job.Path, err)
	}
	defer bench.Close()
	defer func() { c.Usage(repair.Usage(bench, c.Config.DollarsPerRun)) }()
	tries := c.Config.MaxTries
	if tries == 0 {
		tries = 100
	}
	found, err := bench.Search(ctx, job, tries, c.Progress)
	if err != nil {
		return repair.Repair{}, agent.BadInput("cannot mend %s: %w", job.Path, err)
	}
	if found.Repair == nil {
		return repair.Repair{}, agent.Refuse("none of %d small changes satisfies the tests", found.Tried)
	}
	c.Confidence(1, agent.Verifier)
	c.Reasoning(fmt.Sprintf("change %d of %d satisfies all tests", found.Tried, found.Ideas))
	return *found.Repair, nil
}

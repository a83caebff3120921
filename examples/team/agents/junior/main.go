// Junior is an agent that mends by a rule of thumb and checks nothing: a bug is a comparison that should, or should not, include its bound. It
// changes the first one in the suspected function, and the next one when its work comes back.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/parallax-run/parallax/examples/team/repair"
	"github.com/parallax-run/parallax/plugins/agent"
)

func main() {
	agent.Serve(agent.Info{
		Name:          "junior",
		Version:       "0.1.0",
		Description:   "Mends the first bound that looks wrong.",
		Deterministic: true,
		Idempotent:    true,
	}, mend)
}

func mend(_ context.Context, c *agent.Call[agent.NoConfig], job repair.Job) (repair.Repair, error) {
	if len(job.Review.Findings) == 0 {
		return repair.Repair{}, agent.Refuse("the review found nothing")
	}
	suspect := job.Review.Findings[0]
	if !filepath.IsLocal(suspect.File) {
		return repair.Repair{}, agent.BadInput("%s is not within %s", suspect.File, job.Path)
	}
	source, err := os.ReadFile(filepath.Join(repair.Within(c.Workdir(), job.Path), suspect.File))
	if err != nil {
		return repair.Repair{}, agent.BadInput("cannot read %s: %w", suspect.File, err)
	}
	ideas, err := ideas(source, suspect.Function)
	if err != nil {
		return repair.Repair{}, agent.BadInput("cannot read %s: %w", suspect.File, err)
	}
	next := 0
	if job.Work != nil {
		next = 1 + slices.IndexFunc(ideas, func(m repair.Mutation) bool { return string(m.Apply(source)) == job.Work.Source })
	}
	if next == len(ideas) {
		return repair.Repair{}, agent.Refuse("no bound in %s is left to change", suspect.Function)
	}
	idea := ideas[next]
	return repair.Repair{
		File: suspect.File, Source: string(idea.Apply(source)), Note: fmt.Sprintf("line %d: %s", idea.Line, idea.What),
	}, nil
}

// ideas are the bounds in a function that could be meant the other way.
func ideas(source []byte, function string) ([]repair.Mutation, error) {
	all, err := repair.Mutations(source)
	return slices.DeleteFunc(all, func(m repair.Mutation) bool {
		return m.Kind != repair.Boundary || m.Function != function
	}), err
}

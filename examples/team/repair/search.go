package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Found is what a search came to.
type Found struct {
	Repair *Repair // nil when no change satisfies the tests
	Tried  int     // changes, of
	Ideas  int
}

// Search tries at most so many small changes to the suspected files, and stops at the first that satisfies all tests. tell hears of its progress.
func (b *Bench) Search(ctx context.Context, job Job, tries int, tell func(share float64, note string)) (Found, error) {
	ideas, err := b.ideas(job)
	if err != nil {
		return Found{}, err
	}
	found := Found{Ideas: len(ideas)}
	if len(ideas) > tries {
		ideas = ideas[:tries]
	}
	for i, idea := range ideas {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		tell(float64(i)/float64(len(ideas)), fmt.Sprintf("change %d of %d", i+1, len(ideas)))
		good, err := b.try(ctx, idea, job.Review.Failing)
		if err != nil {
			return found, err
		}
		found.Tried++
		if good {
			found.Repair = &Repair{
				File: idea.file, Source: string(idea.Apply(idea.source)), Note: fmt.Sprintf("line %d: %s", idea.Line, idea.What),
			}
			return found, nil
		}
	}
	return found, nil
}

// idea is a change to a file.
type idea struct {
	Mutation
	file      string
	source    []byte
	suspicion float64
}

// ideas are the changes to all code that is suspected, the most suspicious first, and of these the commonest slips. Work that was
// rejected is not among them.
func (b *Bench) ideas(job Job) ([]idea, error) {
	var all []idea
	for _, file := range filesOf(job.Review.Findings) {
		source, err := b.Read(file)
		if err != nil {
			return nil, err
		}
		changes, err := Mutations(source)
		if err != nil {
			return nil, err
		}
		for _, m := range changes {
			i := idea{m, file, source, suspicion(job.Review.Findings, file, m.Line)}
			rejected := job.Work != nil && job.Work.File == file && string(m.Apply(source)) == job.Work.Source
			if i.suspicion > 0 && !rejected {
				all = append(all, i)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y idea) int {
		return cmp.Or(cmp.Compare(y.suspicion, x.suspicion), cmp.Compare(x.Kind, y.Kind))
	})
	return all, nil
}

func filesOf(findings []Finding) []string {
	var files []string
	for _, f := range findings {
		if !slices.Contains(files, f.File) {
			files = append(files, f.File)
		}
	}
	return files
}

// suspicion is that of the most suspicious finding on a line.
func suspicion(findings []Finding, file string, line int) float64 {
	most := 0.0
	for _, f := range findings {
		if f.File == file && f.Line <= line && line <= f.EndLine {
			most = max(most, f.Suspicion)
		}
	}
	return most
}

// try says whether the tests pass with a change: those that failed are asked first, the others only if it helps.
func (b *Bench) try(ctx context.Context, i idea, failing []string) (bool, error) {
	if err := b.Write(i.file, i.Apply(i.source)); err != nil {
		return false, err
	}
	defer func() { _ = b.Write(i.file, i.source) }()
	if err := b.Build(ctx); err != nil {
		if _, broken := errors.AsType[*BuildError](err); broken {
			return false, nil
		}
		return false, err
	}
	for _, which := range []string{anyOf(failing), "."} {
		c, err := b.Test(ctx, which)
		if err != nil || !c.good() {
			return false, err
		}
	}
	return true, nil
}

// anyOf is the regular expression of these tests. A part of a test is run with the whole.
func anyOf(tests []string) string {
	var names []string
	for _, t := range tests {
		name, _, _ := strings.Cut(t, "/")
		names = append(names, regexp.QuoteMeta(name))
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// Usage is what work on a bench cost.
func Usage(b *Bench, dollarsPerRun float64) agent.Usage {
	return agent.Usage{Steps: b.Runs, CostMicroUSD: int64(math.Round(float64(b.Runs) * dollarsPerRun * 1e6))}
}

package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/runtime"
)

// plan is what --dry-run prints.
type plan struct {
	Pattern string          `json:"pattern"`
	Digest  string          `json:"digest"`
	Files   []string        `json:"files"`
	Inputs  []plannedInput  `json:"inputs"`
	Given   runtime.Payload `json:"given"`
	Agents  []plannedAgent  `json:"agents"`
}

type plannedInput struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Default  string `json:"default,omitempty"` // as the script writes it
}

type plannedAgent struct {
	Name         string   `json:"name"`
	Use          string   `json:"use,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
	Named        bool     `json:"named"`      // the pattern names it; others may be found by capability
	Configured   bool     `json:"configured"` // the project has it
	Secrets      []string `json:"secrets,omitempty"`
}

// dryRun says what a run would use. Nothing is started or asked.
func (o *Options) dryRun(p *project.Project, j *Job) error {
	prog := p.Loaded.Program
	out := plan{Pattern: prog.Name, Digest: prog.Digest, Files: p.Loaded.Files, Given: j.Inputs, Inputs: []plannedInput{}, Agents: plannedAgents(p)}
	for _, param := range prog.Params() {
		in := plannedInput{Name: param.Name, Required: param.Required}
		if param.Default != nil {
			in.Default = param.Default.String()
		}
		out.Inputs = append(out.Inputs, in)
	}
	missing := p.Missing()
	if o.JSON {
		if err := cli.JSON(o.App, out); err != nil {
			return err
		}
	} else {
		o.printPlan(out)
	}
	if missing != nil {
		return &cli.Told{Code: cli.Tell(o.App, missing)}
	}
	return nil
}

func plannedAgents(p *project.Project) []plannedAgent {
	named := p.Agents()
	list := []plannedAgent{}
	for _, name := range named {
		if _, ok := p.Manifest.Agent(name); !ok {
			list = append(list, plannedAgent{Name: name, Named: true})
		}
	}
	for i := range p.Manifest.Agents {
		a := &p.Manifest.Agents[i]
		isNamed := slices.Contains(named, a.Name)
		if !isNamed && len(a.Capabilities) == 0 {
			continue
		}
		list = append(list, plannedAgent{
			Name: a.Name, Use: a.Use, Capabilities: a.Capabilities, Named: isNamed, Configured: true, Secrets: a.Secrets,
		})
	}
	return list
}

func (o *Options) printPlan(out plan) {
	var b strings.Builder
	fmt.Fprintf(&b, "pattern %s (%.12s)\n", out.Pattern, out.Digest)
	b.WriteString("inputs\n")
	for _, in := range out.Inputs {
		if in.Required {
			fmt.Fprintf(&b, "  %s (required)\n", in.Name)
		} else {
			fmt.Fprintf(&b, "  %s = %s\n", in.Name, in.Default)
		}
	}
	fmt.Fprintf(&b, "given\n  %s\n", out.Given)
	b.WriteString("agents\n")
	for _, a := range out.Agents {
		fmt.Fprintf(&b, "  %s%s\n", a.Name, a.about())
	}
	b.WriteString("nothing was called\n")
	fmt.Fprint(o.App.Out, b.String())
}

func (a *plannedAgent) about() string {
	var parts []string
	if !a.Configured {
		return ": not configured"
	}
	parts = append(parts, "use "+a.Use)
	if len(a.Capabilities) > 0 {
		parts = append(parts, "can "+strings.Join(a.Capabilities, ", "))
	}
	if !a.Named {
		parts = append(parts, "may be found by capability")
	}
	if len(a.Secrets) > 0 {
		parts = append(parts, "gets "+strings.Join(a.Secrets, ", "))
	}
	return ": " + strings.Join(parts, "; ")
}

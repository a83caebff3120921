package agents

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/plugins/host"
)

func describeCmd(o *Options) *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Start an agent and show what it offers", Example: "  parallax agents describe reviewer",
		Args: cli.Args(1, 1, "the name of one agent"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.describe(cmd.Context(), args[0]) },
	}
}

// described is what an agent offers.
type described struct {
	Agent        string          `json:"agent"`
	Name         string          `json:"name"`
	Version      string          `json:"version,omitempty"`
	Description  string          `json:"description,omitempty"`
	Detail       string          `json:"detail,omitempty"`
	Capabilities []string        `json:"capabilities,omitempty"`
	Concurrency  int             `json:"concurrency,omitempty"` // calls at a time; 0 means no limit
	Skills       []skill         `json:"skills,omitempty"`
	Config       json.RawMessage `json:"config,omitempty"` // JSON Schema of its settings
}

type skill struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Input       json.RawMessage `json:"input,omitempty"`
	Output      json.RawMessage `json:"output,omitempty"`
}

func (o *Options) describe(ctx context.Context, name string) error {
	h, _, err := o.open([]string{name})
	if err != nil {
		return err
	}
	defer h.Close()
	d, err := h.Describe(ctx, name)
	if err != nil {
		return err
	}
	out := of(d)
	if o.JSON {
		return cli.JSON(o.App, out)
	}
	_, err = fmt.Fprint(o.App.Out, out.text())
	return err
}

func of(d host.Description) described {
	out := described{
		Agent: d.Agent, Name: d.Name, Version: d.Version, Description: d.Description, Detail: d.Detail, Concurrency: d.Concurrency,
		Config: d.Config,
	}
	for _, c := range []struct {
		has  bool
		name string
	}{
		{d.InProcess, "in process"},
		{d.Streaming, "streaming"},
		{d.Interactive, "interactive"},
		{d.Deterministic, "deterministic"},
		{d.Idempotent, "idempotent"},
		{d.AtMostOnce, "at most once"},
	} {
		if c.has {
			out.Capabilities = append(out.Capabilities, c.name)
		}
	}
	for _, s := range d.Skills {
		out.Skills = append(out.Skills, skill{s.Name, s.Description, s.Input, s.Output})
	}
	return out
}

func (d *described) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.Agent, strings.TrimSpace(d.Name+" "+d.Version))
	for _, line := range []string{d.Description, d.Detail, strings.Join(d.Capabilities, ", ")} {
		if line != "" {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	if d.Concurrency > 0 {
		fmt.Fprintf(&b, "  at most %d calls at a time\n", d.Concurrency)
	}
	schema(&b, "settings", d.Config)
	for _, s := range d.Skills {
		fmt.Fprintf(&b, "skill %s\n", s.Name)
		if s.Description != "" {
			fmt.Fprintf(&b, "  %s\n", s.Description)
		}
		schema(&b, "input", s.Input)
		schema(&b, "output", s.Output)
	}
	return b.String()
}

func schema(b *strings.Builder, what string, raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, raw, "    ", "  ") != nil {
		return
	}
	fmt.Fprintf(b, "  %s\n    %s\n", what, pretty.String())
}

// Package agents is `parallax agents`: which agents a project has, what they offer, whether they are alive.
package agents

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/runtime"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	Agents string
	JSON   bool
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := cli.Group(&cobra.Command{
		Use:     "agents",
		Short:   "List, describe and ping the project's agents",
		Example: "  parallax agents list\n  parallax agents describe reviewer\n  parallax agents ping",
	}, listCmd(o), describeCmd(o), pingCmd(o))
	cmd.PersistentFlags().StringVar(&o.Agents, "agents", "", "`FILE` with [agents] that replace and join those of parallax.toml")
	cmd.PersistentFlags().BoolVar(&o.JSON, "json", false, "print JSON, one line for each agent")
	return cmd
}

// listed is an agent as the project configures it.
type listed struct {
	Name         string   `json:"name"`
	Use          string   `json:"use"`
	Command      []string `json:"command,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
	Secrets      []string `json:"secrets,omitempty"`
	Description  string   `json:"description,omitempty"`
	Sandbox      string   `json:"sandbox"` // the level at which it runs here; "none" for one without permissions
}

func listCmd(o *Options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the project's agents; starts none", Example: "  parallax agents list --json",
		Args: cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.list(cmd.Context()) },
	}
}

func (o *Options) list(ctx context.Context) error {
	m, err := project.Manifest(o.App, "", o.Agents)
	if err != nil {
		return err
	}
	if len(m.Agents) == 0 && !o.JSON {
		return o.none()
	}
	levels := o.levels(ctx, m)
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for i := range m.Agents {
		a := &m.Agents[i]
		l := listed{a.Name, a.Use, a.Command, a.Capabilities, project.Secrets(o.App, a), a.Description, levels[a.Name]}
		if o.JSON {
			if err := cli.JSON(o.App, l); err != nil {
				return err
			}
			continue
		}
		how := l.Use
		if len(l.Command) > 0 {
			how = strings.Join(l.Command, " ")
		}
		about := l.Description
		if a.Permissions != nil {
			about = strings.TrimSpace(about + " [sandbox: " + l.Sandbox + "]")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Name, how, strings.Join(l.Capabilities, ","), about)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(table.String()) {
		if _, err := fmt.Fprintln(o.App.Out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// levels says of each agent at which level it runs here. The machine is only looked at when that matters.
func (o *Options) levels(ctx context.Context, m *manifest.Manifest) map[string]string {
	levels := make(map[string]string)
	machine := sync.OnceValue(func() sandbox.Level { return sandbox.Probe(ctx, []string{o.App.Self, "__shim"}).Level })
	for _, cfg := range project.HostOptions(o.App, m).Agents {
		switch p := cfg.Policy; {
		case p == nil:
			levels[cfg.Name] = sandbox.None.String()
		case machine() < p.LeastHere():
			levels[cfg.Name] = fmt.Sprintf("refused, it needs %s and this machine gives %s", p.LeastHere(), machine())
		default:
			levels[cfg.Name] = machine().String()
		}
	}
	return levels
}

// none tells a person that there are no agents.
func (o *Options) none() error {
	_, err := fmt.Fprintf(o.App.Err, "no agents: add [agents.NAME] to %s, or run parallax init\n", manifest.FileName)
	return err
}

// open makes a host of the project's agents, which the caller closes.
func (o *Options) open(names []string) (*host.Host, *manifest.Manifest, error) {
	m, err := project.Manifest(o.App, "", o.Agents)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if _, ok := m.Agent(name); !ok {
			return nil, nil, unknown(name, m)
		}
	}
	return host.New(project.HostOptions(o.App, m)), m, nil
}

func unknown(name string, m *manifest.Manifest) error {
	hint := "parallax agents list shows those there are"
	if near := runtime.Nearest(name, m.AgentNames()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return cli.Usagef(hint, "there is no agent %q", name)
}

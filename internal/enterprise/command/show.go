package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// shown is the line that --json prints.
type shown struct {
	Run     string          `json:"run"`
	Status  string          `json:"status"`
	Pattern string          `json:"pattern"`
	Started time.Time       `json:"started"`
	Ended   *time.Time      `json:"ended,omitempty"`
	Inputs  runtime.Payload `json:"inputs,omitempty"`
	Calls   int             `json:"calls"`
	Usage   runtime.Usage   `json:"usage"`
}

// askTime is how long a worker may take to answer for a run.
const askTime = 20 * time.Second

// NewShowCmd makes `parallaxd show`.
func NewShowCmd(app *cli.App) *cobra.Command {
	m := &message{connection: connection{app: app}}
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Show what a run has done: its tree, and what it cost",
		Long: `Show a run, whether it goes on or has ended: the tree of what it did, its agent calls and what they cost. A worker of its queue tells it from the
run's history.`,
		Example: "  parallaxd show 20260504-101112-k2f7qa\n  parallaxd show audit-7 --json",
		Args:    cli.Args(1, 1, "one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.run = args[0]
			return m.at(cmd.Context(), func(client *temporal.Client) error { return m.show(cmd.Context(), client) })
		},
	}
	m.flags(cmd)
	return cmd
}

func (m *message) show(ctx context.Context, client *temporal.Client) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	state, err := client.State(ctx, m.run)
	if err != nil {
		return m.unknown(client, err)
	}
	start, err := client.Started(ctx, m.run)
	if err != nil {
		return m.unknown(client, err)
	}
	told, err := m.story(ctx, client, story.Head{
		ID: m.run, Pattern: start.Pattern.Name, Started: state.Began, Ended: state.Ended, Status: story.Status(state.Status), Inputs: start.Inputs,
	})
	if err != nil {
		return m.untold(state.Status, err)
	}
	if m.json {
		return m.showJSON(told)
	}
	fmt.Fprintf(m.app.Out, "run %s: %s\n", m.run, state.Status)
	return story.Text(m.app.Out, told, story.TextOptions{Branches: 20})
}

func (m *message) unknown(client *temporal.Client, err error) error {
	if temporal.KindOf(err) == temporal.NoRun {
		return cli.Usagef("name its namespace with --namespace", "there is no run %q in namespace %s at %s", m.run, client.Namespace, client.Address)
	}
	return m.aboutRun(client, m.run, err)
}

// untold says that there is no worker that answers for a run.
func (m *message) untold(status string, err error) error {
	return &cli.Advised{
		Err: fmt.Errorf("run %s is %s, and no worker answers for it: %w", m.run, status, err), Exit: cli.NeedsPerson,
		Hint: "start a worker of its queue: " + m.command("worker"),
	}
}

func (m *message) showJSON(told *story.Run) error {
	s := shown{
		Run: told.ID, Status: string(told.Status), Pattern: told.Pattern, Started: told.Started, Inputs: told.Inputs,
		Calls: told.Root.Calls, Usage: told.Root.Usage,
	}
	if !told.Ended.IsZero() {
		s.Ended = &told.Ended
	}
	return cli.JSON(m.app, s)
}

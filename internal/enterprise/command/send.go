package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/input"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/runtime"
)

// message is what commands share that send something to a run.
type message struct {
	connection

	run  string
	json bool
}

func (m *message) flags(cmd *cobra.Command) {
	m.connection.flags(cmd.Flags())
	cmd.Flags().BoolVar(&m.json, "json", false, "print one line of JSON")
}

// at connects for the time of do.
func (m *message) at(ctx context.Context, do func(*temporal.Client) error) error {
	blobs, err := m.store()
	if err != nil {
		return err
	}
	client, err := m.dial(ctx, blobs)
	if err != nil {
		return err
	}
	defer client.Close()
	return do(client)
}

// sent is the line that --json prints.
type sent struct {
	Run     string          `json:"run"`
	Kind    string          `json:"kind"` // signal, decision or cancel
	Address string          `json:"address,omitempty"`
	Name    string          `json:"name,omitempty"`
	Value   runtime.Payload `json:"value,omitempty"`
}

func (m *message) tell(out sent, format string, args ...any) error {
	out.Run = m.run
	if m.json {
		return cli.JSON(m.app, out)
	}
	_, err := fmt.Fprintf(m.app.Err, format+"\n", args...)
	return err
}

// NewSignalCmd makes `parallaxd signal`.
func NewSignalCmd(app *cli.App) *cobra.Command {
	m := &message{connection: connection{app: app}}
	cmd := &cobra.Command{
		Use:     "signal RUN NAME=JSON...",
		Short:   "Send a signal to a run that waits for it, now or later",
		Long:    `Send signals to a run: wait_for(NAME) takes them, those of one name in the order in which they were sent, each once.`,
		Example: "  parallaxd signal audit-7 go=true\n  parallaxd signal audit-7 'limits={\"cost\": 5}'",
		Args:    cli.Args(2, -1, "a run and a signal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.run = args[0]
			return m.signal(cmd.Context(), args[1:])
		},
	}
	m.flags(cmd)
	return cmd
}

func (m *message) signal(ctx context.Context, pairs []string) error {
	var signals []temporal.Signal
	err := input.Signals(pairs, func(name string, p runtime.Payload) { signals = append(signals, temporal.Signal{Name: name, Value: p}) })
	if err != nil {
		return err
	}
	return m.at(ctx, func(client *temporal.Client) error {
		for _, s := range signals {
			if err := client.Signal(ctx, m.run, s); err != nil {
				return m.aboutRun(client, m.run, err)
			}
			if err := m.tell(sent{Kind: "signal", Name: s.Name, Value: s.Value}, "the signal %q is on its way to run %s", s.Name, m.run); err != nil {
				return err
			}
		}
		return nil
	})
}

// NewCancelCmd makes `parallaxd cancel`.
func NewCancelCmd(app *cli.App) *cobra.Command {
	m := &message{connection: connection{app: app}}
	cmd := &cobra.Command{
		Use:     "cancel RUN",
		Short:   "End a run for good",
		Long:    "End a run for good, wherever it runs: its agents are stopped.",
		Example: "  parallaxd cancel 20260504-101112-k2f7qa",
		Args:    cli.Args(1, 1, "one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.run = args[0]
			return m.at(cmd.Context(), func(client *temporal.Client) error {
				if err := m.goesOn(cmd.Context(), client); err != nil {
					return err
				}
				if err := client.Cancel(cmd.Context(), m.run); err != nil {
					return m.aboutRun(client, m.run, err)
				}
				return m.tell(sent{Kind: "cancel"}, "run %s is being cancelled", m.run)
			})
		},
	}
	m.flags(cmd)
	return cmd
}

// goesOn refuses what is meant for a run that has ended.
func (m *message) goesOn(ctx context.Context, client *temporal.Client) error {
	s, err := client.State(ctx, m.run)
	if err != nil {
		return m.aboutRun(client, m.run, err)
	}
	if !s.Ended.IsZero() {
		return cli.Usagef(m.command("wait %s", m.run)+" tells how", "run %s has ended: %s", m.run, s.Status)
	}
	return nil
}

// approval is the command line of `parallaxd approve`.
type approval struct {
	message
	keep.Decision
}

// NewApproveCmd makes `parallaxd approve`.
func NewApproveCmd(app *cli.App) *cobra.Command {
	a := &approval{message: message{connection: connection{app: app}}}
	cmd := &cobra.Command{
		Use:   "approve RUN [[ADDRESS] CHOICE]",
		Short: "Decide what a run waits for a person to decide",
		Long: `Decide what a run waits for: CHOICE is one of the options that approve(...) gave. Without one, all that waits is listed. ADDRESS says which is
meant where several wait.`,
		Example: "  parallaxd approve audit-7\n  parallaxd approve audit-7 reject --comment \"not on a Friday\"\n  parallaxd approve audit-7 3.0/2 approve",
		Args:    cli.Args(1, 3, "a run, an address and a choice"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.run, a.Run = args[0], args[0]
			switch len(args) {
			case 2:
				a.Choice = args[1]
			case 3:
				a.Address, a.Choice = args[1], args[2]
			}
			return a.at(cmd.Context(), func(client *temporal.Client) error { return a.decide(cmd.Context(), client) })
		},
	}
	cmd.Flags().StringVar(&a.Comment, "comment", "", "`text` for the pattern and the record")
	a.flags(cmd)
	return cmd
}

func (a *approval) decide(ctx context.Context, client *temporal.Client) error {
	if err := a.goesOn(ctx, client); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	waits, err := client.Waiting(ctx, a.run)
	if err != nil {
		return a.untold("running", err)
	}
	list := approvals(a.run, waits)
	if a.Choice == "" {
		return keep.ListApprovals(a.app, a.run, list, a.json)
	}
	a.Show = a.command("show %s", a.run)
	w, value, err := a.Among(a.app, list)
	if err != nil {
		return err
	}
	if err := client.Decide(ctx, a.run, temporal.Decide{Run: w.Run, Address: w.At, Value: value}); err != nil {
		return a.aboutRun(client, a.run, err)
	}
	return a.tell(sent{Kind: "decision", Address: w.Address, Name: w.Title, Value: value}, "%q is decided in run %s: %s", w.Title, a.run, a.Choice)
}

// approvals gives what a run waits for as people see it, in the order of addresses.
func approvals(root string, waits []temporal.Waiting) []keep.Waiting {
	list := make([]keep.Waiting, len(waits))
	for i, w := range waits {
		list[i] = keep.Waiting{
			Run: w.Run, At: w.Address, Address: strings.TrimPrefix(w.Run+"/"+w.Address, root+"/"),
			Title: w.Title, By: w.By, Options: w.Options, Context: w.Context,
		}
	}
	slices.SortFunc(list, func(a, b keep.Waiting) int { return strings.Compare(a.Address, b.Address) })
	return list
}

package resume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/runtime"
)

// message is what commands share that send something to a run.
type message struct {
	app  *cli.App
	keep keep.Options
	json bool
	run  string // its id, or the beginning of it
}

// sent is the line that --json prints.
type sent struct {
	Run     string          `json:"run"`
	Status  badger.Status   `json:"status"`
	Live    bool            `json:"live"` // a process goes on with the run and gets the message now
	Kind    string          `json:"kind"`
	Address string          `json:"address,omitempty"`
	Name    string          `json:"name,omitempty"`
	Value   runtime.Payload `json:"value,omitempty"`
}

func (m *message) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&m.json, "json", false, "print one line of JSON: run, status, and what was sent")
	m.keep.Flags(cmd.Flags())
}

// open gives the store and the record of the run, which has not ended.
func (m *message) open(ctx context.Context) (*badger.Store, badger.Record, error) {
	store, err := m.keep.OpenHere(ctx, m.app)
	if err != nil {
		return nil, badger.Record{}, err
	}
	r, err := store.Record(m.run)
	if err == nil && r.Parent != "" {
		if r, err = store.Record(r.Parent); err == nil {
			m.run = r.ID
		}
	}
	if err == nil && r.Status.Final() {
		err = hasEnded(&r)
	}
	if err != nil {
		return nil, r, errors.Join(err, store.Close())
	}
	return store, r, nil
}

// hasEnded says that nothing can be sent to a run any more.
func hasEnded(r *badger.Record) error {
	return &cli.UsageError{Message: fmt.Sprintf("run %s has ended: %s", r.ID, r.Status), Hint: "parallax runs show " + r.ID + " tells how"}
}

// missed tells of a run that ended after its record was read; other errors stay.
func missed(store *badger.Store, id string, err error) error {
	if !errors.Is(err, badger.ErrEnded) {
		return err
	}
	r, lost := store.Record(id)
	if lost != nil {
		return errors.Join(err, lost)
	}
	return hasEnded(&r)
}

// tell says what was sent, and what the run does about it.
func (m *message) tell(r *badger.Record, out sent, what string) error {
	out.Run, out.Status, out.Live = r.ID, r.Status, r.Holder != 0
	if m.json {
		return cli.JSON(m.app, out)
	}
	next := "process " + fmt.Sprint(r.Holder) + " goes on with it"
	if r.Holder == 0 {
		next = (&cli.SuspendedError{Run: r.ID, State: m.keep.State}).Command("resume %s") + " goes on with it"
	}
	fmt.Fprintf(m.app.Err, "%s; %s\n", what, next)
	return nil
}

// NewSignalCmd makes `parallax signal`.
func NewSignalCmd(app *cli.App) *cobra.Command {
	m := &message{app: app}
	cmd := &cobra.Command{
		Use:   "signal RUN NAME [JSON]",
		Short: "Send a signal to a run that waits for it, now or later",
		Long: `Send a signal to a kept run: wait_for(NAME) takes it. Signals of one name are taken in the order in which they were sent, each once. A run that is
suspended takes it when it is resumed. The value is JSON, null unless given.`,
		Example: `  parallax signal 2026 go
  parallax signal 2026 limits '{"cost": 5}'`,
		Args: cli.Args(2, 3, "a run, the signal's name and its value"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.run = args[0]
			text := "null"
			if len(args) == 3 {
				text = args[2]
			}
			return m.signal(cmd.Context(), args[1], text)
		},
	}
	m.flags(cmd)
	return cmd
}

func (m *message) signal(ctx context.Context, name, text string) error {
	value, err := keep.SignalValue(name, text)
	if err != nil {
		return err
	}
	store, r, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Send(r.ID, badger.Message{Kind: keep.SignalMessage, Name: name, Value: value}); err != nil {
		return missed(store, r.ID, err)
	}
	if err := m.unawaited(store, &r, name); err != nil {
		return err
	}
	return m.tell(&r, sent{Kind: keep.SignalMessage, Name: name, Value: value}, fmt.Sprintf("the signal %q is on its way to run %s", name, r.ID))
}

// unawaited says for what signals a run waits now if this one is not among them: the name may be mistyped, or be wanted later.
func (m *message) unawaited(store *badger.Store, r *badger.Record, name string) error {
	family, err := keep.Family(store, r.ID)
	if err != nil {
		return err
	}
	names := keep.Awaited(family)
	if len(names) == 0 || slices.Contains(names, name) {
		return nil
	}
	for i := range names {
		names[i] = strconv.Quote(names[i])
	}
	fmt.Fprintf(m.app.Err, "run %s waits for %s now, and keeps %q until it asks for that\n", r.ID, strings.Join(names, ", "), name)
	return nil
}

// approval is the command line of `parallax approve`.
type approval struct {
	message
	address, choice, comment string
}

// NewApproveCmd makes `parallax approve`.
func NewApproveCmd(app *cli.App) *cobra.Command {
	a := &approval{message: message{app: app}}
	cmd := &cobra.Command{
		Use:   "approve RUN [[ADDRESS] CHOICE]",
		Short: "Decide what a run waits for a person to decide",
		Long: `Decide what a kept run waits for: CHOICE is one of the options that approve(...) gave. Without one, all that waits is listed. ADDRESS says which is
meant where several wait. A run that is suspended learns of it when it is resumed.`,
		Example: `  parallax approve 2026
  parallax approve 2026 reject --comment "not on a Friday"
  parallax approve 2026 3.0/2 approve`,
		Args: cli.Args(1, 3, "a run, an address and a choice"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.run = args[0]
			switch len(args) {
			case 1:
				return a.list(cmd.Context())
			case 2:
				a.choice = args[1]
			case 3:
				a.address, a.choice = args[1], args[2]
			}
			return a.decide(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&a.comment, "comment", "", "`text` for the pattern and the record")
	a.flags(cmd)
	return cmd
}

func (a *approval) list(ctx context.Context) error {
	store, r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	list, err := keep.Undecided(store, r.ID)
	if err != nil {
		return err
	}
	return keep.ListApprovals(a.app, r.ID, list, a.json)
}

func (a *approval) decide(ctx context.Context) error {
	store, r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	list, err := keep.Undecided(store, r.ID)
	if err != nil {
		return err
	}
	w, value, err := keep.Decision{Run: r.ID, Address: a.address, Choice: a.choice, Comment: a.comment, Show: "parallax runs show " + r.ID}.Among(a.app, list)
	if err != nil {
		return err
	}
	if err := store.Send(w.Run, badger.Message{Kind: keep.DecisionMessage, Addr: w.At, Value: value}); err != nil {
		if errors.Is(err, badger.ErrExists) { // since the list was made
			return &cli.UsageError{Message: fmt.Sprintf("%q: it is decided already", w.Title), Hint: "parallax approve " + r.ID + " says by whom"}
		}
		return missed(store, r.ID, err)
	}
	out := sent{Kind: keep.DecisionMessage, Address: w.Address, Name: w.Title, Value: value}
	return a.tell(&r, out, fmt.Sprintf("%q is decided in run %s: %s", w.Title, r.ID, a.choice))
}

package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/cli/run"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// launch is what the command lines of run and wait say.
type launch struct {
	run.Options
	connection

	detach bool
}

func newLaunch(app *cli.App) *launch {
	return &launch{Options: run.Options{App: app}, connection: connection{app: app}}
}

// NewRunCmd makes `parallaxd run`.
func NewRunCmd(app *cli.App) *cobra.Command {
	l := newLaunch(app)
	cmd := &cobra.Command{
		Use:   "run [PATTERN]",
		Short: "Run a pattern on the cluster",
		Long: `Run a pattern on the cluster, and wait for its result. The pattern and its inputs are read and checked here; agents are those of the workers.
The result, errors and exit codes are those of parallax run.

Ctrl-C leaves the run as it is: parallaxd wait comes back to it, parallaxd cancel ends it.`,
		Example: `  parallaxd run review.star --input path=./src
  parallaxd run audit.star --detach --id audit-7 && parallaxd wait audit-7`,
		Args: cli.Args(0, 1, "one pattern"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				l.Pattern = args[0]
			}
			l.Seeded = cmd.Flags().Changed("seed")
			return l.Reported(l.run(cmd.Context()))
		},
	}
	f := cmd.Flags()
	l.Options.Flags(f)
	l.connection.flags(f)
	l.queueFlag(f)
	f.BoolVar(&l.detach, "detach", false, "print the id of the run, and do not wait for it")
	return cmd
}

// NewWaitCmd makes `parallaxd wait`.
func NewWaitCmd(app *cli.App) *cobra.Command {
	l := newLaunch(app)
	cmd := &cobra.Command{
		Use:     "wait RUN",
		Short:   "Wait for a run to end, and print its result",
		Example: "  parallaxd wait 20260504-101112-k2f7qa\n  parallaxd wait audit-7 --json",
		Args:    cli.Args(1, 1, "one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.ID = args[0]
			return l.Reported(l.wait(cmd.Context()))
		},
	}
	l.connection.flags(cmd.Flags())
	cmd.Flags().BoolVar(&l.JSON, "json", false, "print one line of JSON: run, status, result or error, usage")
	return cmd
}

func (l *launch) run(ctx context.Context) error {
	if err := l.Identify(); err != nil {
		return err
	}
	p, err := project.Open(l.App, l.Pattern, "")
	if err != nil {
		return err
	}
	j, err := l.Prepare(ctx, p)
	if err != nil {
		return p.Sourced(err)
	}
	blobs, err := l.writable()
	if err != nil {
		return err
	}
	client, err := l.dial(ctx, blobs)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := l.start(ctx, client, blobs, p, j); err != nil {
		return err
	}
	if l.detach {
		return l.detached()
	}
	return l.follow(ctx, client, p)
}

// start starts the run.
func (l *launch) start(ctx context.Context, client *temporal.Client, blobs temporal.Dir, p *project.Project, j *run.Job) error {
	pinned, err := l.patterns(blobs).Put(p.Loaded)
	if err != nil {
		return err
	}
	s := temporal.Start{
		Pattern: pinned, Inputs: j.Inputs, Seed: l.Seed, Limits: j.Bounds.Limits, Budget: j.Bounds.Budget, Tagged: client.Tagged(ctx),
	}
	for _, signal := range j.Signals {
		s.Signals = append(s.Signals, temporal.Signal{Name: signal.Name, Value: signal.Value})
	}
	if j.Timeout > 0 {
		fmt.Fprintf(l.App.Err, "parallaxd: the timeout of %s does not bind runs on a cluster; --limit time=%s does\n", manifest.FileName, j.Timeout)
	}
	client.New = true
	if _, err := client.Run(ctx, l.ID, s); err != nil {
		return l.aboutRun(client, l.ID, err)
	}
	if served, err := client.Served(ctx); err == nil && !served {
		fmt.Fprintf(l.App.Err, "parallaxd: no worker serves queue %s yet, and run %s waits for one: %s\n", l.queue, l.ID, l.command("worker --queue %s", l.queue))
	}
	return nil
}

// detached prints the id of a run that nobody waits for.
func (l *launch) detached() error {
	if l.JSON {
		return cli.JSON(l.App, struct {
			Run    string `json:"run"`
			Status string `json:"status"`
			Seed   uint64 `json:"seed"`
		}{l.ID, "running", l.Seed})
	}
	_, err := fmt.Fprintln(l.App.Out, l.ID)
	return err
}

func (l *launch) wait(ctx context.Context) error {
	blobs, err := l.store()
	if err != nil {
		return err
	}
	client, err := l.dial(ctx, blobs)
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := client.Started(ctx, l.ID)
	if err != nil {
		return l.aboutRun(client, l.ID, err)
	}
	l.Seed = s.Seed
	p := &project.Project{Manifest: &manifest.Manifest{}}
	if p.Loaded, err = l.patterns(blobs).Get(s.Pattern.Digest); err != nil {
		return fmt.Errorf("the pattern of run %s: %w", l.ID, err)
	}
	return l.follow(ctx, client, p)
}

// Pauses of those who wait.
const (
	again = time.Second     // before a server that is away is asked again
	look  = 5 * time.Second // after which it is looked whether anything holds the run up
)

// follow waits for the run's end and prints its result.
func (l *launch) follow(ctx context.Context, client *temporal.Client, p *project.Project) error {
	result, err := l.await(ctx, client)
	if ctx.Err() != nil {
		return &cli.Advised{
			Err: fmt.Errorf("run %s goes on without this command", l.ID), Exit: cli.Suspended,
			Hint: l.command("wait %s", l.ID) + " comes back to it, " + l.command("cancel %s", l.ID) + " ends it",
		}
	}
	if temporal.KindOf(err) != temporal.Other {
		return l.aboutRun(client, l.ID, err)
	}
	return l.Print(l.tally(ctx, client), result, p.Sourced(err))
}

// await waits for the run's end or that of ctx, and says meanwhile what holds it up.
func (l *launch) await(ctx context.Context, client *temporal.Client) (runtime.Payload, error) {
	said := ""
	for {
		short, cancel := context.WithTimeout(ctx, look)
		result, err := client.Wait(short, l.ID)
		late := short.Err() != nil
		cancel()
		if ctx.Err() != nil || !late && temporal.KindOf(err) != temporal.Away {
			return result, err
		}
		if trouble := l.trouble(ctx, client); trouble != "" && trouble != said {
			said = trouble
			fmt.Fprintln(l.App.Err, "parallaxd:", trouble)
		}
		if late {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// trouble says what holds the run up, or "".
func (l *launch) trouble(ctx context.Context, client *temporal.Client) string {
	ctx, cancel := context.WithTimeout(ctx, look)
	defer cancel()
	why, err := client.HeldUp(ctx, l.ID)
	switch {
	case temporal.KindOf(err) == temporal.Away:
		return fmt.Sprintf("the server at %s is away; waiting for it", client.Address)
	case err == nil && why != "":
		return fmt.Sprintf("run %s is held up, and goes on when this is mended: %s", l.ID, why)
	}
	return ""
}

// tallyTime is how long a worker may take to say what a run took.
const tallyTime = 5 * time.Second

// tally says what the run took, as far as that is to be had.
func (l *launch) tally(ctx context.Context, client *temporal.Client) screen.Tally {
	t := screen.Tally{}
	if !l.JSON {
		return t
	}
	ctx, cancel := context.WithTimeout(ctx, tallyTime)
	defer cancel()
	if s, err := client.State(ctx, l.ID); err == nil {
		t.Started, t.Ended = s.Began, s.Ended
	}
	told, err := l.story(ctx, client, story.Head{ID: l.ID, Status: story.Done})
	if err != nil {
		return t
	}
	t.Calls, t.Usage = told.Root.Calls, told.Root.Usage
	if !told.Root.Begun.IsZero() {
		t.Started = told.Root.Begun
	}
	return t
}

// story tells a run from what is recorded of it.
func (c *connection) story(ctx context.Context, client *temporal.Client, head story.Head) (*story.Run, error) {
	facts, err := client.Facts(ctx, head.ID)
	if err != nil {
		return nil, err
	}
	return story.Tell(story.Kept{Head: head, Facts: facts[head.ID]}, children(head.ID, facts)...), nil
}

func children(root string, facts map[string][]runtime.Fact) []story.Kept {
	var list []story.Kept
	for id, of := range facts {
		if id != root {
			list = append(list, story.Kept{Head: story.Head{ID: id}, Facts: of})
		}
	}
	return list
}

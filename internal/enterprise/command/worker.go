package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/plugins/host"
)

var _ temporal.Agents = (*host.Host)(nil)

// service is what the command line of a worker says.
type service struct {
	connection

	dir        string
	agents     string // file
	only       string
	deployment string
	build      string
	current    bool
	newAgents  bool
	drain      time.Duration
	calls      int
}

// NewWorkerCmd makes `parallaxd worker`.
func NewWorkerCmd(app *cli.App) *cobra.Command {
	s := &service{connection: connection{app: app}}
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Serve a task queue: run patterns, and ask the agents of parallax.toml",
		Long: `Serve a task queue of a Temporal cluster: run the patterns that others start there, and ask the agents of this machine's parallax.toml.
All workers of a queue need the same [agents]. An agent with queue = "NAME" is asked on workers with --only NAME, and nowhere else.

SIGTERM and Ctrl-C let the calls that are under way end before the worker does; a second one ends it at once. What is cut off is done again by
another worker.

With --deployment and --build the worker is versioned: a run stays with workers of the build under which it began, and --current lets new runs go
to this one.`,
		Example: `  parallaxd worker --temporal temporal:7233 --blobs /srv/blobs
  parallaxd worker --only gpu --dir /srv/project
  parallaxd worker --deployment review --build 2026-05-04 --current`,
		Args: cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.serve(cmd.Context()) },
	}
	f := cmd.Flags()
	s.connection.flags(f)
	s.queueFlag(f)
	f.StringVar(&s.dir, "dir", "", "`DIR` of the project whose parallax.toml names the agents; else this one")
	f.StringVar(&s.agents, "agents", "", "`FILE` with [agents] that replace and join those of parallax.toml")
	f.StringVar(&s.only, "only", "", "ask only agents with this `QUEUE` in parallax.toml, and run no patterns")
	f.StringVar(&s.deployment, "deployment", "", "`NAME` of the deployment of a versioned worker")
	f.StringVar(&s.build, "build", "", "`ID` of its build")
	f.BoolVar(&s.current, "current", false, "let new runs go to this build")
	f.BoolVar(&s.newAgents, "new-agents", false, "the [agents] of the queue have changed, and all its other workers were stopped")
	f.DurationVar(&s.drain, "drain", 30*time.Second, "how long calls that are under way may take when the worker ends")
	f.IntVar(&s.calls, "calls", 0, "agent calls at a time; 1000 unless given")
	return cmd
}

// serve serves until ctx ends.
func (s *service) serve(ctx context.Context) error {
	m, err := s.check()
	if err != nil {
		return err
	}
	blobs, err := s.writable()
	if err != nil {
		return err
	}
	client, err := s.dial(ctx, blobs)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := s.enroll(blobs, client, m); err != nil {
		return err
	}
	log := s.log()
	if err := client.Prepare(ctx, client.Namespace); err != nil {
		log.WarnContext(ctx, "runs cannot be tagged: the namespace lacks our search attributes and does not let us add them", slog.Any("error", err))
	}
	opts := project.HostOptions(s.app, m)
	opts.Log = log
	h := host.New(opts)
	defer h.Close()
	return s.work(ctx, client, blobs, m, h)
}

// check says what is wrong with the command line, and gives the agents.
func (s *service) check() (*manifest.Manifest, error) {
	switch {
	case (s.deployment == "") != (s.build == ""):
		return nil, cli.Usagef("a versioned worker needs both", "--deployment and --build go together")
	case s.current && s.build == "":
		return nil, cli.Usagef("give --deployment NAME and --build ID too", "--current needs a build")
	case s.drain < 0:
		return nil, cli.Usagef("give a duration such as 30s", "--drain %s is negative", s.drain)
	case s.calls < 0:
		return nil, cli.Usagef("give a whole number from 1", "--calls %d is negative", s.calls)
	}
	if s.dir != "" {
		dir := s.dir
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(s.app.Dir, dir)
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, cli.Usagef("give the directory of a project with "+manifest.FileName, "--dir: there is no directory %s", s.dir)
		}
	}
	m, err := project.Manifest(s.app, s.dir, s.agents)
	if err != nil || s.only == "" {
		return m, err
	}
	m.Agents = slices.DeleteFunc(m.Agents, func(a manifest.Agent) bool { return a.Queue != s.only })
	if len(m.Agents) == 0 {
		return nil, cli.Usagef(fmt.Sprintf("write queue = %q below [agents.NAME] in %s", s.only, manifest.FileName), "--only: no agent has the queue %q", s.only)
	}
	return m, nil
}

// work serves with agents that are there.
func (s *service) work(ctx context.Context, client *temporal.Client, blobs temporal.Dir, m *manifest.Manifest, h *host.Host) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	queues := queuesOf(m)
	agents := &leaving{Agents: h, left: make(chan struct{})}
	w := temporal.NewWorker(client.Temporal, temporal.WorkerConfig{
		Queue: s.queue, Only: s.only, Patterns: s.patterns(blobs), Agents: agents,
		QueueOf: func(agent string) string { return queues[agent] }, Ready: h.Start,
		Deployment: s.deployment, Build: s.build, Calls: s.calls,
		Drain: s.drain + time.Hour, // it is here that it ends sooner
		Fatal: func(err error) { fail(&stopped{err}) },
	})
	if err := w.Start(); err != nil {
		return s.notConnected(&temporal.DialError{Kind: temporal.KindOf(err), Address: client.Address, Namespace: client.Namespace, Err: err})
	}
	if err := s.makeCurrent(ctx, client); err != nil {
		s.leave(w.Stop, agents)
		return err
	}
	fmt.Fprintf(s.app.Err, "parallaxd: serving queue %s of namespace %s at %s with %s\n", s.queueName(), client.Namespace, client.Address, list(m.AgentNames()))
	<-ctx.Done()
	cause := context.Cause(ctx)
	fmt.Fprintf(s.app.Err, "parallaxd: %v: calls that are under way may take %s more; a second signal ends them at once\n", cause, s.drain)
	s.leave(w.Stop, agents)
	if fatal, ok := cause.(*stopped); ok { //nolint:errorlint // it is ours
		return fatal
	}
	return nil
}

// stopped says that the server ended the worker.
type stopped struct{ err error }

func (e *stopped) Error() string { return "the worker was stopped: " + e.err.Error() }

func (e *stopped) Unwrap() error { return e.err }

func (s *service) queueName() string {
	if s.only == "" {
		return s.queue
	}
	return temporal.QueueOf(s.queue, s.only)
}

// currentTime is how long the server may take to learn of a new build.
const currentTime = 30 * time.Second

func (s *service) makeCurrent(ctx context.Context, client *temporal.Client) error {
	if !s.current {
		return nil
	}
	late := time.After(currentTime)
	for {
		err := client.MakeCurrent(ctx, s.deployment, s.build)
		if k := temporal.KindOf(err); err == nil || k == temporal.Denied || k == temporal.Away {
			return err
		}
		select {
		case <-late:
			return err
		case <-ctx.Done():
			return err
		case <-time.After(again / 5):
		}
	}
}

func queuesOf(m *manifest.Manifest) map[string]string {
	queues := make(map[string]string)
	for i := range m.Agents {
		queues[m.Agents[i].Name] = m.Agents[i].Queue
	}
	return queues
}

// Package mcp is `parallax mcp`: it serves patterns as tools of the Model Context Protocol.
package mcp

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/run"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	Patterns []string
	Address  string // to serve HTTP at; "" is standard input and output
	Run      run.Options
}

// tokenEnv is the environment variable with the token that clients of HTTP must have.
const tokenEnv = "PARALLAX_MCP_TOKEN"

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app, Run: run.Options{App: app, Quiet: true}}
	kept := false
	cmd := &cobra.Command{
		Use:   "mcp [PATTERN...]",
		Short: "Serve patterns as MCP tools",
		Long: `Serve patterns as tools of the Model Context Protocol, to editors, assistants and other programs that speak it. Without a PATTERN
those of the folder of parallax.toml are served: all its .star files that have a main.

A pattern's inputs are the tool's, its docstring says what it does, its result is the tool's answer. What a run does on the way is the tool's
progress, what a pattern asks people is put to the client's user, and a client that cancels its call ends the run.

The protocol goes over standard input and output. With --http it is served on this machine at http://ADDRESS/mcp, to clients that send the
token of ` + tokenEnv + `, or one that is made and told on standard error, as Authorization: Bearer TOKEN.`,
		Example: `  parallax mcp
  parallax mcp review.star ask.star --limit calls=50
  parallax mcp --http 127.0.0.1:8080
  parallax mcp github.com/acme/debate@v1.2.0 --agents agents.toml`,
		Args: cli.Args(0, -1, "patterns"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Patterns = args
			o.Run.Choose(cmd.Flags(), kept)
			return o.Serve(cmd.Context())
		},
	}
	o.flags(cmd.Flags(), &kept)
	return cmd
}

func (o *Options) flags(f *pflag.FlagSet, kept *bool) {
	f.StringVar(&o.Address, "http", "", "serve HTTP at this `address` of this machine, such as 127.0.0.1:8080, instead of standard input and output")
	f.StringVar(&o.Run.Agents, "agents", "", "`FILE` with [agents] that replace and join those of parallax.toml")
	f.DurationVar(&o.Run.Timeout, "timeout", 0, "end a run after this `duration`, such as 90s")
	f.StringArrayVar(&o.Run.Limits, "limit", nil, "bound each run, `name=N`, as parallax run does; may be repeated")
	f.BoolVar(&o.Run.Anew, "no-cache", false, "ask every agent, also where ask(cache=...) would take an earlier answer")
	f.BoolVar(kept, "keep", false, "record the runs, so that they can be resumed, replayed and looked at; --keep=false does not")
	o.Run.Allow.Flags(f)
	o.Run.Keep.Flags(f)
	o.Run.Keep.WritingFlags(f)
}

// maxRuns bounds how many runs go on at a time; more wait.
const maxRuns = 16

// service is the patterns, and what their runs share.
type service struct {
	*Options

	root  context.Context // ends with the command
	tools []*tool
	turn  chan struct{} // a token for each run
	gone  atomic.Bool   // the client on standard input has closed it

	mu    sync.Mutex
	crews map[string]*crew         // by path of the manifest
	users map[string]*user         // by run
	store map[string]*badger.Store // by path of the manifest; nil where runs are not recorded
}

// Serve loads the patterns and serves them until ctx ends or the client goes, neither of which is an error.
func (o *Options) Serve(ctx context.Context) error {
	address, err := o.address()
	if err != nil {
		return err
	}
	s := &service{
		Options: o, root: ctx, turn: make(chan struct{}, maxRuns),
		crews: make(map[string]*crew), users: make(map[string]*user), store: make(map[string]*badger.Store),
	}
	defer s.close()
	if s.tools, err = o.load(ctx); err != nil {
		return err
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "parallax", Version: o.App.Version}, nil)
	for _, t := range s.tools {
		server.AddTool(t.tool, s.handler(t))
	}
	if address != "" {
		return s.serveHTTP(ctx, server, address)
	}
	fmt.Fprintf(o.App.Err, "serving %s on standard input and output\n", s.count())
	return s.serveStreams(ctx, server)
}

func (s *service) count() string {
	if len(s.tools) == 1 {
		return "the pattern " + s.tools[0].tool.Name
	}
	return fmt.Sprintf("%d patterns", len(s.tools))
}

// close ends what the runs shared. None of them goes on any more.
func (s *service) close() {
	for range cap(s.turn) {
		s.turn <- struct{}{}
	}
	for _, c := range s.crews {
		_ = c.crew.Close()
	}
	for _, store := range s.store {
		if store != nil {
			_ = store.Close()
		}
	}
}

// grace is how long requests get to end when the service does.
const grace = 2 * time.Second

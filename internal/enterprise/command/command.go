// Package command is the commands of parallaxd: workers of a cluster, and the way to the runs there. What they share with parallax they take
// from package cli and those below it, so that a command line means the same here and there.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
)

// Program is what parallaxd says of itself.
func Program() cli.Program {
	return cli.Program{
		Name:    "parallaxd",
		Short:   "Run teams of AI agents on a cluster",
		Example: "  parallaxd worker --temporal temporal:7233 --blobs /srv/blobs\n  parallaxd run review.star --temporal temporal:7233 --blobs /srv/blobs --input path=./src",
	}
}

// Variables of the environment that stand for flags. Those of the connection are Temporal's own.
const blobsVariable = "PARALLAX_BLOBS"

// connection is the part of a command line that says where the cluster is.
type connection struct {
	app       *cli.App
	address   string
	namespace string
	blobs     string
	queue     string
}

func (c *connection) flags(f *pflag.FlagSet) {
	f.StringVar(&c.address, "temporal", "", "`HOST:PORT` of the Temporal server; else TEMPORAL_ADDRESS")
	f.StringVar(&c.namespace, "namespace", "", "`NAME` of the namespace there; else TEMPORAL_NAMESPACE")
	f.StringVar(&c.blobs, "blobs", "", "`DIR` that all machines of the cluster share, for patterns and large values; else "+blobsVariable)
}

func (c *connection) queueFlag(f *pflag.FlagSet) {
	f.StringVar(&c.queue, "queue", temporal.DefaultQueue, "`NAME` of the task queue")
}

// command is a command line to the same cluster.
func (c *connection) command(format string, args ...any) string {
	var line strings.Builder
	fmt.Fprintf(&line, c.app.Name()+" "+format, args...)
	for _, f := range []struct{ name, value string }{{"temporal", c.address}, {"namespace", c.namespace}, {"blobs", c.blobs}} {
		if f.value != "" {
			fmt.Fprintf(&line, " --%s %s", f.name, f.value)
		}
	}
	return line.String()
}

// store gives the directory of blobs.
func (c *connection) store() (temporal.Dir, error) {
	dir := c.blobs
	if dir == "" {
		dir = c.app.Getenv(blobsVariable)
	}
	if dir == "" {
		return "", cli.Usagef("give --blobs DIR, a directory that all machines of the cluster share, or set "+blobsVariable, "it is not said where patterns and large values are kept")
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(c.app.Dir, dir)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", cli.Usagef("mount it, or make it: mkdir -p "+dir, "--blobs: there is no directory %s", dir)
	}
	return temporal.Dir(dir), nil
}

// writable is store for those who write there.
func (c *connection) writable() (temporal.Dir, error) {
	dir, err := c.store()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(string(dir), ".probe-*")
	if err != nil {
		return "", cli.Usagef("let this user write there", "--blobs: %s cannot be written: %v", dir, errors.Unwrap(err))
	}
	return dir, errors.Join(f.Close(), os.Remove(f.Name()))
}

// dial connects to the cluster.
func (c *connection) dial(ctx context.Context, blobs temporal.Dir) (*temporal.Client, error) {
	client, err := temporal.Dial(ctx, temporal.Connection{Address: c.address, Namespace: c.namespace, Blobs: blobs, Log: c.log()})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.notConnected(err)
	}
	client.Queue = c.queue
	return client, nil
}

// patterns gives the patterns that are kept in the directory of blobs.
func (c *connection) patterns(blobs temporal.Dir) *temporal.Patterns {
	return &temporal.Patterns{Blobs: blobs, Environment: c.app.Environment, Options: project.PatternOptions(c.app)}
}

// notConnected says what to do about a *temporal.DialError.
func (c *connection) notConnected(err error) error {
	e, ok := errors.AsType[*temporal.DialError](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case temporal.BadSettings:
		return &cli.Advised{Err: err, Exit: cli.Usage, Hint: "mend the TEMPORAL_... variables or temporal.toml, or leave them out and give --temporal HOST:PORT"}
	case temporal.NoNamespace:
		return &cli.Advised{Err: err, Exit: cli.Usage, Hint: "name another with --namespace, or make it: temporal operator namespace create --namespace " + e.Namespace}
	case temporal.Denied:
		return &cli.Advised{Err: err, Exit: cli.NeedsPerson, Hint: "set TEMPORAL_API_KEY, or TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"}
	case temporal.Away:
		return &cli.Advised{Err: err, Exit: cli.NeedsPerson, Hint: "start one, or say where it is with --temporal HOST:PORT or TEMPORAL_ADDRESS; a server that wants TLS needs TEMPORAL_TLS=true"}
	case temporal.Other, temporal.NoRun, temporal.Exists:
	}
	return &cli.Advised{Err: err, Exit: cli.NeedsPerson, Hint: "say where it is with --temporal HOST:PORT"}
}

// aboutRun says what to do about an error of the cluster that is about a run.
func (c *connection) aboutRun(client *temporal.Client, id string, err error) error {
	switch temporal.KindOf(err) {
	case temporal.NoRun:
		return &cli.Advised{
			Err: fmt.Errorf("there is no run %q that goes on in namespace %s at %s", id, client.Namespace, client.Address), Exit: cli.Usage,
			Hint: c.command("show %s", id) + " tells whether it ever was",
		}
	case temporal.Exists:
		return &cli.Advised{
			Err: fmt.Errorf("run %s was started before", id), Exit: cli.Usage,
			Hint: c.command("wait %s", id) + " gives its result; another --id begins another run",
		}
	case temporal.Away, temporal.Denied, temporal.NoNamespace, temporal.BadSettings:
		return c.notConnected(&temporal.DialError{Kind: temporal.KindOf(err), Address: client.Address, Namespace: client.Namespace, Err: err})
	case temporal.Other:
	}
	return err
}

func list(names []string) string {
	if len(names) == 0 {
		return "no agents"
	}
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%d agents: %s, ...", len(names), strings.Join(names[:most], ", "))
	}
	noun := "agents"
	if len(names) == 1 {
		noun = "agent"
	}
	return fmt.Sprintf("%d %s: %s", len(names), noun, strings.Join(names, ", "))
}

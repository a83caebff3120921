package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/edition"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

func TestExitCodesGoByTheKindOfError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want cli.Exit
	}{
		{nil, cli.Done},
		{&runtime.Error{Code: runtime.Script}, cli.PatternFailed},
		{&runtime.Error{Code: runtime.Timeout}, cli.PatternFailed},
		{errors.New("the disk is full"), cli.PatternFailed},
		{&cli.UsageError{}, cli.Usage},
		{&runtime.InputError{}, cli.Usage},
		{&manifest.Error{}, cli.Usage},
		{&manifest.LimitError{}, cli.Usage},
		{&pattern.PathError{}, cli.Usage},
		{&runtime.SourceError{}, cli.Source},
		{&pattern.SourceError{}, cli.Source},
		{errors.Join(&host.StartError{Agent: "a"}, &host.StartError{Agent: "b"}), cli.AgentStart},
		{&runtime.Error{Code: runtime.Limit}, cli.OverLimit},
		{&runtime.Error{Code: runtime.BudgetSpent}, cli.OverLimit},
		{&runtime.Error{Code: runtime.Cancelled}, cli.Stopped},
		{context.Canceled, cli.Stopped},
		{&local.NeedsPerson{}, cli.NeedsPerson},
		{&runtime.HostError{Err: &local.NeedsPerson{}}, cli.NeedsPerson},
		{&runtime.Error{Code: runtime.Refused, Cause: &host.NeedsPersonError{}}, cli.NeedsPerson},
		{edition.NeedsServer(edition.Deploy), cli.NeedsPerson},
		{&cli.Told{Code: cli.Suspended}, cli.Suspended},
	} {
		require.Equal(t, c.want, cli.ExitOf(c.err), "%T", c.err)
		if c.err != nil {
			require.Equal(t, c.want, cli.ExitOf(&cli.SourcedError{Err: c.err}), "%T with a source", c.err)
			require.Equal(t, c.want, cli.ExitOf(fmt.Errorf("run: %w", c.err)), "%T wrapped", c.err)
		}
	}
}

func told(err error) string {
	var b bytes.Buffer
	cli.Tell(&cli.App{Dir: "/project", Err: &b}, err)
	return b.String()
}

func TestAFailureSaysWhatWhereAndTheNextStep(t *testing.T) {
	t.Parallel()
	failed := &runtime.Error{
		Code: runtime.Refused, Message: `agent "vet": refused`, Hint: "ask nicely",
		Trace: []runtime.Frame{{Func: "main", Pos: "a.star:3:5"}, {Func: "work", Pos: "a.star:1:2", Branch: "1.0"}, {Func: "ask", Branch: "1.0"}},
	}
	excerpt := func(pos, message string) string { return pos + ": " + message + "\n    the line" }
	require.Equal(t, `parallax: a.star:1:2: agent "vet": refused
    the line
Traceback (most recent call last):
  a.star:3:5: in main
  in branch 1.0:
  a.star:1:2: in work
  <builtin>: in ask
  hint: ask nicely
`, told(&cli.SourcedError{Err: failed, Excerpt: excerpt}))
}

func TestSeveralFailuresAreAllTold(t *testing.T) {
	t.Parallel()
	require.Equal(t, `parallax: agent "a": is not there
  hint: start it
parallax: agent "b": is not there either
`, told(errors.Join(
		&host.StartError{Agent: "a", Problem: "is not there", Hint: "start it"},
		&host.StartError{Agent: "b", Problem: "is not there either"},
	)))
	require.Equal(t, `parallax: sub/parallax.toml:2:3: no
    x = 	1
      ^
  hint: yes
`, told(&manifest.Error{Problems: []manifest.Problem{
		{File: "/project/sub/parallax.toml", Pos: manifest.Pos{Line: 2, Col: 3}, Message: "no", Hint: "yes", Source: "x = \t1"},
	}}))
}

func TestWhatWasToldIsNotToldAgain(t *testing.T) {
	t.Parallel()
	require.Empty(t, told(&cli.Told{Code: cli.Source}))
	require.Equal(t, "parallax: cancelled\n", told(runtime.ErrCancelled()))
}

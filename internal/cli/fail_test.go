package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/edition"
	"github.com/parallax-run/parallax/internal/engine"
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
		{&engine.NeedsPerson{}, cli.NeedsPerson},
		{&runtime.HostError{Err: &engine.NeedsPerson{}}, cli.NeedsPerson},
		{&runtime.Error{Code: runtime.Refused, Cause: &host.NeedsPersonError{}}, cli.NeedsPerson},
		{edition.NeedsServer(edition.Deploy), cli.NeedsPerson},
		{&cli.Told{Code: cli.Suspended}, cli.Suspended},
		{&cli.SuspendedError{Err: &engine.Suspension{}}, cli.Suspended},
		{&cli.SuspendedError{Err: &badger.Full{Err: errors.New("x")}}, cli.Suspended},
		{&cli.SuspendedError{Err: &runtime.HostError{Err: &engine.NeedsPerson{}}}, cli.NeedsPerson},
		{&engine.Diverged{}, cli.PatternFailed},
		{&badger.Held{}, cli.Usage},
		{&badger.Newer{}, cli.Usage},
		{fmt.Errorf("run x: %w", badger.ErrNotFound), cli.Usage},
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

func TestASuspendedRunSaysHowItGoesOn(t *testing.T) {
	t.Parallel()
	of := func(err error) string {
		return told(&cli.SuspendedError{Run: "r1", State: "here", Err: &runtime.HostError{Err: err}})
	}
	require.Equal(t, `parallax: run r1 is suspended: it was interrupted
  hint: parallax resume r1 --state here goes on with it
`, of(&engine.Suspension{Why: "it was interrupted"}))
	require.Equal(t, `parallax: run r1 is suspended: "Go?" needs a person
  hint: parallax approve r1 CHOICE --state here; then parallax resume r1 --state here
`, of(&engine.NeedsPerson{What: `"Go?" needs a person`}))
	require.Equal(t, `parallax: run r1 is suspended: it waits for the signal "go"
  hint: parallax signal r1 go JSON --state here; then parallax resume r1 --state here
`, of(&engine.NeedsPerson{What: "x", Signal: "go"}))
	require.Equal(t, `parallax: run r1 is suspended: there is no room to write to /disk/db (no space left on device)
  hint: make room there; then parallax resume r1 --state here
`, of(fmt.Errorf("the run cannot be recorded: %w", &badger.Full{Path: "/disk/db", Err: errors.New("no space left on device")})))
}

func TestARunThatFindsNoRoomToBeginSaysWhere(t *testing.T) {
	t.Parallel()
	write := errors.Join(errors.New("write /disk/blobs/new: no space left on device"), nil)
	failures := cli.Explain(".", fmt.Errorf("x: %w", &badger.Full{Path: "/disk/blobs", Err: fmt.Errorf("blob d6: %w", write)}))
	require.Equal(t, []cli.Failure{{
		Exit: cli.PatternFailed,
		What: "x: no room to write to /disk/blobs (blob d6: write /disk/blobs/new: no space left on device): make room there, or run parallax gc",
	}}, failures)
}

func TestARunThatWentAnotherWaySaysWhere(t *testing.T) {
	t.Parallel()
	other := &runtime.HostError{
		Err: &engine.Diverged{
			Run: "r1", Addr: runtime.Address{Path: "1.0", N: 2}, Recorded: `{"for":"1s"}`, Asked: `{"for":"2s"}`,
		},
		Trace: []runtime.Frame{{Func: "main", Pos: "a.star:3:5"}, {Func: "work", Pos: "a.star:1:2", Branch: "1.0"}},
	}
	excerpt := func(pos, message string) string { return pos + ": " + message + "\n    the line" }
	require.Equal(t, `parallax: a.star:1:2: the run went another way than before
    the line
  address   1.0/2 of run r1
  recorded  {"for":"1s"}
  asked     {"for":"2s"}
  hint: parallax replay r1 --from 1 begins a new run that does what follows anew
`, told(&cli.SourcedError{Err: other, Excerpt: excerpt}))
}

func TestWhatWentAnotherWayIsDoneAnewFromTheOutermostFork(t *testing.T) {
	t.Parallel()
	for place, from := range map[engine.Diverged]string{
		{Run: "r1", Addr: runtime.Address{N: 3}}:                    "3",
		{Run: "r1", Addr: runtime.Address{Path: "2.1", N: 3}}:       "2",
		{Run: "r1", Addr: runtime.Address{Path: "2.1.4.0", N: 3}}:   "2",
		{Run: "r1/4", Addr: runtime.Address{N: 1}}:                  "4/1",
		{Run: "r1/4", Addr: runtime.Address{Path: "2.0", N: 1}}:     "4/2",
		{Run: "r1/1.0/2", Addr: runtime.Address{N: 1}}:              "1",
		{Run: "r1/4/5.6/1", Addr: runtime.Address{Path: "7", N: 1}}: "4/5",
	} {
		require.Contains(t, told(&place), "hint: parallax replay r1 --from "+from+" begins a new run")
		again := &cli.ReplayError{Run: "old", Against: "new.star", State: "here", Err: &place}
		hint := "hint: parallax replay old --from " + from + " --against new.star --state here begins a new run"
		require.Contains(t, told(again), hint)
		require.Contains(t, told(&cli.SuspendedError{Run: "r1", Err: again}), hint)
		require.Contains(t, told(&cli.SuspendedError{Run: "r1", Err: &place}), "hint: the language has changed under it: parallax replay r1 --from "+from+" does")
	}
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

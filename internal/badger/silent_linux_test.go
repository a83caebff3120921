package badger

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// held is a store that another process owns, as this one sees it, and that process.
func held(t *testing.T, ctx context.Context, patience time.Duration) (s *Store, owner *process, told chan *Silent) {
	t.Helper()
	dir := t.TempDir()
	owner = start(t, dir, "hold")
	require.Equal(t, "open", owner.line())
	told = make(chan *Silent, 10)
	s, err := OpenFor(ctx, dir, Options{Patience: patience, Silent: func(e *Silent) { told <- e }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Create(Record{ID: "r", Status: Running}))
	return s, owner, told
}

func (p *process) stop() {
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGSTOP))
	require.Eventually(p.t, func() bool { return stopped(p.cmd.Process.Pid) }, time.Minute, time.Millisecond)
}

func (p *process) goOn() { require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGCONT)) }

// saysWho checks that an error names the process that was stopped, and why it is not waited for any longer.
func saysWho(t *testing.T, err error, owner *process, why error) {
	t.Helper()
	var silent *Silent
	require.ErrorAs(t, err, &silent)
	require.Equal(t, owner.cmd.Process.Pid, silent.PID)
	require.True(t, silent.Stopped)
	require.Equal(t, why, silent.Err)
}

func TestAStoppedOwnerIsGivenUpInTheEnd(t *testing.T) {
	t.Parallel()
	s, owner, told := held(t, t.Context(), 200*time.Millisecond)
	owner.stop()
	_, err := s.Record("r")
	saysWho(t, err, owner, nil)
	saysWho(t, <-told, owner, nil)
	_, err = s.Record("r")
	saysWho(t, err, owner, nil)

	_, err = Open(s.dir, Options{Patience: 200 * time.Millisecond})
	saysWho(t, err, owner, nil)

	owner.goOn()
	again, err := Open(s.dir, Options{})
	require.NoError(t, err)
	r, err := again.Record("r")
	require.NoError(t, err)
	require.Equal(t, Lost, r.Status, "nobody has it")
	require.Equal(t, owner.cmd.Process.Pid, again.Owner(), "there are two owners")
	require.NoError(t, again.Close())
	owner.end()
}

func TestAnOwnerThatGoesOnIsWaitedFor(t *testing.T) {
	t.Parallel()
	s, owner, told := held(t, t.Context(), time.Minute)
	l, err := s.Lease("r")
	require.NoError(t, err)
	owner.stop()
	kept := make(chan error, 1)
	go func() { kept <- l.Append("r", done("", 1, "1")) }()
	saysWho(t, <-told, owner, nil)
	owner.goOn()
	require.NoError(t, <-kept)
	facts, err := s.Facts("r")
	require.NoError(t, err)
	require.Len(t, facts, 1)
	require.NoError(t, l.Release())
	require.Empty(t, told, "it was told more than once")
	owner.end()
}

func TestWhoWantsToEndDoesNotWaitForAStoppedOwner(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	s, owner, _ := held(t, ctx, 0)
	owner.stop()
	asked := make(chan error, 2)
	go func() {
		_, err := s.Record("r")
		asked <- err
	}()
	go func() {
		_, err := OpenFor(ctx, s.dir, Options{})
		asked <- err
	}()
	end()
	for range 2 {
		saysWho(t, <-asked, owner, context.Canceled)
	}
	owner.goOn()
	owner.end()
}

// TestASlowAnswerIsNoSilence has an owner that is there, and takes its time.
func TestASlowAnswerIsNoSilence(t *testing.T) {
	t.Parallel()
	s, owner, told := held(t, t.Context(), time.Minute)
	s.mu.Lock()
	l := s.backend.(*link)
	s.mu.Unlock()
	require.True(t, s.greets(l))
	owner.stop()
	require.Eventually(t, func() bool { return !s.greets(l) }, time.Minute, time.Millisecond)
	owner.goOn()
	require.Eventually(t, func() bool { return s.greets(l) }, time.Minute, time.Millisecond)
	require.Empty(t, told)
	owner.end()
}

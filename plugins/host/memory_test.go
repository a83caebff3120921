package host

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// notes is a Memory that hosts of one test share.
type notes map[string][]byte

func (n notes) Recall(key string) []byte { return n[key] }

func (n notes) Change(key string, change func([]byte) []byte) { n[key] = change(n[key]) }

func TestHostsRememberExits(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	book := notes{}
	fresh := func() *process { return &process{now: func() time.Time { return now }, memory: book} }
	for range breakerExits {
		fresh().exited("with status 3") // each by a host of its own
	}
	p := fresh()
	p.recall()
	require.Len(t, p.exits, breakerExits)
	require.Equal(t, breakerPause, p.notBefore.Sub(now))
	require.Equal(t, "with status 3", p.last)

	now = now.Add(breakerWindow + time.Second)
	p = fresh()
	p.recall()
	p.forgetExits()
	require.Empty(t, p.exits)
	require.True(t, p.notBefore.Before(now))

	now = now.Add(-24 * time.Hour) // somebody sets the clock back
	p = fresh()
	p.recall()
	require.Empty(t, p.exits)
	require.True(t, p.notBefore.IsZero())

	for key := range book {
		book[key] = []byte("garbage")
	}
	p = fresh()
	p.recall()
	require.Empty(t, p.exits)
}

func TestAStartThatFailsOfTheMachineIsNotTheProgramsFault(t *testing.T) {
	t.Parallel()
	p := &process{host: &Host{ctx: t.Context()}}
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN} {
		require.True(t, p.blameless(&StartError{Cause: os.NewSyscallError("pipe2", err)}))
	}
	require.True(t, p.blameless(ErrClosed))
	require.False(t, p.blameless(&StartError{Cause: syscall.ENOENT}))
	require.False(t, p.blameless(errors.New("it printed rubbish")))
}

func TestAnEditedProgramIsAnotherOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "agent.py")
	require.NoError(t, os.WriteFile(script, []byte("1"), 0o600))
	p := &process{cmd: command{argv: []string{"python3", "agent.py"}, dir: dir}}
	before := p.memoryKey()
	require.Equal(t, before, p.memoryKey())
	require.NoError(t, os.WriteFile(script, []byte("22"), 0o600))
	require.NotEqual(t, before, p.memoryKey())
}

func TestTroubleWithAProcessIsNotThatOfAProvider(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{&StartError{Agent: "a"}, exitError{os.ErrClosed}} {
		var p interface{ OfProcess() bool }
		require.ErrorAs(t, &runtime.Error{Cause: cause}, &p)
		require.True(t, p.OfProcess())
	}
	require.ErrorIs(t, exitError{os.ErrClosed}, os.ErrClosed)
}

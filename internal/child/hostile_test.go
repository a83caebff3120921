package child_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/child"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/testkit/notebook"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// message is a frame: its length, its kind and its fields.
func message(kind byte, fields ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(fields)+1))
	return append(append(b, kind), fields...)
}

// liar is a child that compiles like any other and then, when it is given a run, says what it was told to say.
func liar(says func(branch byte) []byte) func() (*child.Process, error) {
	return func() (*child.Process, error) {
		honestIn, toHonest := io.Pipe()
		in, toChild := io.Pipe()
		fromChild, out := io.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = child.Serve(honestIn, out, runtime.Environment{Builtins: builtins.All()})
		})
		wg.Go(func() {
			defer toHonest.Close()
			for {
				var head [4]byte
				if _, err := io.ReadFull(in, head[:]); err != nil {
					return
				}
				body := make([]byte, binary.LittleEndian.Uint32(head[:]))
				if _, err := io.ReadFull(in, body); err != nil {
					return
				}
				const compile, run = 1, 2
				switch body[0] {
				case compile:
					_, _ = toHonest.Write(append(head[:], body...))
				case run:
					_, _ = out.Write(says(body[2])) // behind the program's number
				}
			}
		})
		end := sync.OnceFunc(func() {
			_ = toChild.Close()
			_ = fromChild.Close()
			_ = in.Close()
		})
		return &child.Process{In: toChild, Out: fromChild, Kill: end, Wait: func() error { wg.Wait(); return errors.New("it was ended") }}, nil
	}
}

// agents count how often they are asked.
type agents struct {
	mu    sync.Mutex
	asked int
}

func (a *agents) Call(context.Context, runtime.Call) (runtime.Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	return runtime.Answer{Value: runtime.Null}, nil
}

func (a *agents) Info(name string) (runtime.AgentInfo, bool) {
	return runtime.AgentInfo{Name: name}, true
}
func (a *agents) Lookup(string) []runtime.AgentInfo { return nil }

// program compiles one file in a child.
func program(t *testing.T, start func() (*child.Process, error), text string) *runtime.Program {
	t.Helper()
	x := &child.Interpreter{Start: start, Env: runtime.Environment{Builtins: builtins.All()}}
	t.Cleanup(x.Close)
	f, err := runtime.Parse("main.star", []byte(text))
	require.NoError(t, err)
	p, err := x.Compile([]*runtime.File{f}, func(_, label string) string { return label })
	require.NoError(t, err)
	return p
}

// TestALiarIsEnded has children say what no honest one can: the run ends with the host's trouble, at once, whatever it was.
func TestALiarIsEnded(t *testing.T) {
	t.Parallel()
	const (
		compiled, ended, effect, fork, next, cancel, counted, labels, fits, alive = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
		sleep, emit                                                               = 3, 8
	)
	many := func(n int, b []byte) []byte {
		var all []byte
		for range n {
			all = append(all, b...)
		}
		return all
	}
	for name, says := range map[string]func(branch byte) []byte{
		"a length and nothing":      func(byte) []byte { return []byte{0xff, 0xff, 0xff, 0xff} },
		"an empty message":          func(byte) []byte { return []byte{0, 0, 0, 0} },
		"no message there is":       func(b byte) []byte { return message(99, b) },
		"a branch there is not":     func(byte) []byte { return message(effect, 200, 1, sleep, 0) },
		"a program nobody gave":     func(byte) []byte { return message(compiled, 77, 0) },
		"a number that is cut off":  func(byte) []byte { return message(effect, 0x80) },
		"an effect there is not":    func(b byte) []byte { return message(effect, b, 99) },
		"a sleep into the past":     func(b byte) []byte { return message(effect, b, sleep, 1) },
		"an effect with a tail":     func(b byte) []byte { return message(effect, b, sleep, 0, 7) },
		"an event of the engine's":  func(b byte) []byte { return message(effect, append([]byte{b, emit, 8}, "run.done\x00\x00"...)...) },
		"data that is no JSON":      func(b byte) []byte { return message(effect, append([]byte{b, emit, 3}, "log\x01x\x01\x02{]"...)...) },
		"two effects at once":       func(b byte) []byte { return many(2, message(effect, b, sleep, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0x3e)) },
		"two ends":                  func(b byte) []byte { return many(2, message(ended, b, 0, 0)) },
		"an end of no kind":         func(b byte) []byte { return message(ended, b, 9) },
		"a result that is no JSON":  func(b byte) []byte { return message(ended, b, 0, 1, 2, '{', ']') },
		"a fork with an order of 9": func(b byte) []byte { return message(fork, b, 1, 0, 0, 0, 9, 0, 0, 0, 2) },
		"a fork of a billion":       func(b byte) []byte { return message(fork, b, 1, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xa8, 0xd6, 0xb9, 7) },
		"one fork twice":            func(b byte) []byte { return many(2, message(fork, b, 1, 0, 0, 2, 0, 0, 0, 0, 2)) },
		"an end before its fork's": func(b byte) []byte {
			return append(message(fork, b, 1, 0, 0, 2, 0, 0, 0, 0, 2), message(ended, b, 0, 0)...)
		},
		"the next of no fork":        func(b byte) []byte { return message(next, b, 5) },
		"the end of no fork":         func(b byte) []byte { return message(cancel, b, 5, 0) },
		"labels nobody asked for":    func(b byte) []byte { return message(labels, b, 1, 0, 0) },
		"a shape nobody asked about": func(b byte) []byte { return message(fits, b, 1) },
		"a count with a quote":       func(b byte) []byte { return message(counted, append([]byte{b, 3}, "a\"b\x01\x01\x04null"...)...) },
		"a flood":                    func(b byte) []byte { return append(many(100_000, message(alive, b)), message(effect, b, 99)...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &agents{}
			eng := &local.Engine{Agents: a}
			p := program(t, liar(says), "def main():\n    return 1\n")
			_, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p})
			var host *runtime.HostError
			if name == "two ends" && err == nil {
				return // the second came when nobody listened to this branch any more
			}
			require.ErrorAs(t, err, &host)
			require.Contains(t, err.Error(), "the process that interprets the pattern said what it cannot say")
			require.Zero(t, a.asked)
		})
	}
}

// TestALiarThatFillsItsMailboxIsEnded: the parent waits for labels, which stand behind what it has no room for.
func TestALiarThatFillsItsMailboxIsEnded(t *testing.T) {
	t.Parallel()
	const fork, alive, labelled = 4, 10, 1
	start := liar(func(b byte) []byte {
		all := message(fork, b, 1, 0, 0, 2, 0, 0, 0, labelled, 2)
		for range 100 {
			all = append(all, message(alive, b)...)
		}
		return all
	})
	var worked atomic.Int64
	p := program(t, func() (*child.Process, error) {
		p, err := start()
		p.Worked = func() time.Duration { return time.Duration(worked.Add(int64(time.Second))) }
		return p, err
	}, "def main():\n    return 1\n")
	eng := &local.Engine{Agents: &agents{}, Keep: &notebook.Notebook{}}
	_, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p})
	require.ErrorContains(t, err, "the pattern was ended in its process")
}

// stubborn says that a branch works, again and again, from when it is set.
type stubborn struct {
	io.Reader

	branch, ended atomic.Int32
	rest          []byte
}

func (s *stubborn) Read(b []byte) (int, error) {
	const alive = 10
	for len(s.rest) == 0 {
		if s.ended.Load() != 0 {
			return 0, io.EOF
		}
		if branch := s.branch.Load(); branch != 0 {
			s.rest = message(alive, byte(branch))
		} else if n, err := s.Reader.Read(b); n > 0 || err != nil {
			return n, err
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// TestALiarThatDoesNotStopIsEnded: it works and works when its run was cancelled long ago.
func TestALiarThatDoesNotStopIsEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s stubborn
	start := liar(func(b byte) []byte {
		s.branch.Store(int32(b))
		cancel()
		return nil
	})
	var worked atomic.Int64
	p := program(t, func() (*child.Process, error) {
		p, err := start()
		s.Reader, p.Out = p.Out, &s
		kill := p.Kill
		p.Kill = func() { s.ended.Store(1); kill() }
		p.Worked = func() time.Duration { return time.Duration(worked.Add(int64(time.Millisecond))) }
		return p, err
	}, "def main():\n    return 1\n")
	eng := &local.Engine{Agents: &agents{}}
	_, err := eng.Run(ctx, engine.Run{ID: "r", Program: p})
	require.ErrorContains(t, err, "it did not stop when it was told to")
}

// TestAChildThatEndsIsStartedAgain: a run that comes after one that ended the process has another.
func TestAChildThatEndsIsStartedAgain(t *testing.T) {
	t.Parallel()
	first := true
	start := func() (*child.Process, error) {
		if first {
			first = false
			return liar(func(b byte) []byte { return message(99, b) })()
		}
		return honest()
	}
	p := program(t, start, "def main():\n    return 1\n")
	eng := &local.Engine{Agents: &agents{}}
	_, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p})
	require.Error(t, err)
	result, err := eng.Run(t.Context(), engine.Run{ID: "r", Program: p})
	require.NoError(t, err)
	require.Equal(t, "1", result.String())
}

// TestCancellationReachesAChildThatComputes: nothing that it waits for tells it.
func TestCancellationReachesAChildThatComputes(t *testing.T) {
	t.Parallel()
	p := program(t, honest, "def main():\n    for _ in range(1 << 40):\n        for _ in range(1000):\n            pass\n")
	ctx, cancel := context.WithCancel(t.Context())
	eng := &local.Engine{Agents: &agents{}}
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	defer cancel()
	const endless = 1 << 60
	_, err := eng.Run(ctx, engine.Run{ID: "r", Program: p, Config: runtime.Config{Limits: runtime.Limits{Steps: endless, StepsInARow: endless, Bytes: endless}}})
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, runtime.Cancelled, e.Code)
	require.Contains(t, e.Trace[0].Pos, "main.star:")
}

// honest is a child in this process.
func honest() (*child.Process, error) {
	in, toChild := io.Pipe()
	fromChild, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := child.Serve(in, out, runtime.Environment{Builtins: builtins.All()})
		_ = in.CloseWithError(err)
		_ = out.CloseWithError(err)
	}()
	end := sync.OnceFunc(func() {
		_ = toChild.Close()
		_ = fromChild.Close()
	})
	return &child.Process{In: toChild, Out: fromChild, Kill: end, Wait: func() error { <-done; return nil }}, nil
}

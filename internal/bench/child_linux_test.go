package bench_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	_ "github.com/parallax-run/parallax/cmd/first"             // is the shim
	_ "github.com/parallax-run/parallax/cmd/first/interpreter" // is the interpreter
	"github.com/parallax-run/parallax/internal/child"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/plugins/host/interpreter"
	px "github.com/parallax-run/parallax/runtime"
)

// apart is a child as parallax starts it, and the time of processors that it has used.
type apart struct {
	child.Interpreter
	worked func() time.Duration
}

func newApart(b *testing.B) *apart {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	starter := &interpreter.Starter{Command: []string{self, interpreter.Word}, Shim: []string{self, "__shim"}}
	a := &apart{Interpreter: child.Interpreter{Env: px.Environment{Builtins: builtins.All()}}}
	a.Start = func() (*child.Process, error) {
		p, err := starter.Start()
		if err == nil {
			a.worked = p.Worked
		}
		return p, err
	}
	b.Cleanup(a.Close)
	return a
}

func used(b *testing.B, who int) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(who, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBesideAChild runs the same pattern here and in a child, parent and child together.
func BenchmarkBesideAChild(b *testing.B) {
	for _, c := range []struct {
		name, file, inputs string
	}{
		{"fan-out 1,000", "fanout.star", `{"n":1000}`},
		{"fan-out 10,000", "fanout.star", `{"n":10000}`},
		{"chain of 1,000", "chain.star", `{"n":1000}`},
		{"consensus of five", "consensus.star", `{}`},
	} {
		r := engine.Run{ID: "bench", Inputs: px.Payload(c.inputs)}
		b.Run(c.name+"/here", func(b *testing.B) {
			e := inProcess(b)
			r.Program = load(b, c.file)
			before := used(b, syscall.RUSAGE_SELF)
			for b.Loop() {
				_, err := e.Run(b.Context(), r)
				require.NoError(b, err)
			}
			b.ReportMetric(float64((used(b, syscall.RUSAGE_SELF)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
		b.Run(c.name+"/child", func(b *testing.B) {
			e, x := inProcess(b), newApart(b)
			loaded, err := pattern.Load(filepath.Join("testdata", c.file), x.Env, pattern.Options{Apart: x.Compile, Elsewhere: func(string) bool { return true }})
			require.NoError(b, err)
			r.Program = loaded.Program
			before, childs := used(b, syscall.RUSAGE_SELF)+x.worked(), x.worked()
			for b.Loop() {
				_, err := e.Run(b.Context(), r)
				require.NoError(b, err)
			}
			b.ReportMetric(float64((x.worked()-childs).Microseconds())/1000/float64(b.N), "childs-ms/op")
			b.ReportMetric(float64((used(b, syscall.RUSAGE_SELF)+x.worked()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkStartAChild starts one, compiles a pattern, runs it and ends.
func BenchmarkStartAChild(b *testing.B) {
	e := inProcess(b)
	before := used(b, syscall.RUSAGE_SELF) + used(b, syscall.RUSAGE_CHILDREN)
	for b.Loop() {
		x := newApart(b)
		loaded, err := pattern.Load(filepath.Join("testdata", "consensus.star"), x.Env, pattern.Options{Apart: x.Compile, Elsewhere: func(string) bool { return true }})
		require.NoError(b, err)
		_, err = e.Run(b.Context(), engine.Run{ID: "bench", Program: loaded.Program})
		require.NoError(b, err)
		x.Close()
	}
	b.ReportMetric(float64((used(b, syscall.RUSAGE_SELF)+used(b, syscall.RUSAGE_CHILDREN)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

package builtins_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/testkit/fakefx"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestScripts runs testdata/acting/*.star. A file is chunks between lines of `---`, each a program of its own: with a main, or a body for
// one. An error is expected on the line that says ### and a quoted regular expression; it matches "code: message".
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/acting/*.star")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".star"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			line := 1
			for chunk := range strings.SplitSeq(string(text), "\n---\n") {
				first := line
				t.Run(fmt.Sprintf("line %d", first), func(t *testing.T) {
					t.Parallel()
					runChunk(t, file, first, chunk)
				})
				line += strings.Count(chunk, "\n") + 2
			}
		})
	}
}

var expectation = regexp.MustCompile(`### ("(?:[^"\\]|\\.)*")`)

// runChunk runs one program and compares how it ends with what its comments say.
func runChunk(t *testing.T, file string, line int, chunk string) {
	t.Helper()
	want := make(map[int]string)
	for i, text := range strings.Split(chunk, "\n") {
		if m := expectation.FindStringSubmatch(text); m != nil {
			pattern, err := strconv.Unquote(m[1])
			require.NoError(t, err)
			want[line+i] = pattern
		}
	}
	at, got := 0, ""
	synctest.Test(t, func(t *testing.T) {
		prog, offset, err := compileChunk(filepath.Base(file), line, chunk)
		if err == nil {
			_, err = puppets().Run(t.Context(), prog, nil, runtime.Config{Seed: 7})
		}
		at, got = place(err)
		at -= offset
	})
	switch pattern, expected := want[at]; {
	case got == "" && len(want) > 0:
		t.Errorf("%s: no error, want %v", file, want)
	case got == "":
	case !expected:
		t.Errorf("%s:%d: unexpected error: %s", file, at, got)
	case !regexp.MustCompile(pattern).MatchString(got):
		t.Errorf("%s:%d: error %q does not match %q", file, at, got, pattern)
	}
}

// compileChunk makes a program of a chunk; offset is by how much its lines are too high.
func compileChunk(name string, line int, chunk string) (p *runtime.Program, offset int, err error) {
	src := strings.Repeat("\n", line-1)
	if strings.Contains(chunk, "def main(") {
		src += chunk
	} else {
		offset = 1
		src += "def main():\n    " + strings.ReplaceAll(chunk, "\n", "\n    ") + "\n    pass\n"
	}
	p, err = compile(name, src)
	return p, offset, err
}

func compile(name, src string) (*runtime.Program, error) {
	f, err := runtime.Parse(name, []byte(src))
	if err != nil {
		return nil, err
	}
	env := runtime.Environment{Builtins: builtins.All()}
	env.Builtins["eq"] = starlark.NewBuiltin("eq", eq)
	env.Builtins["near"] = starlark.NewBuiltin("near", near)
	return runtime.Compile([]*runtime.File{f}, nil, env)
}

// eq fails unless its two arguments are equal, or print alike.
func eq(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	same, err := starlark.Equal(args[0], args[1])
	if err != nil {
		return nil, err
	}
	if !same && args[0].String() != args[1].String() {
		return nil, fmt.Errorf("got %s, want %s", args[0], args[1])
	}
	return starlark.None, nil
}

// near fails unless two numbers differ by at most 1e-9, or by what is given.
func near(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	tolerance := 1e-9
	if len(args) == 3 {
		tolerance, _ = starlark.AsFloat(args[2])
	}
	got, isNumber := starlark.AsFloat(args[0])
	want, _ := starlark.AsFloat(args[1])
	if !isNumber || !(math.Abs(got-want) <= tolerance) {
		return nil, fmt.Errorf("got %s, want about %s", args[0], args[1])
	}
	return starlark.None, nil
}

// place gives the line of an error, that of its innermost frame with a position, and its text.
func place(err error) (line int, text string) {
	if err == nil {
		return 0, ""
	}
	var e *runtime.Error
	if !errors.As(err, &e) {
		return 0, err.Error()
	}
	for _, f := range e.Trace {
		if parts := strings.Split(f.Pos, ":"); len(parts) == 3 {
			line, _ = strconv.Atoi(parts[1])
		}
	}
	text = string(e.Code) + ": " + e.Message
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return line, text
}

// puppet is what a script tells an agent to do, through the inputs of ask.
type puppet struct {
	After      float64           `json:"after"` // seconds of work
	Value      runtime.Payload   `json:"value"` // to answer
	Answers    []runtime.Payload // one for each call with that task; the last repeats
	Confidence *float64          `json:"confidence"`
	Reasoning  string            `json:"reasoning"`
	Error      runtime.Code      `json:"error"`  // to end in
	Errors     int               `json:"errors"` // how often, 0 means always
	Final      bool              `json:"final"`  // the error is not retryable
	Cost       int64             `json:"cost"`
}

// puppets is a world of agents that do as they are told.
func puppets() *fakefx.World {
	var mu sync.Mutex
	calls := make(map[string]int)
	return &fakefx.World{
		Agents:  map[string][]string{"chat": {"gamma", "alpha", "beta"}},
		Signals: map[string][]runtime.Payload{"go": {runtime.Payload("1"), runtime.Payload(`{"n":2}`)}},
		Left:    map[runtime.BudgetUnit]runtime.Payload{runtime.BudgetCalls: runtime.Payload("3"), runtime.BudgetCost: runtime.Payload("0.25")},
		Child: func(c runtime.ChildRun) (runtime.Payload, error) {
			return runtime.Payload(fmt.Sprintf(`{"from":%q,"inputs":%s,"pattern":%q}`, c.From, c.Inputs, c.Pattern)), nil
		},
		Approve: func(a runtime.Approval) (runtime.Payload, error) {
			if a.By == "nobody" {
				return nil, runtime.Errorf(runtime.Timeout, "nobody decided %q", a.Title)
			}
			last := a.Options[len(a.Options)-1]
			return runtime.Payload(fmt.Sprintf(`{"by":"ada","choice":%q,"comment":%q}`, last, a.Timeout)), nil
		},
		Ask: func(ctx context.Context, _ runtime.Address, c runtime.AgentCall) (runtime.Answer, error) {
			var p puppet
			if err := json.Unmarshal(c.Input, &p); err != nil {
				return runtime.Answer{}, err
			}
			fakefx.Wait(ctx, time.Duration(p.After*float64(time.Second)))
			mu.Lock()
			calls[c.Agent+c.Task]++
			n := calls[c.Agent+c.Task]
			mu.Unlock()
			if p.Error != "" && (p.Errors == 0 || n <= p.Errors) {
				return runtime.Answer{}, &runtime.Error{Code: p.Error, Message: c.Task + " went wrong", Retryable: !p.Final}
			}
			a := runtime.Answer{Value: p.Value, Confidence: p.Confidence, Reasoning: p.Reasoning}
			a.Usage = runtime.Usage{InputTokens: 10, OutputTokens: 5, CostMicroUSD: p.Cost}
			if len(p.Answers) > 0 {
				a.Value = p.Answers[min(n, len(p.Answers))-1]
			}
			switch {
			case c.Task == "feedback?":
				a.Value = runtime.Payload(strconv.Quote(c.Feedback))
			case a.Value == nil:
				a.Value = runtime.Payload(strconv.Quote(c.Task))
			}
			return a, nil
		},
	}
}

package limiter_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/internal/limiter"
	"github.com/parallax-run/parallax/runtime"
)

// TestMain makes this test binary also a process that calls agents: calls DIR LOG, holds DIR, fails DIR DETAILS.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		os.Exit(child(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

func child(args []string) int {
	if len(args) != 3 {
		return 2
	}
	var err error
	switch args[0] {
	case "calls":
		err = tenCalls(args[1], args[2])
	case "holds":
		err = hold(args[1])
	case "fails":
		err = fail(args[1], args[2])
	default: // never the tests: they would start themselves again and again
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// office is agents of which all do the same.
type office func(context.Context, runtime.Call) (runtime.Answer, error)

func (o office) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) { return o(ctx, c) }

func (office) Info(name string) (runtime.AgentInfo, bool) {
	return runtime.AgentInfo{Name: name, Instant: true}, true
}

func (o office) Lookup(string) []runtime.AgentInfo {
	a, _ := o.Info("a")
	b, _ := o.Info("free")
	return []runtime.AgentInfo{a, b}
}

// within puts limits before an agent called a.
func within(dir string, o office, of ...limiter.Limit) limiter.Agents {
	return limiter.New(limiter.Options{Dir: dir}).Agents(o, map[string][]limiter.Limit{"a": of})
}

func ask(name string) runtime.Call {
	return runtime.Call{AgentCall: runtime.AgentCall{Agent: name, Task: "do"}}
}

func provider(n int) limiter.Limit {
	return limiter.Limit{Kind: limiter.Provider, Name: "main", Identity: "x", Concurrency: n}
}

// tenCalls makes ten calls at once; each is in the log when it begins and when it ends.
func tenCalls(dir, log string) error {
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	agents := within(dir, func(context.Context, runtime.Call) (runtime.Answer, error) {
		_, err := f.WriteString("+\n")
		<-time.After(3 * time.Millisecond) // an agent takes its time
		if err == nil {
			_, err = f.WriteString("-\n")
		}
		return runtime.Answer{}, err
	}, provider(2))
	var wg sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		wg.Go(func() { _, errs[i] = agents.Call(context.Background(), ask("a")) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// hold makes a call that never ends.
func hold(dir string) error {
	agents := within(dir, func(context.Context, runtime.Call) (runtime.Answer, error) {
		fmt.Println("in " + strconv.Itoa(os.Getpid()))
		_, err := io.Copy(io.Discard, os.Stdin)
		return runtime.Answer{}, err
	}, provider(1))
	_, err := agents.Call(context.Background(), ask("a"))
	return err
}

// fail makes calls that find the agent unavailable, until a breaker would open.
func fail(dir, details string) error {
	agents := within(dir, func(context.Context, runtime.Call) (runtime.Answer, error) {
		return runtime.Answer{}, &runtime.Error{Code: runtime.Unavailable, Message: "nobody is there", Details: runtime.Payload(details)}
	}, provider(1))
	for range 5 {
		_, _ = agents.Call(context.Background(), ask("a"))
		if details != "" {
			return nil
		}
	}
	return nil
}

func answer(context.Context, runtime.Call) (runtime.Answer, error) { return runtime.Answer{}, nil }

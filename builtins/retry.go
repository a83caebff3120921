package builtins

import (
	"fmt"
	"math"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// retryPolicy is a runtime.RetryPolicy as scripts hold it.
type retryPolicy struct{ runtime.RetryPolicy }

func (p *retryPolicy) String() string {
	return fmt.Sprintf("retry(%d, backoff=%q, factor=%v, max=%q)", p.Attempts, spelled(p.Backoff), starlark.Float(p.Factor), spelled(p.Max))
}
func (p *retryPolicy) Type() string         { return "retry_policy" }
func (p *retryPolicy) Freeze()              {}
func (p *retryPolicy) Truth() starlark.Bool { return p.Attempts > 1 }
func (p *retryPolicy) Hash() (uint32, error) {
	return 0, fmt.Errorf("a retry policy cannot be a key")
}

// Codes that a policy may list. What is not among them never helps to repeat, or is not the agent's.
const (
	defaultBackoff = time.Second
	defaultFactor  = 2
	defaultMaxWait = time.Minute
	maxAttempts    = 100
)

func retryableCodes() []runtime.Code {
	return []runtime.Code{runtime.Timeout, runtime.Unavailable, runtime.Refused, runtime.UnknownOutcome}
}

func defaultRetry(attempts int) runtime.RetryPolicy {
	return runtime.RetryPolicy{
		Attempts: attempts, Backoff: defaultBackoff, Factor: defaultFactor, Max: defaultMaxWait,
		On: []runtime.Code{runtime.Timeout, runtime.Unavailable},
	}
}

// retryArg is parameter i as consent to repeat a call: a number of further attempts, or a policy.
func (c *Call) retryArg(i int, def runtime.RetryPolicy) (runtime.RetryPolicy, error) {
	if c.Args[i] == nil {
		return def, nil
	}
	switch v := c.Args[i].(type) {
	case starlark.NoneType:
		return runtime.RetryPolicy{}, nil
	case *retryPolicy:
		return v.RetryPolicy, nil
	case starlark.Int:
		n, err := c.intArg(i, 0, 0)
		if err != nil || n == 0 {
			return runtime.RetryPolicy{}, err
		}
		if n >= maxAttempts {
			return runtime.RetryPolicy{}, c.wrong(i, "%d is more than %d", n, maxAttempts-1)
		}
		return defaultRetry(n + 1), nil
	}
	return runtime.RetryPolicy{}, c.wrong(i, "got %s, want a number of further attempts or retry(...)", runtime.A(c.Args[i].Type()))
}

func retryDecl() *Decl {
	return &Decl{
		Name: "retry",
		Params: []Param{
			{Name: "attempts", Type: "int"},
			{Name: "backoff", Type: "duration", Default: `"1s"`, Kind: Named},
			{Name: "factor", Type: "float", Default: "2", Kind: Named},
			{Name: "max", Type: "duration", Default: `"1m"`, Kind: Named},
			{Name: "on", Type: "[str]", Default: `["timeout", "unavailable"]`, Kind: Named},
		},
		Result: "RetryPolicy",
		Doc: `Says how often and when a call to an agent may be repeated: consent, as data, for ask(retry=...) and agent(retry=...).

attempts counts all attempts, the first included: retry(3) tries at most three times, as ask(retry=2) does. The pause after the first failed
attempt is backoff; it grows by factor up to max, and the engine adds jitter. Only errors whose code is in on are repeated, and only when
the agent calls them retryable; on may list "timeout", "unavailable", "refused" and "unknown_outcome". Pauses and attempts are events of the
run, and the last error is the one that the script sees.

    PATIENT = retry(5, backoff="2s", factor=3, max="5m", on=["timeout", "unavailable", "refused"])

    def main(text):
        return agent("translator").ask("translate", text=text, retry=PATIENT).value
`,
		Impl: retryImpl,
	}
}

func retryImpl(c *Call) (starlark.Value, error) {
	attempts, err := c.intArg(0, 0, 1)
	if err != nil {
		return nil, err
	}
	if attempts > maxAttempts || attempts == 0 {
		return nil, c.wrong(0, "%s is not between 1 and %d", shown(c.Args[0]), maxAttempts)
	}
	p := &retryPolicy{defaultRetry(attempts)}
	if p.Backoff, err = c.durationArg(1, defaultBackoff); err != nil {
		return nil, err
	}
	if p.Factor, err = c.floatArg(2, defaultFactor); err != nil {
		return nil, err
	}
	if math.IsNaN(p.Factor) || p.Factor < 1 || p.Factor > 1000 {
		return nil, c.wrong(2, "%v is not between 1 and 1000", starlark.Float(p.Factor))
	}
	if p.Max, err = c.durationArg(3, defaultMaxWait); err != nil {
		return nil, err
	}
	return p, c.retryOn(p)
}

// retryOn reads which errors may be repeated.
func (c *Call) retryOn(p *retryPolicy) error {
	const on = 4
	words, err := c.textsArg(on)
	if err != nil || words == nil {
		return err
	}
	p.On = nil
	for _, w := range words {
		if !slices.Contains(retryableCodes(), runtime.Code(w)) {
			return c.wrong(on, "%q is not a code that can be repeated, those are %s", brief(w), quotedCodes(retryableCodes()))
		}
		p.On = append(p.On, runtime.Code(w))
	}
	return nil
}

func quotedCodes(codes []runtime.Code) string {
	words := make([]string, len(codes))
	for i, code := range codes {
		words[i] = string(code)
	}
	return quoted(words)
}

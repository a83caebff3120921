package trace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// Ids are made of what they name, so that a run that goes on, in another process or a year later, goes on with the same tree.

// traceOf is the trace of a run and all its child runs, whose ids begin with that of the run.
func traceOf(run string) []byte {
	root, _, _ := strings.Cut(run, "/")
	return hashed(16, "trace", root)
}

// runSpan is the span of a run or child run.
func runSpan(run string) []byte { return hashed(8, "run", run) }

// effectSpan is the span of an effect or fork.
func effectSpan(run string, at runtime.Address) []byte { return hashed(8, "effect", run, at.String()) }

func branchSpanID(run string, p runtime.Path) []byte { return hashed(8, "branch", run, string(p)) }

// toolSpan is the span of the n-th tool that a call used.
func toolSpan(run string, at runtime.Address, n int) []byte {
	return hashed(8, "tool", run, at.String(), strconv.Itoa(n))
}

func hashed(size int, parts ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	sum[0] |= 1 // an id of zeros would be none
	return sum[:size:size]
}

// ID is the id of the trace of a run, in hexadecimal.
func ID(run string) string { return hex.EncodeToString(traceOf(run)) }

// parentOf is the W3C traceparent of a call's span.
func parentOf(c *runtime.Call) string {
	at := strings.TrimPrefix(c.ID, c.Run+"/")
	return "00-" + ID(c.Run) + "-" + hex.EncodeToString(hashed(8, "effect", c.Run, at)) + "-01"
}

// parsed reads a traceparent.
func parsed(s string) (trace, span []byte, ok bool) {
	parts := strings.Split(strings.TrimSpace(s), "-")
	if len(parts) < 4 || len(parts[0]) != 2 || len(parts[1]) != 32 || len(parts[2]) != 16 {
		return nil, nil, false
	}
	trace, err := hex.DecodeString(parts[1])
	if err != nil {
		return nil, nil, false
	}
	span, err = hex.DecodeString(parts[2])
	return trace, span, err == nil
}

type parentKey struct{}

// Parent is the W3C traceparent of the call that ctx is for, or "".
func Parent(ctx context.Context) string {
	s, _ := ctx.Value(parentKey{}).(string)
	return s
}

// Caller answers agent calls.
type Caller interface {
	Call(ctx context.Context, c runtime.Call) (runtime.Answer, error)
	Info(name string) (runtime.AgentInfo, bool)
	Lookup(capability string) []runtime.AgentInfo
}

// Agents gives the context of each call its Parent.
func Agents(next Caller) Caller { return traced{next} }

type traced struct{ Caller }

func (t traced) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	return t.Caller.Call(context.WithValue(ctx, parentKey{}, parentOf(&c)), c)
}

package temporal

import (
	"errors"
	"strings"

	"go.temporal.io/sdk/temporal"

	"github.com/parallax-run/parallax/runtime"
)

// failure is a *runtime.Error on its way through Temporal.
type failure struct {
	Message   string          `json:"message"`
	Hint      string          `json:"hint,omitempty"`
	Agent     string          `json:"agent,omitempty"`
	Attempts  int             `json:"attempts,omitempty"`
	Retryable bool            `json:"retryable,omitempty"`
	Details   runtime.Payload `json:"details,omitempty"`
	Trace     []runtime.Frame `json:"trace,omitempty"`
	Usage     *runtime.Usage  `json:"usage,omitempty"` // what the attempt took all the same
}

// inputType is the type of an error that carries a *runtime.InputError.
const inputType = "input"

// toTemporal makes an error that Temporal does not repeat: to repeat is the engine's.
func toTemporal(e *runtime.Error) error { return toTemporalPaid(e, nil) }

// toTemporalPaid is toTemporal for an attempt that took something.
func toTemporalPaid(e *runtime.Error, took *runtime.Usage) error {
	f := failure{e.Message, e.Hint, e.Agent, e.Attempts, e.Retryable, e.Details, e.Trace, took}
	return temporal.NewApplicationErrorWithOptions(headline(e.Message), string(e.Code), temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{f},
	})
}

// headline is what of a message stands in the history itself. All of it is in the details, which are elsewhere when they are large.
func headline(message string) string {
	const longest = 1 << 10
	if len(message) <= longest {
		return message
	}
	return strings.ToValidUTF8(message[:longest], "") + "..."
}

// fromTemporal gives the *runtime.Error that an error of Temporal carries, nil when it carries none, and what the attempt took.
func fromTemporal(err error) (*runtime.Error, runtime.Usage) {
	var f failure
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if ok = ok && app.NonRetryable() && app.HasDetails() && app.Details(&f) == nil; !ok {
		return nil, runtime.Usage{}
	}
	e := &runtime.Error{
		Code: runtime.Code(app.Type()), Message: f.Message, Hint: f.Hint, Agent: f.Agent, Attempts: f.Attempts,
		Retryable: f.Retryable, Details: f.Details, Trace: f.Trace,
	}
	if f.Usage == nil {
		return e, runtime.Usage{}
	}
	return e, *f.Usage
}

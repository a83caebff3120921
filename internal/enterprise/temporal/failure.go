package temporal

import (
	"errors"

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
	return temporal.NewApplicationErrorWithOptions(e.Message, string(e.Code), temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{f},
	})
}

// fromTemporal gives the *runtime.Error that an error of Temporal carries, nil when it carries none, and what the attempt took.
func fromTemporal(err error) (*runtime.Error, runtime.Usage) {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || !app.NonRetryable() || !app.HasDetails() {
		return nil, runtime.Usage{}
	}
	var f failure
	if err := app.Details(&f); err != nil {
		return nil, runtime.Usage{} //nolint:nilerr // it is no error of ours
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

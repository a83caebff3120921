package limiter

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// outcome is what the end of a call says about whom it was made to.
type outcome struct {
	kind  ending
	after time.Duration // when held: how long to wait
	why   string        // when held, failed or late
}

type ending int

const (
	nothing  ending = iota // it says nothing
	answered               // it is there
	held                   // it asks for a pause
	failed                 // it is down
	late                   // it gave no answer in time: that says something only when the call was to try whether it is back
)

// outcomeOf reads the error of a call.
func outcomeOf(err error) outcome {
	if err == nil {
		return outcome{kind: answered}
	}
	e, ok := errors.AsType[*runtime.Error](err)
	if !ok || ofProcess(e) {
		return outcome{}
	}
	switch e.Code {
	case runtime.Unavailable:
		return unavailable(e)
	case runtime.Refused, runtime.Schema, runtime.NotFound:
		return outcome{kind: answered}
	case runtime.Timeout:
		return outcome{kind: late, why: short(e.Message)}
	case runtime.Failed, runtime.BudgetSpent, runtime.UnknownOutcome, runtime.Conflict, runtime.Script, runtime.Limit, runtime.Cancelled:
		return outcome{}
	}
	return outcome{}
}

// ofProcess says whether the trouble is with the agent's process here, which its host looks after.
func ofProcess(e *runtime.Error) bool {
	p, ok := errors.AsType[interface {
		error
		OfProcess() bool
	}](e)
	return ok && p.OfProcess()
}

// unavailable tells one that asks for a pause from one that is down. Who says when to come back is not down.
func unavailable(e *runtime.Error) outcome {
	var d struct {
		After float64 `json:"retry_after_ms"`
		Code  string  `json:"code"`
	}
	if len(e.Details) > 0 && json.Unmarshal(e.Details, &d) != nil {
		d.After, d.Code = 0, ""
	}
	switch {
	case d.After > 0:
		return outcome{held, min(time.Duration(min(d.After, 1e9)*float64(time.Millisecond)), longestHold), short(e.Message)}
	case d.Code == "rate_limit":
		return outcome{held, shortHold, short(e.Message)}
	}
	return outcome{kind: failed, why: short(e.Message)}
}

// short is a message as it is remembered.
func short(message string) string {
	if r := []rune(message); len(r) > 300 {
		return string(r[:300]) + "..."
	}
	return message
}

// refuse is the error of a call to somebody who is down.
func (g *gate) refuse(agent string, v verdict) *runtime.Error {
	pause := v.until.Sub(g.now())
	return &runtime.Error{
		Code: runtime.Unavailable, Agent: agent, Retryable: true,
		Message: fmt.Sprintf("agent %q is not called: %s counts as down until %s, after %d failures in a row, the last: %s",
			agent, g.Label(), clock(v.until), breakerFails, v.last),
		Hint:    fmt.Sprintf("one call tries again in %s; parallax doctor shows what is held back", pause.Round(time.Second)),
		Details: runtime.Payload(fmt.Sprintf(`{"retry_after_ms":%d}`, pause.Milliseconds()+1)),
	}
}

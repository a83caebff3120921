package modelserver

import (
	"fmt"
	"strings"
	"time"
)

// Fault is something that goes wrong with one answer, on demand.
type Fault struct {
	Kind FaultKind
	// For is the Retry-After of RateLimit and Overloaded (whole seconds) and the delay of Slow; zero means one second.
	For time.Duration
}

// FaultKind says what goes wrong.
type FaultKind string

// Kinds of faults. Their values are what stands in the X-Model-Fault header and behind the "+" of a model's name.
const (
	None        FaultKind = ""
	RateLimit   FaultKind = "rate_limit"   // 429 with Retry-After
	Overloaded  FaultKind = "overloaded"   // 503 with Retry-After
	ServerError FaultKind = "server_error" // 500
	Slow        FaultKind = "slow"         // answers after a while
	Hold        FaultKind = "hold"         // answers when Release is called
	Stall       FaultKind = "stall"        // stops in mid-answer until Release is called
	Cut         FaultKind = "cut"          // the connection ends in mid-answer
	Malformed   FaultKind = "malformed"    // a body that is not JSON
	Violate     FaultKind = "violate"      // JSON that does not satisfy the asked schema
	Prose       FaultKind = "prose"        // text although a schema was asked for
	Refuse      FaultKind = "refuse"       // the model declines
)

// FaultHeader is the request header that asks for a fault: "rate_limit", "slow=200ms".
const FaultHeader = "X-Model-Fault"

// ParseFault reads a kind, or a kind and a duration with "=" between.
func ParseFault(text string) (Fault, error) {
	kind, span, timed := strings.Cut(text, "=")
	f := Fault{Kind: FaultKind(kind)}
	switch f.Kind {
	case None, RateLimit, Overloaded, ServerError, Slow, Hold, Stall, Cut, Malformed, Violate, Prose, Refuse:
	default:
		return Fault{}, fmt.Errorf("unknown fault %q", kind)
	}
	if !timed {
		return f, nil
	}
	d, err := time.ParseDuration(span)
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	f.For = d
	return f, nil
}

func (f Fault) span() time.Duration {
	if f.For == 0 {
		return time.Second
	}
	return f.For
}

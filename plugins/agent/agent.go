// Package agent is for writing Parallax agents. A whole agent is one function:
//
//	type In struct {
//		Text string `json:"text"`
//	}
//	type Out struct {
//		Words int `json:"words"`
//	}
//
//	func main() {
//		agent.Serve(agent.Info{Name: "words", Version: "0.1.0", Description: "Counts words."},
//			func(ctx context.Context, c *agent.Call[agent.NoConfig], in In) (Out, error) {
//				return Out{Words: len(strings.Fields(in.Text))}, nil
//			})
//	}
//
// The types of input, output and configuration become JSON Schemas, and are checked before the function runs: an unknown,
// missing or wrongly typed field is refused with its name. A field of the input called "task" receives the words of the
// request unless the script names such an input itself. An agent that takes any JSON has the input type json.RawMessage.
//
// The function may be called many times at once. It must return soon after its context ends. What it prints goes to the
// host's log; its answer is what it returns.
package agent

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"
)

// Info says what an agent is.
type Info struct {
	Name        string // of the agent itself; projects give it names of their own
	Version     string // semantic, without a leading v
	Description string // one sentence

	Interactive   bool // may ask a person with Call.Ask
	Deterministic bool // the same input gives the same output
	Idempotent    bool // a call whose answer was lost may be repeated
	AtMostOnce    bool // a call whose answer was lost must not be repeated
	Streaming     bool // calls Emit
	Concurrency   int  // calls at a time in one session; zero means no limit
}

// NoConfig is the configuration of an agent that has none.
type NoConfig struct{}

// Func is what an agent does: C is its configuration, In and Out are the types of its input and output.
type Func[C, In, Out any] func(ctx context.Context, c *Call[C], in In) (Out, error)

// Definition is an agent that can be served. It starts nothing, and is cheap until it is served.
type Definition struct {
	Info         Info
	skills       []skill
	newConfig    func() any // a pointer to the configuration's type
	configSchema func() ([]byte, error)
}

// Define makes an agent with one skill, which has the agent's name.
func Define[C, In, Out any](info Info, fn Func[C, In, Out]) Definition {
	return Multi(info, NewSkill(info.Name, info.Description, fn))
}

// Multi makes an agent with several skills. A request whose task is the name of a skill goes to that skill, any other to
// the first one.
func Multi[C any](info Info, skills ...Skill[C]) Definition {
	d := Definition{
		Info:         info,
		newConfig:    func() any { return new(C) },
		configSchema: sync.OnceValues(configSchemaOf[C]),
	}
	for _, s := range skills {
		d.skills = append(d.skills, s.skill)
	}
	return d
}

// Skill is one thing an agent with the configuration C can do.
type Skill[C any] struct{ skill }

// skill is a Skill whose types are hidden in functions.
type skill struct {
	name, description string
	input, output     func() ([]byte, error) // JSON Schemas
	run               func(ctx context.Context, c *call, input []byte) ([]byte, error)
}

// NewSkill names a function as a skill.
func NewSkill[C, In, Out any](name, description string, fn Func[C, In, Out]) Skill[C] {
	s := skill{
		name:        name,
		description: description,
		input:       sync.OnceValues(schemaOf[In]),
		output:      sync.OnceValues(schemaOf[Out]),
	}
	fields := sync.OnceValue(func() fieldSet { return requiredFields(reflect.TypeFor[In]()) })
	s.run = func(ctx context.Context, c *call, input []byte) ([]byte, error) {
		in, err := decodeInput[In](fields(), input, c.req.GetTask())
		if err != nil {
			return nil, err
		}
		out, err := fn(ctx, &Call[C]{call: c, Config: c.session.config.(*C)}, in)
		if err != nil {
			return nil, err
		}
		return encodeOutput(out)
	}
	return Skill[C]{s}
}

// Serve runs an agent with one skill until its host is gone. It is the last thing main does.
func Serve[C, In, Out any](info Info, fn Func[C, In, Out]) {
	ServeDefinition(Define(info, fn))
}

func encodeOutput(out any) ([]byte, error) {
	if raw, ok := out.(json.RawMessage); ok && len(raw) > 0 {
		return raw, nil // the host checks it, and names the byte where it is wrong
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, &Error{kind: internal, Message: "the output cannot be written as JSON: " + err.Error(), Cause: err}
	}
	return b, nil
}

package calibrate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/consensus"
	"github.com/parallax-run/parallax/runtime"
)

// labelled is an agent with what is known of it.
type labelled struct {
	name   string
	n      int              // labels
	right  int              // of them
	stated consensus.Labels // those with a confidence, in the order of the files
}

// collection gathers the labels of files.
type collection struct {
	agents   map[string]*labelled
	seen     map[origin]bool
	repeated int // labels that were there already
}

func newCollection() *collection {
	return &collection{agents: make(map[string]*labelled), seen: make(map[origin]bool)}
}

// sorted gives the agents by name.
func (c *collection) sorted() []*labelled {
	var all []*labelled
	for _, name := range slices.Sorted(maps.Keys(c.agents)) {
		all = append(all, c.agents[name])
	}
	return all
}

// origin tells one event from all others: two runs may have one id, but not one time as well.
type origin struct {
	Run  string `json:"run"`
	Seq  uint64 `json:"seq"`
	Time string `json:"time"`
}

// event is what matters of a line of events.
type event struct {
	origin
	Kind  runtime.EventKind `json:"kind"`
	Name  string            `json:"name"`
	Value json.RawMessage   `json:"value"`
}

// outcome is what outcome(result, correct) records.
type outcome struct {
	Agent      string   `json:"agent"`
	Confidence *float64 `json:"confidence"`
	Correct    *bool    `json:"correct"`
}

// read reads events, a line of JSON each. A last line that has no end and is no JSON was cut off: its number is given, 0 if there is none. Any other
// line that is no event is an error that names file and line.
func (c *collection) read(in io.Reader, file string) (cut int, err error) {
	lines := bufio.NewReaderSize(in, 64<<10)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		ended := err == nil
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("reading %s: %w", file, err)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			if !ended && !json.Valid(line) {
				return n, nil
			}
			if err := c.line(line); err != nil {
				return 0, cli.Usagef("name files that parallax run --events wrote", "%s:%d: %v", file, n, err)
			}
		}
		if !ended {
			return 0, nil
		}
	}
}

// line takes one event.
func (c *collection) line(raw []byte) error {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("the line is no event: %w", err)
	}
	if e.Kind == "" {
		return errors.New("the line is no event: it has no kind")
	}
	if e.Kind != runtime.Emitted || e.Name != "outcome" {
		return nil
	}
	o, err := outcomeOf(e.Value)
	if err != nil {
		return err
	}
	if c.seen[e.origin] && e.Run != "" {
		c.repeated++
		return nil
	}
	c.seen[e.origin] = true
	c.add(o)
	return nil
}

func outcomeOf(raw json.RawMessage) (o outcome, err error) {
	if err := json.Unmarshal(raw, &o); err != nil || o.Agent == "" || o.Correct == nil {
		return o, errors.New(`the event "outcome" has no agent and correct; outcome(result, correct) records it, so emit other events by other names`)
	}
	if p := o.Confidence; p != nil && !(*p >= 0 && *p <= 1) {
		return o, fmt.Errorf("the confidence %v is not between 0 and 1", *p)
	}
	return o, nil
}

func (c *collection) add(o outcome) {
	a, ok := c.agents[o.Agent]
	if !ok {
		a = &labelled{name: o.Agent}
		c.agents[o.Agent] = a
	}
	a.n++
	if *o.Correct {
		a.right++
	}
	if o.Confidence != nil {
		a.stated = append(a.stated, consensus.Label{Confidence: *o.Confidence, Correct: *o.Correct})
	}
}

package mock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// script is the keys of a part.
type script struct {
	Answer     json.RawMessage   `json:"answer"`
	Answers    []json.RawMessage `json:"answers"`
	Confidence json.RawMessage   `json:"confidence"`
	Basis      string            `json:"basis"`
	Reasoning  string            `json:"reasoning"`
	Finish     string            `json:"finish"`
	Usage      struct {
		InputTokens     int64  `json:"input_tokens"`
		OutputTokens    int64  `json:"output_tokens"`
		CachedTokens    int64  `json:"cached_tokens"`
		ReasoningTokens int64  `json:"reasoning_tokens"`
		CostMicroUSD    int64  `json:"cost_microusd"`
		Model           string `json:"model"`
	} `json:"usage"`
	Delay    string    `json:"delay"`
	Stream   bool      `json:"stream"`
	Fail     *failKeys `json:"fail"`
	Echo     bool      `json:"echo"`
	Sequence bool      `json:"sequence"`
	Repeat   string    `json:"repeat"`
}

type failKeys struct {
	Code      runtime.Code `json:"code"`
	Message   string       `json:"message"`
	Hint      string       `json:"hint"`
	Times     int          `json:"times"`
	Retryable *bool        `json:"retryable"`
}

// New reads a configuration, which is a JSON object; empty means no settings.
func New(config json.RawMessage) (*Agent, error) {
	var keys struct {
		script
		When []struct {
			script
			Task  string                     `json:"task"`
			Input map[string]json.RawMessage `json:"input"`
		} `json:"when"`
	}
	if len(bytes.TrimSpace(config)) == 0 {
		config = []byte("{}")
	}
	d := json.NewDecoder(bytes.NewReader(config))
	d.DisallowUnknownFields()
	if err := d.Decode(&keys); err != nil {
		return nil, wrong(err)
	}
	otherwise, err := keys.part()
	if err != nil {
		return nil, err
	}
	a := &Agent{otherwise: otherwise}
	for i, w := range keys.When {
		p, err := w.part()
		if err != nil {
			return nil, fmt.Errorf("when[%d]: %w", i, err)
		}
		m, err := newMatcher(p, w.Task, w.Input)
		if err != nil {
			return nil, fmt.Errorf("when[%d]: %w", i, err)
		}
		a.cases = append(a.cases, m)
	}
	return a, nil
}

// wrong says what does not fit in a configuration, in its own words and not in those of Go.
func wrong(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		key := strings.TrimPrefix(e.Field, "script.")
		if key == "delay" {
			return fmt.Errorf(`delay is a %s; write a duration such as "10ms"`, e.Value)
		}
		return fmt.Errorf("%s is a %s, which it cannot be", key, e.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// part checks the keys and reads them once, so that a call need not.
func (s *script) part() (*part, error) {
	p := &part{
		basis: s.Basis, reasoning: s.Reasoning, finish: s.Finish, usage: runtime.Usage(s.Usage),
		stream: s.Stream, echo: s.Echo, sequence: s.Sequence, last: s.Repeat == "last",
	}
	if s.Repeat != "" && s.Repeat != "last" && s.Repeat != "cycle" {
		return nil, fmt.Errorf("repeat is %q; use cycle or last", s.Repeat)
	}
	return p, errors.Join(s.readAnswers(p), s.readConfidence(p), s.readDelay(p), s.readFail(p))
}

func (s *script) readAnswers(p *part) error {
	answers := s.Answers
	if s.Answer != nil {
		if answers != nil {
			return errors.New("there is both answer and answers; keep one")
		}
		answers = []json.RawMessage{s.Answer}
	}
	if s.Echo && answers != nil {
		return errors.New("there is both echo and an answer; keep one")
	}
	for i, raw := range answers {
		value, err := runtime.Canonical(raw)
		if err != nil {
			return fmt.Errorf("answers[%d]: %w", i, err)
		}
		p.answers = append(p.answers, value)
	}
	return nil
}

func (s *script) readConfidence(p *part) error {
	if s.Confidence == nil {
		return nil
	}
	var list []float64
	if json.Unmarshal(s.Confidence, &list) != nil {
		list = make([]float64, 1)
		if json.Unmarshal(s.Confidence, &list[0]) != nil {
			return errors.New("confidence must be a number or a list of numbers")
		}
	} else if len(list) != len(p.answers) {
		return fmt.Errorf("there are %d answers and %d confidences", len(p.answers), len(list))
	}
	for i := range list {
		if list[i] < 0 || list[i] > 1 {
			return fmt.Errorf("confidence %v is not between 0 and 1", list[i])
		}
		p.confidence = append(p.confidence, &list[i])
	}
	if p.basis == "" {
		p.basis = "self_report"
	}
	if !slices.Contains([]string{"self_report", "logprob", "verifier"}, p.basis) {
		return fmt.Errorf("basis is %q; use self_report, logprob or verifier", p.basis)
	}
	return nil
}

func (s *script) readDelay(p *part) error {
	if s.Delay == "" {
		return nil
	}
	d, err := time.ParseDuration(s.Delay)
	if err != nil || d < 0 {
		return fmt.Errorf("delay is %q; write a duration such as \"10ms\"", s.Delay)
	}
	p.delay = d
	return nil
}

// failCodes are the errors that an agent can give.
func failCodes() []runtime.Code {
	return []runtime.Code{
		runtime.Timeout, runtime.Unavailable, runtime.Refused, runtime.Schema, runtime.NotFound, runtime.BudgetSpent, runtime.UnknownOutcome,
	}
}

func (s *script) readFail(p *part) error {
	f := s.Fail
	if f == nil {
		return nil
	}
	if f.Code == "" {
		f.Code = runtime.Unavailable
	}
	if !slices.Contains(failCodes(), f.Code) {
		return fmt.Errorf("fail: code is %q; use one of %v", f.Code, failCodes())
	}
	if f.Times < 0 {
		return errors.New("fail: times must not be below zero")
	}
	if f.Message == "" {
		f.Message = "the mock was told to fail"
	}
	retryable := f.Code == runtime.Timeout || f.Code == runtime.Unavailable
	if f.Retryable != nil {
		retryable = *f.Retryable
	}
	p.fail = &failure{times: f.Times, err: runtime.Error{Code: f.Code, Message: f.Message, Hint: f.Hint, Retryable: retryable}}
	return nil
}

package cli

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Line says what a line of output means: of those that have the values of When, what stands where.
//
// A place is a path of field names and list indexes such as "message.content.0.text"; "a | b" is the first of them that is there,
// "a + b" their sum where a number is wanted, and "=word" the word itself. A condition is a value, a list of values of which one
// has to be there, or "!value" for any other.
type Line struct {
	When map[string]any `json:"when,omitempty"`
	Each string         `json:"each,omitempty"` // a list: what follows stands in each of its elements
	And  map[string]any `json:"and,omitempty"`  // that has these values

	Text     string            `json:"text,omitempty"`     // the next piece of the answer's text, shown as it comes
	Thinking string            `json:"thinking,omitempty"` // the next piece of what a model thinks
	Answer   string            `json:"answer,omitempty"`   // the whole answer; the last one counts
	Error    string            `json:"error,omitempty"`    // why there is none
	Warning  string            `json:"warning,omitempty"`  // what people should know
	Session  string            `json:"session,omitempty"`  // by which the tool can be told to go on
	Model    string            `json:"model,omitempty"`
	Finish   string            `json:"finish,omitempty"` // "=length" where the answer was cut
	Usage    map[string]string `json:"usage,omitempty"`  // input, output, cached, reasoning, steps, cost_usd
	Tool     *Tool             `json:"tool,omitempty"`
}

// Tool says where a use of a tool stands. Its beginning and its end are joined by their ID.
type Tool struct {
	ID        string         `json:"id"`
	Name      string         `json:"name,omitempty"`
	Arguments string         `json:"arguments,omitempty"`
	Output    string         `json:"output,omitempty"`
	Done      map[string]any `json:"done,omitempty"` // conditions of its end
	Failed    map[string]any `json:"failed,omitempty"`
}

// usageNames are the keys of Line.Usage.
func usageNames() []string {
	return []string{"input", "output", "cached", "reasoning", "steps", "cost_usd"}
}

// matches says whether a value has all that the conditions want.
func matches(conditions map[string]any, v any) bool {
	for path, want := range conditions {
		if !fits(want, at(v, path)) {
			return false
		}
	}
	return true
}

func fits(want, got any) bool {
	switch want := want.(type) {
	case []any:
		for _, w := range want {
			if fits(w, got) {
				return true
			}
		}
		return false
	case string:
		if not, ok := strings.CutPrefix(want, "!"); ok {
			return text(got) != not
		}
		return got != nil && text(got) == want
	default:
		return got != nil && text(got) == text(want)
	}
}

// at is what stands at a place, or nil.
func at(v any, place string) any {
	if word, ok := strings.CutPrefix(place, "="); ok {
		return word
	}
	for path := range strings.SplitSeq(place, "|") {
		if got := walk(v, strings.TrimSpace(path)); got != nil && got != "" {
			return got
		}
	}
	return nil
}

func walk(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch box := v.(type) {
		case map[string]any:
			v = box[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(box) {
				return nil
			}
			v = box[i]
		default:
			return nil
		}
	}
	return v
}

// textAt is what stands at a place as text: a string as it is, nothing as "", anything else as JSON.
func textAt(v any, place string) string {
	if place == "" {
		return ""
	}
	return text(at(v, place))
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return string(raw(v))
}

// raw is a value that was read from JSON as JSON; nothing is nil.
func raw(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was JSON
	}
	return b
}

// numberAt is the sum of what stands at places joined by "+".
func numberAt(v any, places string) (sum float64, found bool) {
	for place := range strings.SplitSeq(places, "+") {
		n, ok := at(v, strings.TrimSpace(place)).(json.Number)
		if !ok {
			continue
		}
		if f, err := n.Float64(); err == nil && !math.IsInf(f, 0) {
			sum, found = sum+f, true
		}
	}
	return sum, found
}

// usageOf adds what a line says of usage to what is known.
func usageOf(u agent.Usage, places map[string]string, v any) agent.Usage {
	whole := map[string]*int64{
		"input": &u.InputTokens, "output": &u.OutputTokens, "cached": &u.CachedTokens, "reasoning": &u.ReasoningTokens,
	}
	for name, place := range places {
		n, ok := numberAt(v, place)
		if !ok || n < 0 || n > math.MaxInt32*1e6 {
			continue
		}
		switch {
		case whole[name] != nil:
			*whole[name] = int64(n)
		case name == "steps":
			u.Steps = int(n)
		case name == "cost_usd":
			u.CostMicroUSD = int64(math.Round(n * 1e6))
		}
	}
	return u
}

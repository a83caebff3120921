package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/internal/consensus"
	"github.com/parallax-run/parallax/runtime"
)

// oracle is one judge of a value.
type oracle struct {
	name  string
	types starlark.Value // the type against which it checks, or nil
	// ask gives what it says of a value. Its error is the oracle's, which may be caught.
	ask func(v *verification, value starlark.Value) (reading, error)
}

// checkTask is what an agent is asked to do with a value.
const checkTask = `Check the value. Answer with a JSON object {"score": S, "reasons": [R, ...]}: ` +
	`S is a number from 0 (wrong) to 1 (right), each R says in one sentence what is wrong.`

// oraclesArg reads the oracles.
func (c *Call) oraclesArg() ([]oracle, error) {
	if len(c.Rest) == 0 {
		return nil, fmt.Errorf("verify needs at least one oracle: an agent, a function of the value, a type or a checklist: %s", c.Decl.Signature())
	}
	all := make([]oracle, len(c.Rest))
	for i, v := range c.Rest {
		o, err := oracleOf(v)
		if err != nil {
			return nil, c.wrong(verifyOracles, "number %d: %w", i+1, err)
		}
		all[i] = o
	}
	return all, nil
}

func oracleOf(v starlark.Value) (oracle, error) {
	if a, ok := v.(*Agent); ok {
		return agentOracle(a), nil
	}
	if hint := notATest(v); hint != "" {
		return oracle{}, errors.New(hint)
	}
	if isTypeOracle(v) {
		return typeOracle(v)
	}
	switch v := v.(type) {
	case *starlark.Dict:
		return checklistOf(v.Items())
	case *starlark.List, starlark.Tuple:
		return checklistOf(unnamed(v.(starlark.Indexable)))
	case starlark.Callable:
		return functionOracle(v), nil
	}
	return oracle{}, fmt.Errorf("got %s, want an agent, a function of the value, a type or a checklist", describe(v))
}

func agentOracle(a *Agent) oracle {
	return oracle{name: a.name, ask: func(v *verification, value starlark.Value) (reading, error) {
		answer, err := v.askAgent(a, checkTask, nil, starlark.Tuple{starlark.String("value"), value})
		if err != nil {
			return reading{}, err
		}
		return v.read(answer)
	}}
}

func functionOracle(fn starlark.Callable) oracle {
	return oracle{name: knownAs(fn), ask: func(v *verification, value starlark.Value) (reading, error) {
		answer, err := callWith(v.Thread, fn, value)
		if err != nil {
			return reading{}, err
		}
		return v.read(answer)
	}}
}

// knownAs is what people call a function, as text that can be recorded.
func knownAs(fn starlark.Callable) string { return strings.ToValidUTF8(labelOf(fn), "\uFFFD") }

// callWith calls a function; a Call from defer has its arguments already.
func callWith(t *starlark.Thread, fn starlark.Callable, args ...starlark.Value) (starlark.Value, error) {
	if _, ok := fn.(*deferred); ok {
		args = nil
	}
	return starlark.Call(t, fn, args, nil)
}

// isTypeOracle says whether a value is a type, or a dict that is a JSON Schema. A dict or list of functions that are no types is a checklist.
func isTypeOracle(v starlark.Value) bool {
	switch v := v.(type) {
	case *starlark.List:
		return v.Len() == 1 && namesType(v.Index(0))
	case *starlark.Dict:
		callable := false
		for _, kv := range v.Items() {
			if namesType(kv[1]) {
				return true
			}
			_, calls := kv[1].(starlark.Callable)
			callable = callable || calls
		}
		return !callable && v.Len() > 0
	}
	return namesType(v)
}

func namesType(v starlark.Value) bool {
	switch v := v.(type) {
	case shape, *fieldSpec:
		return true
	case *starlark.Builtin:
		_, isType := plainShape(v)
		return isType
	}
	return false
}

// notATest says why one of Starlark's own functions cannot judge a value, "" for all others: any and all, len and their like give an
// answer that reads as a score and says nothing of whether the value is right.
func notATest(v starlark.Value) string {
	fn, ok := v.(*starlark.Builtin)
	if !ok || fn.Receiver() != nil || !starlark.Universe.Has(fn.Name()) || namesType(v) && fn.Name() != "any" {
		return ""
	}
	return fmt.Sprintf("the function %[1]s is no test of a value; write what must hold, such as lambda v: %[1]s(v) == ...", fn.Name())
}

// typeOracle checks the shape of the value as data, as that of an agent's answer is checked.
func typeOracle(v starlark.Value) (oracle, error) {
	s, err := shapeOf(v)
	if err != nil {
		return oracle{}, err
	}
	name := "schema"
	switch v := v.(type) {
	case *recordType, *enumType, *starlark.Builtin:
		name = v.(starlark.Callable).Name()
	}
	return oracle{name: name, types: v, ask: func(v *verification, value starlark.Value) (reading, error) {
		return v.fits(s, value)
	}}, nil
}

// fits is 1 when a value has the shape, else 0.
func (v *verification) fits(s shape, value starlark.Value) (reading, error) {
	p, err := runtime.Encode(value)
	if e, ok := errors.AsType[*runtime.PayloadError](err); ok {
		return scoreOf(0, e.Error()), nil
	}
	if err != nil {
		return reading{}, err
	}
	if err := chargeDecoding(v.Thread, string(p)); err != nil {
		return reading{}, err
	}
	fresh, err := runtime.Decode(p)
	if err != nil {
		return reading{}, err
	}
	_, err = s.fit(&fitting{decoded: true, thread: v.Thread}, fresh)
	if e, ok := errors.AsType[*schemaMismatch](err); ok {
		return scoreOf(0, e.Error()), nil
	}
	if _, limit := errors.AsType[*runtime.Error](err); limit {
		return reading{}, err
	}
	if err != nil {
		return notUsable("%s", err), nil
	}
	return scoreOf(1, "it fits"), nil
}

// item is one line of a checklist.
type item struct {
	name string
	fn   starlark.Callable
}

// unnamed gives the elements of a list as a dict gives its items; the names are those of the functions.
func unnamed(list starlark.Indexable) []starlark.Tuple {
	named := make([]starlark.Tuple, list.Len())
	for i := range named {
		fn := list.Index(i)
		name := fmt.Sprintf("check %d", i+1)
		if f, ok := fn.(starlark.Callable); ok && f.Name() != "lambda" {
			name = knownAs(f)
		}
		named[i] = starlark.Tuple{starlark.String(name), fn}
	}
	return named
}

// checklistOf makes an oracle of named functions.
func checklistOf(named []starlark.Tuple) (oracle, error) {
	if len(named) == 0 {
		return oracle{}, errors.New(`an empty checklist checks nothing, want {"what holds": function of the value, ...}`)
	}
	items := make([]item, len(named))
	for i, kv := range named {
		name, isText := starlark.AsString(kv[0])
		fn, isFunction := kv[1].(starlark.Callable)
		if a, ok := kv[1].(*Agent); ok {
			return oracle{}, fmt.Errorf("line %d of the checklist is %s, want a function; agents are oracles of their own: pass them without the brackets", i+1, a)
		}
		if !isText || !isFunction {
			return oracle{}, fmt.Errorf("line %d of the checklist is %s: %s, want a name and a function of the value", i+1, describe(kv[0]), describe(kv[1]))
		}
		if hint := notATest(fn); hint != "" {
			return oracle{}, fmt.Errorf("line %d of the checklist: %s", i+1, hint)
		}
		if namesType(fn) {
			return oracle{}, fmt.Errorf("line %d of the checklist is the type %s, want a function; a type is an oracle of its own", i+1, fn.Name())
		}
		items[i] = item{name, fn}
	}
	return oracle{name: "checklist", ask: func(v *verification, value starlark.Value) (reading, error) {
		return v.goThrough(items, value)
	}}, nil
}

// goThrough is the mean score of the lines of a checklist: the share that hold, when each says yes or no. A line without evidence leaves
// the checklist without any, and those after it are not called.
func (v *verification) goThrough(items []item, value starlark.Value) (reading, error) {
	var all reading
	scores := make([]float64, 0, len(items))
	for _, it := range items {
		said, err := v.caught(functionOracle(it.fn).ask(v, value))
		if err != nil {
			return reading{}, err
		}
		if said.sense != scored {
			all.sense, all.why = unusable, trimmedReason(it.name+": "+said.why)
			return all, nil
		}
		scores = append(scores, said.score)
		if said.score < 1 {
			all.reasons = append(all.reasons, said.lines(it.name)...)
		}
	}
	all.sense, all.score = scored, consensus.Sum(scores)/float64(len(scores))
	return all, nil
}

// lines are the reasons under a name, the name alone when it says all.
func (r reading) lines(name string) []string {
	if len(r.reasons) == 0 && r.score == 0 {
		return []string{trimmedReason(name)}
	}
	reasons := r.reasons
	if len(reasons) == 0 {
		reasons = []string{r.why}
	}
	lines := make([]string, len(reasons))
	for i, reason := range reasons {
		lines[i] = trimmedReason(name + ": " + reason)
	}
	return lines
}

// read reads an answer.
func (v *verification) read(answer starlark.Value) (reading, error) {
	r := reader{thread: v.Thread}
	return r.read(answer)
}

// caught turns an error that attempt may catch into a reading without evidence. All others go on.
func (v *verification) caught(said reading, err error) (reading, error) {
	if err == nil {
		return said, nil
	}
	e := runtime.Caught(v.Thread, err)
	if e == nil {
		return said, err
	}
	return notUsable("%s", trimmedReason(failure{e}.String())), nil
}

// askAgent asks an agent as its ask does, and as if the script had written so where it calls verify.
func (v *verification) askAgent(a *Agent, task string, returns starlark.Value, inputs ...starlark.Tuple) (starlark.Value, error) {
	call := runtime.AgentCall{
		Agent: a.name, Task: task, Timeout: a.timeout, Retry: a.retry, Pos: runtime.CallerPos(v.Thread),
	}
	var err error
	if call.Input, err = runtime.EncodeFields(inputs); err != nil {
		return nil, v.unencodable("input", err)
	}
	if returns != nil {
		if call.Returns, err = schemaOf(returns); err != nil {
			return nil, err
		}
	}
	q := question{call: call, returns: returns}
	return q.ask(v.branch, v.Thread)
}

// evidence is what one oracle said of one value.
type evidence struct {
	oracle  string
	known   bool    // it has a score
	score   float64 // in [0, 1]
	skipped bool    // it was not asked
	reasons []string
}

// evidence gives a reading the name of the oracle, and reasons where there is doubt.
func (r reading) evidence(oracle string) evidence {
	e := evidence{oracle: oracle, known: r.sense == scored, score: r.score, reasons: r.reasons}
	if e.known && e.score == 1 {
		return e
	}
	if len(e.reasons) == 0 {
		e.reasons = r.tails
	}
	switch {
	case !e.known:
		e.reasons = append([]string{"no evidence: " + cmp.Or(r.why, "it says nothing")}, e.reasons...)
	case len(e.reasons) == 0 && r.why != "":
		e.reasons = []string{r.why}
	}
	if len(e.reasons) > maxReasons {
		e.reasons = e.reasons[:maxReasons:maxReasons]
	}
	return e
}

// bytes is what the evidence takes in memory, about.
func (e *evidence) bytes() int {
	n := 128
	for _, r := range e.reasons {
		n += 16 + len(r)
	}
	return n
}

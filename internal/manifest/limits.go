package manifest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// limit is one limit that people can set.
type limit struct {
	name  string // as errors of the runtime call it
	bytes bool   // counts bytes
	most  uint64
	set   func(*runtime.Limits, uint64)
}

// limits lists what can be set, in the order in which messages list it.
func limits() []limit {
	return []limit{
		{"steps", false, math.MaxInt64, func(l *runtime.Limits, n uint64) { l.Steps = n }},
		{"steps_in_a_row", false, math.MaxInt64, func(l *runtime.Limits, n uint64) { l.StepsInARow = n }},
		{"bytes", true, math.MaxInt64, func(l *runtime.Limits, n uint64) { l.Bytes = n }},
		{"depth", false, 100_000, func(l *runtime.Limits, n uint64) { l.Depth = int(n) }},
		{"live_branches", false, math.MaxInt32, func(l *runtime.Limits, n uint64) { l.LiveBranches = int(n) }},
		{"effects", false, math.MaxInt64, func(l *runtime.Limits, n uint64) { l.Effects = n }},
		{"output", true, math.MaxInt64, func(l *runtime.Limits, n uint64) { l.OutputBytes = n }},
		{"children_depth", false, 1000, func(l *runtime.Limits, n uint64) { l.ChildrenDepth = int(n) }},
	}
}

// LimitNames lists the limits that can be set.
func LimitNames() []string {
	var names []string
	for _, l := range limits() {
		names = append(names, l.name)
	}
	return names
}

// LimitError says why a limit cannot be set.
type LimitError struct {
	Name    string // of the limit, "" when it is not known
	Message string
	Hint    string
}

func (e *LimitError) Error() string { return e.Message }

// Override sets one limit from "name=value", as --limit gives it. A number may have a unit: k, M, G for counts;
// B, KB, MB, GB (thousands), KiB, MiB, GiB for bytes. Its error is a *LimitError.
func Override(l *runtime.Limits, setting string) error {
	name, value, ok := strings.Cut(setting, "=")
	if !ok {
		return &LimitError{Message: fmt.Sprintf("the limit %q has no value", setting), Hint: fmt.Sprintf("write --limit %s=N", setting)}
	}
	lim, err := limitNamed(strings.TrimSpace(name))
	if err != nil {
		return err
	}
	n, err := lim.parse(strings.TrimSpace(value))
	if err != nil {
		return err
	}
	lim.set(l, n)
	return nil
}

func limitNamed(name string) (limit, error) {
	for _, lim := range limits() {
		if lim.name == name {
			return lim, nil
		}
	}
	return limit{}, &LimitError{Message: fmt.Sprintf("there is no limit %q", name), Hint: limitHint(name)}
}

func limitHint(name string) string {
	if near := runtime.Nearest(name, LimitNames()); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "there are " + strings.Join(LimitNames(), ", ")
}

// limitsOf reads [limits].
func limitsOf(t *table) runtime.Limits {
	t.only(LimitNames()...)
	var l runtime.Limits
	for _, lim := range limits() {
		v, ok := t.m[lim.name]
		if !ok {
			continue
		}
		n, err := lim.value(v)
		if err != nil {
			t.wrong(lim.name, err.Hint, "%s", err.Message)
			continue
		}
		lim.set(&l, n)
	}
	return l
}

// value takes a number, or a string with a unit.
func (l limit) value(v any) (uint64, *LimitError) {
	switch v := v.(type) {
	case int64:
		if v >= 1 && uint64(v) <= l.most {
			return uint64(v), nil
		}
		return 0, l.wrong(strconv.FormatInt(v, 10))
	case string:
		n, err := l.parse(v)
		if err != nil {
			return 0, l.wrong(strconv.Quote(v))
		}
		return n, nil
	}
	return 0, l.wrong(kindOf(v))
}

func (l limit) wrong(got string) *LimitError {
	hint := fmt.Sprintf("for example %s = 5_000", l.name)
	if l.bytes {
		hint = fmt.Sprintf("for example %s = \"128MiB\"", l.name)
	}
	return &LimitError{
		Name:    l.name,
		Message: fmt.Sprintf("the limit %s is %s, want a whole number from 1 to %d", l.name, got, l.most),
		Hint:    hint,
	}
}

// parse reads a number with an optional unit.
func (l limit) parse(s string) (uint64, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.TrimSpace(s[len(digits):])
	factor, ok := l.factor(unit)
	n, err := strconv.ParseUint(strings.ReplaceAll(digits, "_", ""), 10, 64)
	if err != nil || !ok || n < 1 || n > l.most/factor {
		return 0, l.wrong(strconv.Quote(s))
	}
	return n * factor, nil
}

// factor is what a unit stands for.
func (l limit) factor(unit string) (uint64, bool) {
	counts := map[string]uint64{"": 1, "k": 1e3, "m": 1e6, "g": 1e9}
	sizes := map[string]uint64{
		"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
		"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	}
	if l.bytes {
		f, ok := sizes[strings.ToLower(unit)]
		return max(f, 1), ok
	}
	f, ok := counts[strings.ToLower(unit)]
	return max(f, 1), ok
}

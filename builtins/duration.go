package builtins

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// durationForms is the advice in every error about a duration.
const durationForms = `write "250ms", "60s", "1m30s", "24h", "2d" or a number of seconds`

// durationArg reads a duration as scripts write it: a string with units, a number of seconds, or a value of time.duration.
// It is never negative; zero is the caller's to judge.
func durationArg(v starlark.Value) (time.Duration, error) {
	switch v := v.(type) {
	case starlark.String:
		return parseDuration(string(v))
	case duration:
		return notNegative(time.Duration(v), v.String())
	case starlark.Int:
		return secondsOf(v.Float(), v.String())
	case starlark.Float:
		return secondsOf(v, v.String())
	}
	return 0, fmt.Errorf("%s is not a duration, %s", runtime.A(v.Type()), durationForms)
}

func secondsOf(f starlark.Float, shown string) (time.Duration, error) {
	switch s := float64(f); {
	case math.IsNaN(s):
		return 0, fmt.Errorf("the duration nan is not a number of seconds, %s", durationForms)
	case s < 0:
		return 0, fmt.Errorf("the duration %s is negative", brief(shown))
	case s*1e9 >= math.MaxInt64:
		return 0, fmt.Errorf("the duration %s seconds is longer than 290 years", brief(shown))
	default:
		return time.Duration(math.Round(s * 1e9)), nil
	}
}

// parseDuration reads time.ParseDuration's forms, with days in front: "2d", "1d12h", "1.5d".
func parseDuration(s string) (time.Duration, error) {
	head, rest, hasDays := strings.Cut(s, "d")
	if !hasDays {
		head, rest = "0", s
	}
	days, err := strconv.ParseFloat(head, 64)
	if err != nil || strings.Trim(head, "0123456789.-") != "" || hasDays && strings.HasPrefix(rest, "-") {
		return 0, notDuration(s)
	}
	d, err := time.ParseDuration(rest)
	if err != nil && !(hasDays && rest == "") {
		return 0, notDuration(s)
	}
	if total := days*86400e9 + float64(d); total >= math.MaxInt64 || total < -math.MaxInt64 {
		return 0, fmt.Errorf("the duration %q is longer than 290 years", brief(s))
	}
	return notNegative(time.Duration(math.Round(days*86400e9))+d, strconv.Quote(brief(s)))
}

func notDuration(s string) error {
	return fmt.Errorf("%q is not a duration, %s", brief(s), durationForms)
}

func notNegative(d time.Duration, shown string) (time.Duration, error) {
	if d < 0 {
		return 0, fmt.Errorf("the duration %s is negative", shown)
	}
	return d, nil
}

// brief cuts a text for a message.
func brief(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:57], "") + "..."
}

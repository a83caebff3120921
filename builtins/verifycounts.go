package builtins

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"go.starlark.net/starlark"
)

// maxCount is the largest count that a float64 holds exactly.
const maxCount = 1 << 53

// counted is what a run of tests came to.
type counted struct {
	failed, skipped, errors float64
	complete                bool // it counts failures, or all tests
}

func (n *counted) bad() float64 { return n.failed + n.skipped + n.errors }

// answeredCounts reads the counts of a run of tests, or passed as a yes or no.
func answeredCounts(get func(string) starlark.Value) reading {
	passed := present(get("passed"))
	n, why := against(get)
	if why != "" {
		return flag("passed", yesNoOnly(passed)).least(notUsable("%s", why))
	}
	good, isCount := countIn(passed)
	if isCount {
		if why := n.fillUp(good, present(get("total"))); why != "" {
			return notUsable("%s", why)
		}
		return n.share(good)
	}
	if _, isBool := passed.(starlark.Bool); passed != nil && !isBool {
		return notUsable("passed is %s, want a count, or True or False", describe(passed))
	}
	said := flag("passed", passed)
	if n.bad() > 0 {
		return said.least(notUsable("it counts what did not pass and not what passed"))
	}
	return said
}

// yesNoOnly is v when it is a yes or no, else nil.
func yesNoOnly(v starlark.Value) starlark.Value {
	if yes, ok := v.(starlark.Bool); ok {
		return yes
	}
	return nil
}

// share is the score of a run in which so many passed.
func (n *counted) share(passed float64) reading {
	switch {
	case !n.complete:
		return notUsable("it counts what passed and not what failed")
	case passed+n.bad() == 0:
		return notUsable("no tests ran")
	}
	why := fmt.Sprintf("%.0f passed, %.0f failed, %.0f skipped", passed, n.failed, n.skipped)
	if n.errors > 0 {
		why += fmt.Sprintf(", %.0f errors", n.errors)
	}
	return scoreOf(passed/(passed+n.bad()), why)
}

// fillUp counts as skipped what a total holds beyond the other counts.
func (n *counted) fillUp(passed float64, total starlark.Value) (why string) {
	if total == nil {
		return ""
	}
	all, ok := countIn(total)
	switch {
	case !ok:
		return fmt.Sprintf("total is %s, want a count", describe(total))
	case all < passed:
		return fmt.Sprintf("%.0f passed of a total of %.0f", passed, all)
	}
	n.complete = true
	n.skipped += max(0, all-passed-n.bad())
	return ""
}

// against reads the counts of what did not pass; why says what stands there instead of a count. Two names of one count are one: the
// larger number is taken.
func against(get func(string) starlark.Value) (n counted, why string) {
	for _, of := range []struct {
		names []string
		to    *float64
	}{
		{[]string{"failed", "failures"}, &n.failed},
		{[]string{"skipped"}, &n.skipped},
		{[]string{"error", "errors"}, &n.errors},
	} {
		for _, name := range of.names {
			v := present(get(name))
			if v == nil || v == starlark.False || v == starlark.String("") {
				continue
			}
			count, ok := sizeIn(v)
			if !ok {
				why = cmp.Or(why, fmt.Sprintf("%s is %s, want a count or a list", name, describe(v)))
				continue
			}
			*of.to = max(*of.to, count)
			n.complete = n.complete || slices.Contains(of.names, "failed")
		}
	}
	return n, why
}

// sizeIn is a count, or how many a list or another collection holds.
func sizeIn(v starlark.Value) (float64, bool) {
	if _, isText := v.(starlark.String); isText {
		return 0, false
	}
	if n := starlark.Len(v); n >= 0 {
		return float64(n), true
	}
	return countIn(v)
}

// countIn is a whole number that is not negative.
func countIn(v starlark.Value) (float64, bool) {
	if v == nil {
		return 0, false
	}
	f, ok := starlark.AsFloat(v)
	return f, ok && f >= 0 && f <= maxCount && f == math.Trunc(f)
}

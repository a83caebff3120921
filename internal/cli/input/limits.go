package input

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/runtime"
)

// Bounds is what a run may use.
type Bounds struct {
	Limits runtime.Limits
	Budget runtime.BudgetLimits
}

// LimitNames lists what Override understands: the sandbox's limits and the units of a budget.
func LimitNames() []string {
	return append(manifest.LimitNames(), budgetNames()...)
}

func budgetNames() []string {
	return []string{string(runtime.BudgetTokens), string(runtime.BudgetCost), string(runtime.BudgetCalls), string(runtime.BudgetTime)}
}

// Override applies name=N settings, as --limit gives them. Its error is a *cli.UsageError.
func (b *Bounds) Override(settings []string) error {
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		ours, err := b.budget(strings.TrimSpace(name), strings.TrimSpace(value))
		if !ours {
			err = manifest.Override(&b.Limits, s)
		}
		if err != nil {
			return b.explain(name, err)
		}
	}
	return nil
}

// budget sets a unit of the budget; ours is false when name is none.
func (b *Bounds) budget(name, value string) (ours bool, err error) {
	switch runtime.BudgetUnit(name) {
	case runtime.BudgetTokens:
		b.Budget.Tokens, err = count(value)
	case runtime.BudgetCalls:
		b.Budget.Calls, err = count(value)
	case runtime.BudgetCost:
		b.Budget.CostMicroUSD, err = dollars(value)
	case runtime.BudgetTime:
		b.Budget.Seconds, err = seconds(value)
	default:
		return false, nil
	}
	if err != nil {
		return true, cli.Usagef("", "the limit %s is %q, %v", name, value, err)
	}
	return true, nil
}

// count reads a positive whole number, with k, M or G for thousands.
func count(s string) (int64, error) {
	digits, unit := strings.ReplaceAll(s, "_", ""), int64(1)
	for i, suffix := range []string{"k", "m", "g"} {
		if rest, ok := strings.CutSuffix(strings.ToLower(digits), suffix); ok {
			digits, unit = rest, int64(math.Pow10(3*(i+1)))
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/unit {
		return 0, errors.New("want a whole number from 1, such as 500 or 50k")
	}
	return n * unit, nil
}

// dollars reads US dollars and gives millionths.
func dollars(s string) (int64, error) {
	usd, err := strconv.ParseFloat(strings.TrimPrefix(s, "$"), 64)
	if err != nil || !(usd > 0 && usd <= 1e9) {
		return 0, errors.New("want US dollars, such as 0.50")
	}
	return max(1, int64(math.Round(usd*1e6))), nil
}

func seconds(s string) (float64, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, errors.New("want a duration, such as 90s or 5m")
	}
	return d.Seconds(), nil
}

func (b *Bounds) explain(name string, err error) error {
	wrong, ok := errors.AsType[*manifest.LimitError](err)
	if !ok {
		return err
	}
	e := &cli.UsageError{Message: "--limit: " + wrong.Message, Hint: wrong.Hint}
	if wrong.Name != "" || strings.Contains(wrong.Hint, "--limit") {
		return e
	}
	e.Hint = "there are " + strings.Join(LimitNames(), ", ")
	if near := runtime.Nearest(strings.TrimSpace(name), LimitNames()); near != "" {
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	}
	return e
}

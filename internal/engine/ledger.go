package engine

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// ledger keeps a run's budget. Before a call it sets aside what the largest call so far took, so that calls side by side do
// not overspend together; after it, what the call took stands.
type ledger struct {
	limits runtime.BudgetLimits
	start  time.Time

	mu       sync.Mutex
	spent    spend
	held     spend
	largest  spend
	warnings map[runtime.BudgetUnit]bool
}

// spend is an amount of everything a budget counts but time.
type spend struct{ tokens, cost, calls int64 }

func newLedger(limits runtime.BudgetLimits, start time.Time) *ledger {
	return &ledger{limits: limits, start: start, warnings: make(map[runtime.BudgetUnit]bool)}
}

// begin counts the budget of time from when the run began, or so that it ends when the run's first fact says.
func (l *ledger) begin(first *runtime.Fact) {
	l.start = first.At
	if !first.Until.IsZero() && l.limits.Seconds > 0 {
		l.start = first.Until.Add(-time.Duration(l.limits.Seconds * float64(time.Second)))
	}
}

// tighter takes the smaller bound of two for each unit; zero is no bound.
func tighter(a, b runtime.BudgetLimits) runtime.BudgetLimits {
	return runtime.BudgetLimits{
		Tokens:       smaller(a.Tokens, b.Tokens),
		CostMicroUSD: smaller(a.CostMicroUSD, b.CostMicroUSD),
		Calls:        smaller(a.Calls, b.Calls),
		Seconds:      smaller(a.Seconds, b.Seconds),
	}
}

func smaller[T int64 | float64](a, b T) T {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// reserve sets aside what an attempt may take, or says which unit of the budget does not allow it.
func (b *branch) reserve() (spend, error) {
	l := b.x.ledger
	if l.limits.Seconds > 0 {
		if used := b.x.Now().Sub(l.start).Seconds(); used >= l.limits.Seconds {
			return spend{}, l.timeUp()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	hold := spend{tokens: l.largest.tokens, cost: l.largest.cost, calls: 1}
	for _, u := range l.units() {
		if u.limit > 0 && *u.spent+*u.held+u.of(hold) > u.limit {
			return spend{}, spentError(u.unit, *u.spent, u.limit)
		}
	}
	l.held.tokens += hold.tokens
	l.held.cost += hold.cost
	l.held.calls += hold.calls
	return hold, nil
}

// settle gives back what was set aside and books what the attempt took; past 80 % of a unit it says so, once.
func (b *branch) settle(at runtime.Address, hold spend, used runtime.Usage) {
	for _, unit := range b.x.ledger.book(hold, used) {
		b.emit(runtime.Event{Kind: runtime.BudgetWarned, Addr: at, Name: string(unit)})
	}
}

func (l *ledger) book(hold spend, used runtime.Usage) (warned []runtime.BudgetUnit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	took := spend{tokens: used.InputTokens + used.OutputTokens, cost: used.CostMicroUSD, calls: 1}
	l.held.tokens -= hold.tokens
	l.held.cost -= hold.cost
	l.held.calls -= hold.calls
	l.largest.tokens = max(l.largest.tokens, took.tokens)
	l.largest.cost = max(l.largest.cost, took.cost)
	l.spent.tokens += took.tokens
	l.spent.cost += took.cost
	l.spent.calls += took.calls
	for _, u := range l.units() {
		if u.limit > 0 && *u.spent*5 >= u.limit*4 && !l.warnings[u.unit] {
			l.warnings[u.unit] = true
			warned = append(warned, u.unit)
		}
	}
	return warned
}

// presume books attempts of which nobody knows what they took: as much as the largest call so far.
func (l *ledger) presume(attempts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent.tokens += l.largest.tokens * int64(attempts)
	l.spent.cost += l.largest.cost * int64(attempts)
	l.spent.calls += int64(attempts)
}

// rebook books a call that was made before the run was resumed.
func (l *ledger) rebook(used runtime.Usage, attempts int) {
	l.book(spend{}, used)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent.calls += int64(max(attempts-1, 0))
}

// unit is one row of the ledger.
type unit struct {
	unit        runtime.BudgetUnit
	limit       int64
	spent, held *int64
	of          func(spend) int64
}

func (l *ledger) units() [3]unit {
	return [3]unit{
		{runtime.BudgetTokens, l.limits.Tokens, &l.spent.tokens, &l.held.tokens, func(s spend) int64 { return s.tokens }},
		{runtime.BudgetCost, l.limits.CostMicroUSD, &l.spent.cost, &l.held.cost, func(s spend) int64 { return s.cost }},
		{runtime.BudgetCalls, l.limits.Calls, &l.spent.calls, &l.held.calls, func(s spend) int64 { return s.calls }},
	}
}

// paidTime ends when the budget of time does.
func (b *branch) paidTime() (context.Context, context.CancelFunc) {
	l := b.x.ledger
	if l.limits.Seconds == 0 {
		return b.ctx, func() {}
	}
	end := l.start.Add(time.Duration(l.limits.Seconds * float64(time.Second)))
	return b.timeout(max(end.Sub(b.x.Now()), 1), l.timeUp())
}

// remaining answers a runtime.Budget.
func (l *ledger) remaining(of runtime.BudgetUnit, now time.Time) runtime.Payload {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := func(limit, spent int64, format func(int64) string) runtime.Payload {
		if limit == 0 {
			return runtime.Null
		}
		return runtime.Payload(format(max(limit-spent, 0)))
	}
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	switch of {
	case runtime.BudgetTokens:
		return left(l.limits.Tokens, l.spent.tokens, whole)
	case runtime.BudgetCalls:
		return left(l.limits.Calls, l.spent.calls, whole)
	case runtime.BudgetCost:
		return left(l.limits.CostMicroUSD, l.spent.cost, func(n int64) string { return decimal(float64(n) / 1e6) })
	case runtime.BudgetTime:
		if l.limits.Seconds > 0 {
			return runtime.Payload(decimal(max(l.limits.Seconds-now.Sub(l.start).Seconds(), 0)))
		}
	}
	return runtime.Null
}

// decimal writes a float as canonical JSON.
func decimal(f float64) string {
	p, err := runtime.Canonical(fmt.Appendf(nil, "%.6f", f))
	if err != nil {
		return "null"
	}
	return string(p)
}

func (l *ledger) timeUp() *runtime.Error {
	return runtime.Errorf(runtime.BudgetSpent, "the run's budget of %gs is used up", l.limits.Seconds)
}

func spentError(u runtime.BudgetUnit, spent, limit int64) *runtime.Error {
	amount := func(n int64) string { return fmt.Sprintf("%d %s", n, u) }
	if u == runtime.BudgetCost {
		amount = func(n int64) string { return fmt.Sprintf("$%.6g", float64(n)/1e6) }
	}
	e := runtime.Errorf(runtime.BudgetSpent, "the run's budget of %s does not allow another call (%s spent)", amount(limit), amount(spent))
	e.Details = fmt.Appendf(nil, `{"limit":%d,"spent":%d,"unit":%q}`, limit, spent, u)
	return e
}

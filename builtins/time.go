package builtins

import (
	"errors"
	"fmt"
	"math"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// duration is a span of time as scripts hold it. It crosses to the world as a string such as "1m30s".
type duration time.Duration

var (
	_ starlark.HasAttrs   = duration(0)
	_ starlark.HasBinary  = duration(0)
	_ starlark.HasUnary   = duration(0)
	_ starlark.Comparable = duration(0)
)

func (d duration) String() string        { return time.Duration(d).String() }
func (d duration) Type() string          { return "duration" }
func (d duration) Freeze()               {}
func (d duration) Truth() starlark.Bool  { return d != 0 }
func (d duration) Hash() (uint32, error) { return uint32(d) ^ uint32(int64(d)>>32), nil }
func (d duration) Plain() starlark.Value { return starlark.String(d.String()) }
func (d duration) AttrNames() []string {
	return []string{"hours", "milliseconds", "minutes", "seconds"}
}

func (d duration) Attr(name string) (starlark.Value, error) {
	switch name {
	case "hours":
		return starlark.Float(time.Duration(d).Hours()), nil
	case "minutes":
		return starlark.Float(time.Duration(d).Minutes()), nil
	case "seconds":
		return starlark.Float(time.Duration(d).Seconds()), nil
	case "milliseconds":
		return starlark.MakeInt64(time.Duration(d).Milliseconds()), nil
	}
	return nil, nil
}

func (d duration) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return compareOrdered(op, int64(d), int64(other.(duration)))
}

func compareOrdered(op syntax.Token, a, b int64) (bool, error) {
	switch op {
	case syntax.EQL:
		return a == b, nil
	case syntax.NEQ:
		return a != b, nil
	case syntax.LT:
		return a < b, nil
	case syntax.LE:
		return a <= b, nil
	case syntax.GT:
		return a > b, nil
	case syntax.GE:
		return a >= b, nil
	default:
		return false, fmt.Errorf("unknown comparison %s", op)
	}
}

func (d duration) Unary(op syntax.Token) (starlark.Value, error) {
	if op == syntax.MINUS && int64(d) != math.MinInt64 {
		return -d, nil
	}
	return nil, nil
}

// Binary is duration ± duration, duration * number, duration / number and duration / duration.
func (d duration) Binary(op syntax.Token, other starlark.Value, side starlark.Side) (starlark.Value, error) {
	if o, ok := other.(duration); ok && side == starlark.Left {
		switch op {
		case syntax.PLUS:
			return scaled(float64(d)+float64(o), int64(d)+int64(o))
		case syntax.MINUS:
			return scaled(float64(d)-float64(o), int64(d)-int64(o))
		case syntax.SLASH:
			if o == 0 {
				return nil, errors.New("a duration is divided by a duration of 0s")
			}
			return starlark.Float(float64(d) / float64(o)), nil
		}
		return nil, nil
	}
	x, ok := starlark.AsFloat(other)
	switch {
	case !ok:
		return nil, nil
	case op == syntax.STAR:
		if n, ok := other.(starlark.Int); ok {
			if n, ok := n.Int64(); ok {
				return scaled(float64(d)*x, int64(d)*n)
			}
		}
		return scaled(float64(d)*x, int64(math.Round(float64(d)*x)))
	case op == syntax.SLASH && side == starlark.Left:
		if x == 0 {
			return nil, errors.New("a duration is divided by zero")
		}
		return scaled(float64(d)/x, int64(math.Round(float64(d)/x)))
	}
	return nil, nil
}

// scaled gives exact unless the rough result shows that it overflowed.
func scaled(rough float64, exact int64) (starlark.Value, error) {
	if math.IsNaN(rough) || math.Abs(rough) >= math.MaxInt64 {
		return nil, errors.New("the duration is longer than 290 years")
	}
	return duration(exact), nil
}

// instant is a point in time, in UTC. It crosses to the world as an RFC 3339 string.
type instant time.Time

var (
	_ starlark.HasAttrs   = instant{}
	_ starlark.HasBinary  = instant{}
	_ starlark.Comparable = instant{}
)

// instantOf gives the Starlark value of a time.
func instantOf(t time.Time) starlark.Value { return instant(t.UTC()) }

func (t instant) time() time.Time       { return time.Time(t) }
func (t instant) String() string        { return t.time().Format(time.RFC3339Nano) }
func (t instant) Type() string          { return "time" }
func (t instant) Freeze()               {}
func (t instant) Truth() starlark.Bool  { return true }
func (t instant) Hash() (uint32, error) { return starlark.String(t.String()).Hash() }
func (t instant) Plain() starlark.Value { return starlark.String(t.String()) }

func (t instant) AttrNames() []string {
	return []string{"day", "format", "hour", "minute", "month", "nanosecond", "second", "unix", "weekday", "year"}
}

func (t instant) Attr(name string) (starlark.Value, error) {
	at := t.time()
	switch name {
	case "year":
		return starlark.MakeInt(at.Year()), nil
	case "month":
		return starlark.MakeInt(int(at.Month())), nil
	case "day":
		return starlark.MakeInt(at.Day()), nil
	case "hour":
		return starlark.MakeInt(at.Hour()), nil
	case "minute":
		return starlark.MakeInt(at.Minute()), nil
	case "second":
		return starlark.MakeInt(at.Second()), nil
	case "nanosecond":
		return starlark.MakeInt(at.Nanosecond()), nil
	case "weekday":
		return starlark.String(at.Weekday().String()), nil
	case "unix":
		return starlark.MakeInt64(at.Unix()), nil
	case "format":
		return timeFormatMethod().Builtin(t), nil
	}
	return nil, nil
}

func (t instant) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return compareOrdered(op, int64(t.time().Compare(other.(instant).time())), 0)
}

// Binary is time ± duration and time - time.
func (t instant) Binary(op syntax.Token, other starlark.Value, side starlark.Side) (starlark.Value, error) {
	switch o := other.(type) {
	case duration:
		switch {
		case op == syntax.PLUS:
			return checkedTime(t.time().Add(time.Duration(o)))
		case op == syntax.MINUS && side == starlark.Left && int64(o) != math.MinInt64:
			return checkedTime(t.time().Add(-time.Duration(o)))
		}
	case instant:
		if op == syntax.MINUS && side == starlark.Left {
			return duration(t.time().Sub(o.time())), nil
		}
	}
	return nil, nil
}

// checkedTime refuses years that RFC 3339 cannot write.
func checkedTime(t time.Time) (starlark.Value, error) {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("the year %d is outside 0 to 9999", y)
	}
	return instantOf(t), nil
}

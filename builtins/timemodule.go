package builtins

import (
	"errors"
	"fmt"
	"math"
	"time"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// timeModule is what scripts call `time`. It reads no clock: now() is an effect's time and a builtin of its own.
func timeModule() module {
	return module{
		Name: "time",
		Doc: `time has points in time and durations. Everything is in UTC, and nothing here reads a clock: the time of the run is now().

A time has .year .month .day .hour .minute .second .nanosecond .weekday .unix and .format(layout); times compare; time - time is a
duration; time + duration and time - duration are times. A duration has .hours .minutes .seconds .milliseconds, can be
added, subtracted, compared, multiplied and divided, and is taken wherever a duration is asked for.

    deadline = time.parse("2026-03-01T12:00:00Z") + time.duration("36h")
    deadline.format("2006-01-02") # "2026-03-03"`,
		Decls: []*Decl{timeParse(), timeFormat(), timeDuration(), timeTime(), timeFromUnix()},
	}
}

const layoutDoc = `A layout shows how the time 15:04:05 on Monday, 2 January 2006 is written, such as "2006-01-02 15:04".`

func timeParse() *Decl {
	return &Decl{
		Name: "parse",
		Params: []Param{
			{Name: "text", Type: "str"},
			{Name: "layout", Type: "str", Default: `"2006-01-02T15:04:05Z07:00"`},
		},
		Result: "time",
		Doc: `time.parse(text, layout=RFC 3339) reads a time. A text without an offset is in UTC, also when it names a
zone; one that does not fit the layout is an error.

` + layoutDoc + `

    time.parse("2026-03-01T12:00:00+02:00").hour # 10
    time.parse("1 Mar 2026", "2 Jan 2006").month # 3`,
		Impl: func(c *Call) (starlark.Value, error) {
			text, err := c.textArg(0)
			if err != nil {
				return nil, err
			}
			layout, err := c.textOr(1, time.RFC3339)
			if err != nil {
				return nil, err
			}
			t, err := time.ParseInLocation(layout, text, time.UTC) // time.Parse would look at the host's zone
			if err != nil {
				return nil, fmt.Errorf("parse: %q is not a time written as %q", brief(text), brief(layout))
			}
			return checkedTime(t)
		},
	}
}

func timeFormat() *Decl {
	return &Decl{
		Name: "format",
		Params: []Param{
			{Name: "t", Type: "time"},
			{Name: "layout", Type: "str", Default: `"2006-01-02T15:04:05Z07:00"`},
		},
		Result: "str",
		Doc: `time.format(t, layout=RFC 3339) writes a time in UTC; t.format(layout) is the same.

` + layoutDoc + `

    time.format(now(), "15:04")`,
		Impl: func(c *Call) (starlark.Value, error) {
			t, ok := c.Args[0].(instant)
			if !ok {
				return nil, fmt.Errorf("format: got %s, want a time", runtime.A(c.Args[0].Type()))
			}
			return formatTime(c, t, 1)
		},
	}
}

func timeFormatMethod() *Decl {
	return &Decl{
		Name:   "format",
		Params: []Param{{Name: "layout", Type: "str", Default: `"2006-01-02T15:04:05Z07:00"`}},
		Result: "str",
		Doc: `t.format(layout=RFC 3339) writes a time in UTC.

` + layoutDoc,
		Impl: func(c *Call) (starlark.Value, error) { return formatTime(c, c.Recv.(instant), 0) },
	}
}

func formatTime(c *Call, t instant, arg int) (starlark.Value, error) {
	layout, err := c.textOr(arg, time.RFC3339)
	if err != nil {
		return nil, err
	}
	if err := charge(c.Thread, 8*len(layout)); err != nil {
		return nil, err
	}
	return starlark.String(t.time().Format(layout)), nil
}

func timeDuration() *Decl {
	return &Decl{
		Name:   "duration",
		Params: []Param{{Name: "d", Type: "str, int or float"}},
		Result: "duration",
		Doc: `time.duration(d) reads a duration: a string with units (ns, us, ms, s, m, h, d) or a number of seconds. It is never negative.

    time.duration("1m30s").seconds # 90.0
    time.duration(90) * 2          # 3m0s`,
		Impl: func(c *Call) (starlark.Value, error) {
			d, err := durationArg(c.Args[0])
			if err != nil {
				return nil, fmt.Errorf("duration: %w", err)
			}
			return duration(d), nil
		},
	}
}

func timeTime() *Decl {
	return &Decl{
		Name: "time",
		Params: []Param{
			{Name: "year", Type: "int"},
			{Name: "month", Type: "int", Default: "1"},
			{Name: "day", Type: "int", Default: "1"},
			{Name: "hour", Type: "int", Default: "0"},
			{Name: "minute", Type: "int", Default: "0"},
			{Name: "second", Type: "int", Default: "0"},
			{Name: "nanosecond", Type: "int", Default: "0"},
		},
		Result: "time",
		Doc: `time.time(year, month=1, day=1, hour=0, minute=0, second=0, nanosecond=0) is that time in UTC. A date that does not exist is an error.

    time.time(2026, 3, 1).weekday # "Sunday"`,
		Impl: makeTime,
	}
}

func makeTime(c *Call) (starlark.Value, error) {
	least := []int{0, 1, 1, 0, 0, 0, 0}
	most := []int{9999, 12, 31, 23, 59, 59, 999_999_999}
	var n [7]int
	for i, p := range c.Decl.Params {
		v, err := c.intArg(i, least[i], least[i])
		if err != nil {
			return nil, err
		}
		if v > most[i] {
			return nil, fmt.Errorf("time: the %s is %d, want %d to %d", p.Name, v, least[i], most[i])
		}
		n[i] = v
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6], time.UTC)
	if t.Day() != n[2] {
		return nil, fmt.Errorf("time: %s %d has no day %d", time.Month(n[1]), n[0], n[2])
	}
	return instantOf(t), nil
}

func timeFromUnix() *Decl {
	return &Decl{
		Name:   "from_unix",
		Params: []Param{{Name: "seconds", Type: "int or float"}},
		Result: "time",
		Doc: `time.from_unix(seconds) is the time so many seconds after the start of 1970.

    time.from_unix(0).year # 1970`,
		Impl: func(c *Call) (starlark.Value, error) {
			if i, ok := c.Args[0].(starlark.Int); ok {
				if n, ok := i.Int64(); ok && math.Abs(float64(n)) < 1<<40 {
					return checkedTime(time.Unix(n, 0))
				}
			}
			x, ok := starlark.AsFloat(c.Args[0])
			if !ok {
				return nil, fmt.Errorf("from_unix: got %s, want a number of seconds", runtime.A(c.Args[0].Type()))
			}
			if math.IsNaN(x) || math.Abs(x) >= 1<<40 {
				return nil, errors.New("from_unix: the number of seconds is too large")
			}
			whole, part := math.Modf(x)
			return checkedTime(time.Unix(int64(whole), int64(math.Round(part*1e9))))
		},
	}
}

package manifest

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// State is the table [state].
type State struct {
	Dir       string        // where runs are kept, absolute; "" keeps nothing
	KeepFor   time.Duration // how long a run stays after its end; zero means until it is removed
	KeepBytes int64         // what all that is kept may take on the disk; zero sets no bound

	CacheFor   time.Duration // how long an answer stays that nobody uses; zero leaves it to the program, as here:
	CacheBytes int64         // what answers for later calls may take on the disk
}

func stateOf(t *table, dir string) State {
	t.only("dir", "keep_for", "keep_bytes", "cache_for", "cache_bytes")
	return State{
		Dir: below(dir, t.text("dir")), KeepFor: t.span("keep_for"), KeepBytes: t.size("keep_bytes"),
		CacheFor: t.span("cache_for"), CacheBytes: t.size("cache_bytes"),
	}
}

// span gives a time that may be as long as years, zero when it is not there.
func (t *table) span(key string) time.Duration {
	v, ok := t.m[key]
	if !ok {
		return 0
	}
	s, ok := v.(string)
	d, valid := Span(s)
	if !ok || !valid {
		t.wrong(key, "write "+key+` = "30d"`, "%s is %s, want a time span above zero", key, quotedOr(v))
	}
	return d
}

// size gives a number of bytes, zero when it is not there.
func (t *table) size(key string) int64 {
	v, ok := t.m[key]
	if !ok {
		return 0
	}
	n, valid := v.(int64)
	if s, ok := v.(string); ok {
		n, valid = Size(s)
	}
	if !valid || n < 1 {
		t.wrong(key, "write "+key+` = "1GiB"`, "%s is %s, want a number of bytes above zero", key, quotedOr(v))
		return 0
	}
	return n
}

func quotedOr(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return shown(v)
}

// Span reads a time above zero: what time.ParseDuration takes, or a number of days or weeks, as in "30d" and "2w".
func Span(s string) (time.Duration, bool) {
	for unit, one := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(s, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if d := n * float64(one); err == nil && d >= 1 && d < math.MaxInt64 {
			return time.Duration(d), true
		}
		return 0, false
	}
	d, err := time.ParseDuration(s)
	return max(d, 0), err == nil && d > 0
}

// Size reads a number of bytes above zero, with a unit or none: B, KB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB.
func Size(s string) (int64, bool) {
	n, err := limit{bytes: true, most: math.MaxInt64}.parse(strings.TrimSpace(s))
	return int64(n), err == nil
}

package runtime_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

func TestCanonicalFormIsOneFormForEqualValues(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		` { "b" : 1 , "a" : [ ] } `:              `{"a":[],"b":1}`,
		`{"z":{"y":1,"x":2},"é":3,"a":"\u00e9"}`: `{"a":"é","z":{"x":2,"y":1},"é":3}`,
		`"\/\ud83d\ude00\u0001"`:                 `"/😀\u0001"`,
		`-0`:                                     `0`,
		`-0.0`:                                   `-0.0`,
		`1.50`:                                   `1.5`,
		`1e2`:                                    `100.0`,
		`1E400`:                                  ``,
		`12345678901234567890123456789`:          `12345678901234567890123456789`,
		`1e21`:                                   `1e+21`,
		`[1,2`:                                   ``,
		`[1,]`:                                   ``,
		`{"a":1,"a":2}`:                          ``,
		`{"b":1,"a":2,"b":3}`:                    ``,
		`01`:                                     ``,
		`nul`:                                    ``,
		`"\ud800"`:                               ``,
		"\"\xff\"":                               ``,
		"\"a\nb\"":                               ``,
		`1 2`:                                    ``,
		``:                                       ``,
	} {
		got, err := runtime.Canonical([]byte(in))
		if want == "" {
			var bad *runtime.PayloadError
			require.ErrorAs(t, err, &bad, in)
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want, string(got), in)
	}
}

func TestValuesKeepTheirTypeThroughAPayload(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`{"b": 1.0, "a": (1, None, True)}`: `{"a":[1,null,true],"b":1.0}`,
		`1 << 200`:                         `1606938044258990275541962092341162602522202993782792835301376`,
		`"tab\t\"quote\" \\ é"`:            `"tab\t\"quote\" \\ é"`,
		`[1e300, -0.5, 3.0e-9]`:            `[1e+300,-0.5,3e-09]`,
	} {
		v := eval(t, src)
		p, err := runtime.Encode(v)
		require.NoError(t, err)
		require.Equal(t, want, string(p))
		again, err := runtime.Decode(p)
		require.NoError(t, err)
		q, err := runtime.Encode(again)
		require.NoError(t, err)
		require.Equal(t, string(p), string(q))
	}
}

func TestAValueWithoutJSONFormNamesItsPath(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`{"a": [1, {"b": set([1])}]}`: `$.a[1].b: a set has no JSON form, write sorted(x) or list(x)`,
		`{1: 2}`:                      `$: a dict key of type int, only strings can be keys in JSON`,
		`[float("nan")]`:              `$[0]: the float nan has no JSON form`,
		`len`:                         `$: a builtin_function_or_method has no JSON form`,
		`b"x"`:                        `$: bytes have no JSON form, write str(x) or a list of numbers`,
		`"\xff"`:                      ``,
	} {
		if want == "" {
			continue
		}
		_, err := runtime.Encode(eval(t, src))
		require.EqualError(t, err, want)
	}
}

func TestAValueThatContainsItselfIsRefused(t *testing.T) {
	t.Parallel()
	l := starlark.NewList(nil)
	require.NoError(t, l.Append(l))
	_, err := runtime.Encode(l)
	require.ErrorContains(t, err, "contains itself")
}

func eval(t *testing.T, src string) starlark.Value {
	t.Helper()
	v, err := starlark.EvalOptions(runtime.Dialect(), &starlark.Thread{}, "test.star", src, nil)
	require.NoError(t, err)
	return v
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x"],"b":null}`, `"\u00e9\ud83d\ude00"`, `[[[[]]]]`, `-1e-7`, `{"b":1,"a":{"d":1,"c":2}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := runtime.Canonical(raw)
		if err != nil {
			return
		}
		if !json.Valid(p) {
			t.Fatalf("not JSON: %q from %q", p, raw)
		}
		again, err := runtime.Canonical(p)
		if err != nil || !bytes.Equal(p, again) {
			t.Fatalf("not stable: %q then %q (%v)", p, again, err)
		}
		v, err := runtime.Decode(raw)
		if err != nil {
			t.Fatalf("canonical but not decoded: %q: %v", raw, err)
		}
		q, err := runtime.Encode(v)
		if err != nil || !bytes.Equal(p, q) {
			t.Fatalf("canonical %q, through a value %q (%v)", p, q, err)
		}
	})
}

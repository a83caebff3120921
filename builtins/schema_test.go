package builtins

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/runtime"
)

// typed is a type and a generator of its values.
type typed struct {
	spec   starlark.Value
	values *rapid.Generator[starlark.Value]
}

// types draws a type nested up to a depth.
func types(rt *rapid.T, depth int) typed {
	most := 8
	if depth == 0 {
		most = 4
	}
	switch rapid.IntRange(0, most).Draw(rt, "kind") {
	case 0:
		return typed{starlark.Universe["str"], rapid.Map(rapid.String(), func(s string) starlark.Value { return starlark.String(strings.ToValidUTF8(s, "?")) })}
	case 1:
		return typed{starlark.Universe["int"], rapid.Map(rapid.Int64(), func(n int64) starlark.Value { return starlark.MakeInt64(n) })}
	case 2:
		return typed{starlark.Universe["float"], rapid.Map(rapid.Float64Range(-1e300, 1e300), func(x float64) starlark.Value { return starlark.Float(x) })}
	case 3:
		return typed{starlark.Universe["bool"], rapid.Map(rapid.Bool(), func(b bool) starlark.Value { return starlark.Bool(b) })}
	case 4:
		e := &enumType{values: []string{"low", "high", "é"}}
		return typed{e, rapid.Map(rapid.SampledFrom(e.values), func(s string) starlark.Value { return starlark.String(s) })}
	case 5:
		of := types(rt, depth-1)
		return typed{starlark.NewList([]starlark.Value{of.spec}), rapid.Map(rapid.SliceOfN(of.values, 0, 3), func(vs []starlark.Value) starlark.Value { return starlark.NewList(vs) })}
	case 6:
		of := types(rt, depth-1)
		s, err := shapeOf(of.spec)
		if err != nil {
			rt.Fatal(err)
		}
		return typed{&optionalType{s}, rapid.OneOf(rapid.Just(starlark.Value(starlark.None)), of.values)}
	case 7:
		return dictTypes(rt, depth)
	default:
		return recordTypes(rt, depth)
	}
}

func dictTypes(rt *rapid.T, depth int) typed {
	spec := new(starlark.Dict)
	var fields []typed
	for i := range rapid.IntRange(1, 3).Draw(rt, "fields") {
		fields = append(fields, types(rt, depth-1))
		_ = spec.SetKey(starlark.String(fmt.Sprintf("f%d", i)), fields[i].spec)
	}
	return typed{spec, rapid.Custom(func(rt *rapid.T) starlark.Value {
		d := new(starlark.Dict)
		for i, f := range fields {
			_ = d.SetKey(starlark.String(fmt.Sprintf("f%d", i)), f.values.Draw(rt, "value"))
		}
		return d
	})}
}

func recordTypes(rt *rapid.T, depth int) typed {
	var fields []typed
	var kwargs []starlark.Tuple
	for i := range rapid.IntRange(1, 3).Draw(rt, "fields") {
		fields = append(fields, types(rt, depth-1))
		kwargs = append(kwargs, starlark.Tuple{starlark.String(fmt.Sprintf("f%d", i)), fields[i].spec})
	}
	spec, err := starlark.Call(new(starlark.Thread), recordDecl().Builtin(nil), nil, kwargs)
	if err != nil {
		rt.Fatal(err)
	}
	return typed{spec, rapid.Custom(func(rt *rapid.T) starlark.Value {
		r := &record{typ: spec.(*recordType)}
		for _, f := range fields {
			r.values = append(r.values, f.values.Draw(rt, "value"))
		}
		return r
	})}
}

// A value of a type, sent as JSON and read as that type, is the value; and another validator finds that it fits the schema.
func TestTypedValuesCrossUnchanged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		typ := types(rt, 3)
		v := typ.values.Draw(rt, "v")
		p, err := runtime.Encode(v)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := typedValue(typ.spec, p)
		if err != nil {
			rt.Fatalf("%s as %s: %v", p, typ.spec, err)
		}
		if same, err := starlark.EqualDepth(got, v, 50); err != nil || !same {
			rt.Fatalf("%s as %s: got %s, want %s (%v)", p, typ.spec, got, v, err)
		}
		schema, err := schemaOf(typ.spec)
		if err != nil {
			rt.Fatal(err)
		}
		if err := validate(schema, p); err != nil {
			rt.Fatalf("%s does not fit %s: %v", p, schema, err)
		}
	})
}

// validate is the opinion of another implementation.
func validate(schema, p runtime.Payload) error {
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		return err
	}
	r, err := s.Resolve(nil)
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal(p, &v); err != nil {
		return nil //nolint:nilerr // an int too large for its float64; ours are exact
	}
	return r.Validate(v)
}

// What fits one of our types in our eyes fits its schema in those of another implementation, whatever an agent sends.
func FuzzTypedValue(f *testing.F) {
	spec := fuzzSpec(f)
	schema, err := schemaOf(spec)
	require.NoError(f, err)
	raw, err := runtime.Decode(schema)
	require.NoError(f, err)
	for _, seed := range []string{
		`{"answer":"true","score":1,"tags":["a"],"nested":{"n":1},"note":null}`,
		`{"answer":"true","score":0.5,"tags":[],"nested":{"n":1,"m":2}}`,
		`{"answer":"maybe"}`, `[]`, `null`, `{"`, `{"answer":"true","score":1e400}`, strings.Repeat("[", 600),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := typedValue(spec, b)
		plain, rawErr := typedValue(raw, b)
		if err != nil {
			var mismatch *schemaMismatch
			var payload *runtime.PayloadError
			require.True(t, errors.As(err, &mismatch) || errors.As(err, &payload), "%T: %v", err, err)
			return
		}
		if plain == nil { // the schema wants each field, the type forgives those with a default
			require.ErrorContains(t, rawErr, "$.note: is missing")
			return
		}
		require.NoError(t, rawErr)
		require.NoError(t, validate(schema, b))
	})
}

func fuzzSpec(f *testing.F) starlark.Value {
	f.Helper()
	globals, err := starlark.ExecFileOptions(runtime.Dialect(), new(starlark.Thread), "spec.star", `
Verdict = record(
    answer = enum("true", "false", "unclear"),
    score = float,
    tags = [str],
    nested = record(n = int),
    note = optional(str),
)
`, dataValues())
	require.NoError(f, err)
	return globals["Verdict"]
}

// A text is either refused or a duration that is not negative and reads back as it prints.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"60s", "1m30s", "250ms", "24h", "2d", "1.5d", "-1s", "", "d", "1d-1h", "9999999d", "1e9d", "0x1d", "1_0d", "infd", "NaNd", "0.1ns"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := durationArg(starlark.String(s))
		if err != nil {
			require.Contains(t, err.Error(), "duration")
			return
		}
		require.GreaterOrEqual(t, d, time.Duration(0))
		again, err := durationArg(duration(d))
		require.NoError(t, err)
		require.Equal(t, d, again)
		again, err = durationArg(starlark.String(duration(d).String()))
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}

// A small schema of the script's own cannot make a check long: the work is counted.
func TestCheckingASchemaIsBounded(t *testing.T) {
	t.Parallel()
	schema, err := runtime.Decode(runtime.Payload(`{"items":{"anyOf":[{"const":1},{"const":2},{"pattern":"x$"}]}}`))
	require.NoError(t, err)
	value, err := runtime.Decode(runtime.Payload(`["` + strings.Repeat("x", 100_000) + `",2,2]`))
	require.NoError(t, err)
	s, err := shapeOf(schema)
	require.NoError(t, err)
	f := fitting{}
	_, err = s.fit(&f, value)
	require.NoError(t, err)
	require.Greater(t, f.steps, 100_000)
	_, err = s.fit(&fitting{steps: maxFitSteps - f.steps + 1}, value)
	require.ErrorContains(t, err, "takes more than 5000000 steps")
}

func TestDurationsOfNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		x := rapid.Float64().Draw(rt, "seconds")
		d, err := durationArg(starlark.Float(x))
		if x < 0 || x*1e9 >= math.MaxInt64 {
			require.Error(rt, err)
			return
		}
		require.NoError(rt, err)
		require.InDelta(rt, x, d.Seconds(), math.Max(1e-9, x*1e-12))
	})
}

func TestSchemaBytesAreCanonical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p, err := schemaOf(types(rt, 3).spec)
		require.NoError(rt, err)
		c, err := runtime.Canonical(p)
		require.NoError(rt, err)
		require.Equal(rt, string(c), string(p))
	})
}

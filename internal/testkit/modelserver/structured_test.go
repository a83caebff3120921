package modelserver

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"
)

var answerable = map[string]string{
	"review": `{"type":"object","properties":{"verdict":{"enum":["approve","reject","revise"]},"ok":{"type":"boolean"},
		"reasons":{"type":"array","items":{"type":"string","maxLength":30},"minItems":1,"maxItems":3},
		"score":{"type":"number","minimum":0,"maximum":1},"n":{"type":"integer","exclusiveMinimum":1,"maximum":5}},
		"required":["verdict","ok","reasons","score","n"],"additionalProperties":false}`,
	"nested":    `{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"const":{"x":[1,null]}}}}},"required":["a"]}`,
	"refs":      `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"name":{"type":"string"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["name","next"]}}}`,
	"null":      `{"type":["null","string"]}`,
	"long":      `{"type":"string","minLength":400}`,
	"short":     `{"type":"string","minLength":3,"maxLength":3}`,
	"empty":     `{"type":"string","maxLength":0}`,
	"multiples": `{"type":"integer","minimum":-20,"maximum":20,"multipleOf":7}`,
	"point":     `{"type":"number","minimum":0.25,"maximum":0.25}`,
	"open":      `{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}`,
	"enum":      `{"enum":["yes","yes, but","no",3,null,{"deep":true}]}`,
	"dates":     `{"type":"array","items":{"type":"string","format":"date"},"minItems":4}`,
	"oneOf":     `{"oneOf":[{"type":"integer"},{"type":"boolean"}]}`,
	"anything":  `{}`,
}

func TestAnswersSatisfyTheirSchema(t *testing.T) {
	t.Parallel()
	v := Train(corpus).under(nil)
	for name, text := range answerable {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, err := parseSchema([]byte(text))
			require.NoError(t, err)
			var check jsonschema.Schema
			require.NoError(t, json.Unmarshal([]byte(text), &check))
			resolved, err := check.Resolve(nil)
			require.NoError(t, err)
			for seed := range uint64(12) {
				s := newSampler(v, settings{temperature: float64(seed%3) / 2, maxTokens: 10_000}, seed, 0)
				pieces, finish, err := s.structured(asked)
				require.NoError(t, err)
				require.Equal(t, "stop", finish)
				var value any
				require.NoError(t, json.Unmarshal([]byte(join(pieces)), &value), join(pieces))
				require.NoError(t, resolved.Validate(value), join(pieces))
			}
		})
	}
}

func TestSchemasThatCannotBeAnsweredAreRefused(t *testing.T) {
	t.Parallel()
	v := Train(corpus).under(nil)
	for name, text := range map[string]string{
		"keyword":   `{"type":"string","pattern":"^a$"}`,
		"type":      `{"type":"date"}`,
		"never":     `{"type":"object","properties":{"a":false}}`,
		"endless":   `{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}}}}}`,
		"loop":      `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}`,
		"dangling":  `{"$ref":"#/$defs/b"}`,
		"no number": `{"type":"integer","minimum":3,"maximum":2}`,
		"no string": `{"type":"string","minLength":3,"maxLength":2}`,
	} {
		s, err := parseSchema([]byte(text))
		require.NoError(t, err)
		_, _, err = newSampler(v, settings{maxTokens: 100}, 1, 0).structured(s)
		require.Error(t, err, name)
	}
	_, err := parseSchema([]byte(`{"properties":[]}`))
	require.Error(t, err)
}

func TestChoiceProbabilitiesAreTheModels(t *testing.T) {
	t.Parallel()
	v := Train(corpus).under(nil)
	asked, err := parseSchema([]byte(`{"enum":["approve","approval","reject"]}`))
	require.NoError(t, err)
	past := idsOf(v.Tokenize("answer is"))
	var scores []float64
	for _, word := range []string{" approve", " approval", " reject"} {
		scores = append(scores, v.logprob(past, word))
	}
	share := map[string]float64{}
	for i, p := range softmax(scores) {
		share[[]string{`"approve"`, `"approval"`, `"reject"`}[i]] = p
	}
	for seed := range uint64(40) {
		pieces, _, err := newSampler(v, settings{temperature: 2, maxTokens: 100, top: 5}, seed, 0).structured(asked)
		require.NoError(t, err)
		sum := 0.0
		for _, p := range pieces {
			sum += p.logprob
			mass := 0.0
			for _, alt := range p.top {
				mass += math.Exp(alt.logprob)
			}
			require.InDelta(t, 1, mass, 1e-9)
		}
		want := share[join(pieces)]
		require.InDelta(t, want, math.Exp(sum), 1e-9)
	}
}

func TestFindsASchemaInAPrompt(t *testing.T) {
	t.Parallel()
	raw, ok := schemaIn("Use {braces} and {\"x\": 1}.\nAnswer with JSON that satisfies:\n{\"type\": \"object\", \"properties\": {}}\n")
	require.True(t, ok)
	require.JSONEq(t, `{"type":"object","properties":{}}`, string(raw))
	_, ok = schemaIn(`{"type": "invoice", "total": 3}`)
	require.False(t, ok)
}

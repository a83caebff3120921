package runtime

import (
	"slices"

	"go.starlark.net/starlark"
)

// EncodeFields gives the payload of named values, such as the named arguments of a call: one JSON object. An error is a
// *PayloadError whose path starts with the name.
func EncodeFields(fields []starlark.Tuple) (Payload, error) {
	e := encoder{}
	byName := func(a, b starlark.Tuple) int {
		return compareStrings(string(a[0].(starlark.String)), string(b[0].(starlark.String)))
	}
	if !slices.IsSortedFunc(fields, byName) {
		fields = slices.SortedFunc(slices.Values(fields), byName)
	}
	err := e.object(len(fields), func(i int) (string, starlark.Value, error) {
		return string(fields[i][0].(starlark.String)), fields[i][1], nil
	})
	if err != nil {
		return nil, err
	}
	return e.out, nil
}

// Package stdlib carries the standard modules of patterns, which they load as "@std//name.star".
//
// A module is a file of Starlark beside this one; what it can do is told by the first string in it and by the docstrings of its functions. Its
// tests stand in name_test.star, and are no part of the binary.
package stdlib

import (
	"embed"
	"io/fs"
)

// The patterns leave out what ends in _test.star, and with it names that end in est.
//
//go:embed *[^t].star *[^s]t.star *[^e]st.star
var modules embed.FS

// FS gives the modules by name, such as "confidence.star".
func FS() fs.FS { return modules }

package builtins

import (
	"errors"
	"io/fs"
	"strings"

	"go.starlark.net/starlark"
)

func fileDecl() *Decl {
	return &Decl{
		Name:   "file",
		Params: []Param{{Name: "path", Type: "str"}},
		Result: "file",
		Doc: `file(path) as the default of an input makes the input a file: when the caller names none, it is the content of this one, as a string.

The path is relative to the folder of the pattern, with forward slashes, and stays below it. The caller gives another file with
--input doc=@PATH, or text with --input doc=TEXT. A file that cannot be read ends the run before it starts.

    def main(doc = file("README.md")):
        return agent("writer").ask("Summarise.", text = doc).value`,
		Impl: makeFile,
	}
}

func makeFile(c *Call) (starlark.Value, error) {
	path, err := c.nameArg(0)
	if err != nil {
		return nil, err
	}
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\\:\x00") {
		return nil, c.wrong(0, "%q is not a path below the folder of the pattern; pass other files with --input NAME=@PATH", brief(path))
	}
	return FileInput{Path: path}, nil
}

// FileInput is the default of an input that is a file's content. Whoever starts the run puts the content, a string, in its
// place; it has no JSON form of its own.
type FileInput struct {
	Path string // below the folder of the pattern, with forward slashes
}

func (f FileInput) String() string        { return "file(" + starlark.String(f.Path).String() + ")" }
func (f FileInput) Type() string          { return "file" }
func (f FileInput) Freeze()               {}
func (f FileInput) Truth() starlark.Bool  { return true }
func (f FileInput) Hash() (uint32, error) { return 0, errors.New("unhashable: file") }

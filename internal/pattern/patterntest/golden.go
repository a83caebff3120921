package patterntest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// goldenDir is where golden files are, below the directory of the test.
const goldenDir = "testdata"

func goldenDecl() *builtins.Decl {
	return &builtins.Decl{
		Name:   "assert.golden",
		Params: []builtins.Param{{Name: "value", Type: "any"}, {Name: "file", Type: "str"}},
		Result: "None",
		Doc: `Fails the test unless value is what testdata/file, beside the test, holds.

A file called *.json holds any data as JSON, whose layout does not matter; any other file holds a text, as it is. parallax test --update writes
what was got into the files: read the difference as a reviewer would.

    assert.golden(review("x = 1"), "review.json")
    assert.golden(report(findings), "report.md")
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			w, err := worldOf(c)
			if err != nil {
				return nil, err
			}
			file, err := text(c, 1)
			if err != nil {
				return nil, err
			}
			if err := w.beside.local(file); err != nil {
				return nil, fmt.Errorf("assert.golden: file: %w", err)
			}
			got, err := goldenText(c.Args[0], file)
			if err != nil {
				return nil, fmt.Errorf("assert.golden: value: %w", err)
			}
			return starlark.None, w.golden(goldenDir+"/"+file, got)
		},
	}
}

// goldenText is a value as a golden file holds it.
func goldenText(v starlark.Value, file string) ([]byte, error) {
	if path.Ext(file) != ".json" {
		s, ok := v.(starlark.String)
		if !ok {
			return nil, fmt.Errorf("got %s, want a string, or the name of a .json file", runtime.A(v.Type()))
		}
		return []byte(s), nil
	}
	p, err := runtime.Encode(v)
	if err != nil {
		return nil, err
	}
	return laidOut(p)
}

// laidOut is a payload on lines.
func laidOut(p runtime.Payload) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, p, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func (w *World) golden(name string, got []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads[name] = true
	if w.Update {
		return w.rewrite(name, got)
	}
	want, err := w.beside.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		e := broken("assert.golden: there is no file %s", name)
		e.Hint = "write it with parallax test --update, and read it"
		return e
	}
	if err != nil {
		return broken("assert.golden: %v", err)
	}
	if path.Ext(name) == ".json" {
		p, err := runtime.Canonical(want)
		if err != nil {
			e := broken("assert.golden: %s is no JSON: %v", name, err)
			e.Hint = "write it again with parallax test --update"
			return e
		}
		if want, err = laidOut(p); err != nil {
			return err
		}
	}
	if bytes.Equal(want, got) {
		return nil
	}
	return unlikeGolden(name, want, got)
}

func unlikeGolden(name string, want, got []byte) error {
	e := broken("assert.golden: %s says otherwise\n  - %s, + got\n%s", name, path.Base(name), indented(goldenDiff(string(want), string(got))))
	e.Hint = "if it is right now, write it with parallax test --update"
	fields := []starlark.Tuple{
		{starlark.String("got"), starlark.String(clipGolden(got))},
		{starlark.String("want"), starlark.String(clipGolden(want))},
	}
	if p, err := runtime.EncodeFields(fields); err == nil {
		e.Details = p
	}
	return e
}

// goldenDiff does not count the end of the last line for a line.
func goldenDiff(want, got string) string {
	if d := Diff(strings.TrimSuffix(want, "\n"), strings.TrimSuffix(got, "\n")); d != "" {
		return d
	}
	return "only the end of the last line differs"
}

// clipGolden bounds what the details of an error hold.
func clipGolden(text []byte) string {
	s := string(text)
	if len(s) > shownText {
		s = s[:shownText] + " ..."
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

// rewrite writes a golden file, once in a test.
func (w *World) rewrite(name string, got []byte) error {
	if old, ok := w.wrote[name]; ok && !bytes.Equal(old, got) {
		return broken("assert.golden: the test keeps two different values in %s", name)
	}
	w.wrote[name] = got
	if err := w.beside.write(name, got); err != nil {
		return broken("assert.golden: %v", err)
	}
	return nil
}

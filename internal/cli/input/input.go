// Package input turns what people write on the command line into the inputs, limits and signals of a run.
package input

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// MaxFileBytes bounds a file that is passed as an input.
const MaxFileBytes = 64 << 20

// Reader reads inputs. Relative paths are below Dir; the path "-" is In.
type Reader struct {
	Dir      string
	In       io.Reader
	Defaults runtime.Payload // inputs of the manifest, a JSON object or nil; those that main does not take are left out

	Package string // the directory that file("...") as a default is confined to
	Main    string // the pattern's file below Package, with forward slashes; such files are seen from its folder
}

// Inputs joins a file of inputs, "" for none, and pairs of the form name=value, which win, into the JSON object that main gets.
// Whether the names fit main is left to Program.Bind.
func (r Reader) Inputs(ctx context.Context, params []runtime.Param, file string, pairs []string) (runtime.Payload, error) {
	fields, err := r.defaults(params)
	if err != nil {
		return nil, err
	}
	if file != "" {
		if err := r.file(ctx, file, fields); err != nil {
			return nil, err
		}
	}
	given := make(map[string]bool, len(pairs))
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, cli.Usagef("write --input name=value, or --input name=@file", "--input %s has no name and value", pair)
		}
		if given[name] {
			return nil, cli.Usagef("give it once", "--input %s is given twice", name)
		}
		given[name] = true
		v, err := r.value(ctx, name, text, isText(params, name))
		if err != nil {
			return nil, err
		}
		fields[name] = v
	}
	if err := r.fileDefaults(params, fields); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}

// Given joins inputs that are a JSON object already, nil being none, with the defaults.
func (r Reader) Given(params []runtime.Param, given runtime.Payload) (runtime.Payload, error) {
	fields, err := r.defaults(params)
	if err != nil {
		return nil, err
	}
	if len(given) > 0 {
		doc, err := runtime.Canonical(given)
		if err != nil {
			return nil, cli.Usagef("give one JSON object with a field for each input", "the inputs are not JSON: %s", reason(err))
		}
		if doc[0] != '{' {
			return nil, cli.Usagef("give one JSON object with a field for each input", "the inputs are not a JSON object")
		}
		if err := json.Unmarshal(doc, &fields); err != nil {
			return nil, err
		}
	}
	if err := r.fileDefaults(params, fields); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}

func (r Reader) defaults(params []runtime.Param) (map[string]runtime.Payload, error) {
	fields := make(map[string]runtime.Payload)
	if len(r.Defaults) > 0 {
		if err := json.Unmarshal(r.Defaults, &fields); err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(fields, func(name string, _ runtime.Payload) bool {
		return !slices.ContainsFunc(params, func(p runtime.Param) bool { return p.Name == name })
	})
	return fields, nil
}

// isText says that an input is a string whatever it looks like.
func isText(params []runtime.Param, name string) bool {
	for _, p := range params {
		if p.Name == name {
			_, file := p.Default.(builtins.FileInput)
			return file || p.Default != nil && p.Default.Type() == "string"
		}
	}
	return false
}

// value reads one value: @path is a file's content, @@ stands for a leading @.
func (r Reader) value(ctx context.Context, name, text string, asText bool) (runtime.Payload, error) {
	if rest, ok := strings.CutPrefix(text, "@"); ok {
		if strings.HasPrefix(rest, "@") {
			return textPayload(rest)
		}
		return r.content(ctx, name, rest)
	}
	if !utf8.ValidString(text) {
		return nil, cli.Usagef("pass bytes in another encoding as base64", "--input %s is not UTF-8", name)
	}
	if !asText {
		if v, err := runtime.Canonical([]byte(text)); err == nil {
			return v, nil
		}
	}
	return textPayload(text)
}

func (r Reader) content(ctx context.Context, name, path string) (runtime.Payload, error) {
	raw, err := r.read(ctx, path)
	if ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		return nil, cli.Usagef(fmt.Sprintf("a value that starts with @ is a file; write @@ for the character: --input %s=@@%s", name, path),
			"--input %s: %v", name, err)
	}
	return fileText(name, path, raw)
}

// fileText is a file's content as an input.
func fileText(name, path string, raw []byte) (runtime.Payload, error) {
	if !utf8.Valid(raw) {
		return nil, cli.Usagef("pass bytes in another encoding as base64", "--input %s: %s is not UTF-8", name, path)
	}
	return textPayload(string(raw))
}

func (r Reader) file(ctx context.Context, path string, fields map[string]runtime.Payload) error {
	raw, err := r.read(ctx, path)
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		return cli.Usagef("give the path of a JSON file with one object", "--input-file: %v", err)
	}
	doc, err := runtime.Canonical(raw)
	if err != nil {
		return cli.Usagef("the file must be one JSON object, such as {\"question\": \"why?\"}", "--input-file: %s%s", place(path, raw, err), reason(err))
	}
	if doc[0] != '{' {
		return cli.Usagef("the file must be one JSON object, such as {\"question\": \"why?\"}", "--input-file: %s is not a JSON object", path)
	}
	return json.Unmarshal(doc, &fields)
}

// read reads a file, or In, of at most MaxFileBytes. When ctx ends it leaves the reading behind: nobody can end the opening of
// a pipe that has no writer.
func (r Reader) read(ctx context.Context, path string) ([]byte, error) {
	type content struct {
		raw []byte
		err error
	}
	done := make(chan content, 1)
	go func() {
		raw, err := r.readAll(path)
		done <- content{raw, err}
	}()
	select {
	case c := <-done:
		return c.raw, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w while reading %s", runtime.ErrCancelled(), path)
	}
}

func (r Reader) readAll(path string) ([]byte, error) {
	if path == "-" {
		return limited(r.In, "standard input")
	}
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(r.Dir, path)
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", path)
	}
	return limited(f, path)
}

func limited(in io.Reader, name string) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(in, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if len(raw) > MaxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, MaxFileBytes>>20)
	}
	return raw, nil
}

// place is "file:line:column: " of an error in a JSON document.
func place(path string, raw []byte, err error) string {
	e, ok := errors.AsType[*runtime.PayloadError](err)
	if !ok || e.Offset < 0 || e.Offset > len(raw) {
		return path + ": "
	}
	before := raw[:e.Offset]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("%s:%d:%d: ", path, line, column)
}

func reason(err error) string {
	if e, ok := errors.AsType[*runtime.PayloadError](err); ok {
		return e.Reason
	}
	return err.Error()
}

func textPayload(s string) (runtime.Payload, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}

// Signals reads name=JSON pairs in their order.
func Signals(pairs []string, send func(name string, p runtime.Payload)) error {
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return cli.Usagef("write --signal name=JSON, such as --signal go=true", "--signal %s has no name and value", pair)
		}
		v, err := runtime.Canonical([]byte(text))
		if err != nil {
			return cli.Usagef(`a signal is JSON: quote strings, as in --signal name='"text"'`, "--signal %s: %s", name, reason(err))
		}
		send(name, v)
	}
	return nil
}

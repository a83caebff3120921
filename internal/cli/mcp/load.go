package mcp

import (
	"context"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/runtime"
)

// tool is a pattern that is served.
type tool struct {
	tool    *mcp.Tool
	project *project.Project
	path    string // as it was given
}

// load loads the patterns that are named, or all of the project.
func (o *Options) load(ctx context.Context) ([]*tool, error) {
	paths, err := o.Patterns, error(nil)
	if len(paths) == 0 {
		if paths, err = o.found(); err != nil {
			return nil, err
		}
	}
	var tools []*tool
	for _, path := range paths {
		p, err := o.open(ctx, path)
		if err != nil {
			return nil, err
		}
		if _, err := o.Run.Recorded(p); err != nil {
			return nil, err
		}
		t, err := toolOf(path, p)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(tools, func(other *tool) bool { return other.tool.Name == t.tool.Name }); i >= 0 {
			return nil, cli.Usagef("rename one of them", "%s and %s would both be the tool %q", tools[i].path, path, t.tool.Name)
		}
		tools = append(tools, t)
	}
	if len(tools) == 0 {
		return nil, cli.Usagef("name a pattern, or run parallax init", "no .star file beside %s has a main", manifest.FileName)
	}
	return tools, nil
}

// found lists the files of the project's folder that may be patterns.
func (o *Options) found() ([]string, error) {
	m, err := project.Manifest(o.App, "", o.Run.Agents)
	if err != nil {
		return nil, err
	}
	if m.Path == "" {
		return nil, cli.Usagef("name a pattern, or run parallax init", "there is no pattern named and no %s in this directory or above", manifest.FileName)
	}
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".star") || strings.HasSuffix(name, "_test.star") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, name))
		if err != nil {
			return nil, err
		}
		if strings.Contains("\n"+string(text), "\ndef main(") {
			paths = append(paths, filepath.Join(m.Dir, name))
		}
	}
	return paths, nil
}

func (o *Options) open(ctx context.Context, path string) (*project.Project, error) {
	one := o.Run
	one.Pattern = path
	return one.Open(ctx)
}

// toolOf says what a client is told of a pattern.
func toolOf(given string, p *project.Project) (*tool, error) {
	prog := p.Loaded.Program
	name := nameOf(given, prog.Name)
	if !isName(name, ".-", 64) {
		return nil, cli.Usagef("rename the file", "%s cannot be a tool: %q has other characters than letters, digits, '_', '-' and '.', or is too long", given, name)
	}
	about, args := split(prog.Doc())
	if about == "" {
		about = prog.Meta.Description
	}
	schema, err := schemaOf(prog.Params(), args)
	if err != nil {
		return nil, err
	}
	return &tool{tool: &mcp.Tool{Name: name, Description: about, InputSchema: schema}, project: p, path: given}, nil
}

// nameOf is a pattern's name for clients: that of its file, or of its package.
func nameOf(given, file string) string {
	if base := path.Base(filepath.ToSlash(file)); base != "main.star" {
		return strings.TrimSuffix(base, ".star")
	}
	given, _, _ = strings.Cut(filepath.ToSlash(given), "@")
	base := path.Base(given)
	if base == "main.star" {
		base = path.Base(path.Dir(given))
	}
	if base == "." || base == "/" || base == "" {
		base = "main"
	}
	return base
}

// schemaOf is the JSON Schema of a pattern's inputs. A default says which type an input has, and None that it may have any.
func schemaOf(params []runtime.Param, about map[string]string) (json.RawMessage, error) {
	properties, required := make(map[string]map[string]any, len(params)), []string{}
	for _, p := range params {
		property := make(map[string]any)
		if text := about[p.Name]; text != "" {
			property["description"] = text
		}
		if p.Required {
			required = append(required, p.Name)
		} else if err := describeDefault(property, p); err != nil {
			return nil, err
		}
		properties[p.Name] = property
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		schema["required"] = required
	}
	return json.Marshal(schema)
}

func describeDefault(property map[string]any, p runtime.Param) error {
	types := map[string]string{
		"string": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "tuple": "array", "dict": "object", "struct": "object",
		"file": "string",
	}
	if t, ok := types[p.Default.Type()]; ok {
		property["type"] = t
	}
	if p.Default.Type() == "file" {
		return nil // its content is the default, and may be long
	}
	value, err := runtime.Encode(p.Default)
	if err != nil {
		return nil //nolint:nilerr // a value of the script's own that is no JSON: an input may be anything
	}
	if value.String() != "null" {
		property["default"] = json.RawMessage(value)
	}
	return nil
}

// split takes a docstring apart: what it says, and what it says of each input below "Args:".
func split(doc string) (about string, args map[string]string) {
	args = make(map[string]string)
	var kept []string
	inside, name := -1, "" // the margin of "Args:"
	for line := range strings.Lines(doc) {
		line = strings.TrimRight(line, "\r\n\t ")
		text := strings.TrimLeft(line, " \t")
		margin := len(line) - len(text)
		switch {
		case inside < 0 && text == "Args:":
			inside = margin
		case inside >= 0 && (text == "" || margin > inside):
			if key, value, ok := strings.Cut(text, ":"); ok && isName(key, "", 100) {
				name = key
				args[name] = strings.TrimSpace(value)
			} else if name != "" && text != "" {
				args[name] += " " + text
			}
		default:
			inside = -1
			kept = append(kept, text)
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n")), args
}

// isName says whether a text consists of letters, digits, '_' and some others, at most so many.
func isName(text, others string, most int) bool {
	return text != "" && len(text) <= most && !strings.ContainsFunc(text, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
		return !letter && !strings.ContainsRune(others, r)
	})
}

// Command trim writes the part of GitHub's own description of its REST API that the server of package github implements:
//
//	npm pack @octokit/openapi@23.0.2
//	go run ./internal/testkit/github/trim octokit-openapi-23.0.2.tgz >internal/testkit/github/description/api.github.com.json
//
// `make github-api` does both. What people read is left out: descriptions, examples, links. What a machine can check stays.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/testkit/github"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: trim octokit-openapi-VERSION.tgz")
		os.Exit(2)
	}
	text, err := trim(os.Args[1], github.Operations())
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "trim:", err)
		os.Exit(1)
	}
}

// whole is the file of the archive that describes github.com.
const whole = "package/generated/api.github.com.json"

func trim(archive string, operations []string) ([]byte, error) {
	text, err := fileOf(archive, whole)
	if err != nil {
		return nil, err
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", whole, err)
	}
	return d.only(operations)
}

// fileOf reads one file of a tar archive.
func fileOf(archive, name string) ([]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s has no %s", archive, name)
		}
		if err != nil {
			return nil, err
		}
		if h.Name == name {
			return io.ReadAll(t)
		}
	}
}

// description is what there is of OpenAPI here.
type description struct {
	OpenAPI    string                               `json:"openapi"`
	Info       map[string]any                       `json:"info"`
	Paths      map[string]map[string]any            `json:"paths"`
	Components map[string]map[string]map[string]any `json:"components"`
}

// only gives the operations, "GET /path" each, and the components that they refer to, a line each.
func (d *description) only(operations []string) ([]byte, error) {
	paths, parts := make(map[string]map[string]any), make(map[string]map[string]any)
	for _, o := range operations {
		method, path, _ := strings.Cut(o, " ")
		op, ok := d.Paths[path][strings.ToLower(method)]
		if !ok {
			return nil, fmt.Errorf("there is no operation %s", o)
		}
		if paths[path] == nil {
			paths[path] = make(map[string]any)
		}
		paths[path][strings.ToLower(method)] = bare(op, false)
		if err := d.follow(op, parts); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	info := map[string]any{"title": "The part of GitHub's REST API that tests need; made by trim", "version": d.Info["version"], "license": d.Info["license"], "x-source": "npm @octokit/openapi " + fmt.Sprint(d.Info["version"]) + ", " + whole}
	fmt.Fprintf(&b, "{\"openapi\":%s,\n\"info\":%s,\n\"paths\":", line(d.OpenAPI), line(info))
	lines(&b, paths)
	b.WriteString(",\n\"components\":{")
	for i, kind := range slices.Sorted(maps.Keys(parts)) {
		fmt.Fprintf(&b, "%s\n%s:", strings.Repeat(",", min(i, 1)), line(kind))
		lines(&b, parts[kind])
	}
	b.WriteString("}}\n")
	return b.Bytes(), nil
}

func lines[V any](b *bytes.Buffer, m map[string]V) {
	b.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "\n%s:%s", line(key), line(m[key]))
	}
	b.WriteByte('}')
}

func line(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // it was JSON
	}
	return strings.TrimSpace(b.String())
}

// follow adds the components to which v refers, and those to which they refer.
func (d *description) follow(v any, parts map[string]map[string]any) error {
	for _, ref := range refs(bare(v, false)) {
		words := strings.Split(ref, "/") // #/components/schemas/NAME
		if len(words) != 4 || d.Components[words[2]][words[3]] == nil {
			return fmt.Errorf("it refers to %s, which is not there", ref)
		}
		kind, name := words[2], words[3]
		if parts[kind] == nil {
			parts[kind] = make(map[string]any)
		}
		if parts[kind][name] != nil {
			continue
		}
		parts[kind][name] = bare(d.Components[kind][name], false)
		if err := d.follow(d.Components[kind][name], parts); err != nil {
			return err
		}
	}
	return nil
}

func refs(v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			all = append(all, ref)
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			all = append(all, refs(v[key])...)
		}
	case []any:
		for _, item := range v {
			all = append(all, refs(item)...)
		}
	}
	return all
}

// bare leaves out what only people read. The keys of properties are names, which stay. Alternatives of which exactly one shall fit become such of
// which one must: GitHub's overlap, as those of errors do, whose properties may all be missing.
func bare(v any, names bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for key, item := range v {
			if key == "oneOf" && !names {
				key = "anyOf"
			}
			if names || !prose(key) {
				out[key] = bare(item, key == "properties" && !names)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = bare(item, false)
		}
		return out
	}
	return v
}

func prose(key string) bool {
	return slices.Contains([]string{"description", "example", "examples", "externalDocs", "summary", "tags", "title", "servers"}, key) || strings.HasPrefix(key, "x-")
}

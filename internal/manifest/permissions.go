package manifest

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// Permissions is what an agent may do besides running its own program: the table [agents.NAME.permissions]. What it does not name is not allowed.
type Permissions struct {
	Net     []string // hosts: name, *.name or address, with :port; "*" is all
	Secrets []string // environment variables, each NAME, or NAME@URL for one that is put into requests to that server
	Read    []string // absolute paths
	Write   []string // absolute paths
	Exec    []string // programs: names, or absolute paths; "*" is all
	Memory  int64    // bytes; zero means the default
	Sandbox string   // the least level, or ""
	Pos     Pos
}

// sandboxLevels are those that can be asked for.
func sandboxLevels() []string { return []string{"basic", "standard", "strict"} }

// permissionsOf reads a table of permissions; without one it gives nil. Relative paths are below dir, as is $WORKSPACE, which is dir itself.
func permissionsOf(t *table, dir string) *Permissions {
	if t.m == nil {
		return nil
	}
	t.only("net", "secrets", "read", "write", "exec", "memory", "sandbox")
	p := &Permissions{
		Net: t.texts("net"), Read: t.paths("read", dir), Write: t.paths("write", dir), Exec: t.texts("exec"), Secrets: t.grants("secrets"),
		Sandbox: t.text("sandbox"), Pos: t.doc.place(t.path),
	}
	for i, program := range p.Exec {
		if strings.ContainsAny(program, `/\`) {
			p.Exec[i] = seen(dir, program)
		}
	}
	if v, ok := t.m["memory"]; ok {
		n, err := limit{name: "memory", bytes: true, most: math.MaxInt64}.value(v)
		if err != nil {
			t.wrong("memory", err.Hint, "%s", err.Message)
		}
		p.Memory = int64(n)
	}
	if p.Sandbox != "" && !slices.Contains(sandboxLevels(), p.Sandbox) {
		t.wrong("sandbox", `write sandbox = "standard"`, "sandbox is %q, want one of %s", p.Sandbox, strings.Join(sandboxLevels(), ", "))
	}
	return p
}

// paths gives a list of paths, absolute. $SCRATCH, which every agent has, is left out.
func (t *table) paths(key, dir string) []string {
	var paths []string
	for _, p := range t.texts(key) {
		if p == "$SCRATCH" {
			continue
		}
		rest, ok := strings.CutPrefix(p, "$WORKSPACE")
		switch {
		case ok && (rest == "" || rest[0] == '/'):
			paths = append(paths, seen(dir, strings.TrimLeft(rest, "/")))
			continue
		case strings.HasPrefix(p, "$"):
			t.wrong(key, "there are $WORKSPACE, the folder of this file, and $SCRATCH", "%s: there is no place called %s", key, p)
			return nil
		}
		paths = append(paths, seen(dir, p))
	}
	return paths
}

// seen is a path as seen from dir. Where that only stands for a folder, as $WORKSPACE, what leads out of it can be told from what is in it.
func seen(dir, path string) string {
	path = filepath.Clean(filepath.FromSlash(path))
	switch {
	case filepath.IsAbs(path):
		return path
	case dir == "" || filepath.IsAbs(dir) || path == ".":
		return filepath.Join(dir, path)
	}
	return dir + string(filepath.Separator) + path
}

// grants gives names of environment variables, some with the server for which they are: NAME@URL.
func (t *table) grants(key string) []string {
	list := t.texts(key)
	for i, grant := range list {
		name, server, at := strings.Cut(grant, "@")
		if !envName().MatchString(name) || at && !strings.HasPrefix(server, "https://") && !strings.HasPrefix(server, "http://") {
			t.doc.secret(t.sub(key), "write the name of an environment variable, or NAME@https://server for one that the agent itself shall not have",
				"%s[%d] is not the name of an environment variable", key, i)
			return nil
		}
	}
	return list
}

// ParsePermissions reads a table of permissions that is written as JSON: as in a manifest, with dir in place of its folder. The error is an *Error,
// whose problems have no place.
func ParsePermissions(text []byte, dir string) (*Permissions, error) {
	doc := &document{name: "permissions", lines: []int{0}}
	t := &table{doc: doc, path: []string{"permissions"}}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&t.m); err != nil {
		doc.problem(Pos{1, 1}, "", "permissions are not an object of JSON: %s", err)
		return nil, doc.err()
	}
	if n, ok := t.m["memory"].(json.Number); ok {
		t.m["memory"], _ = n.Int64()
	}
	p := permissionsOf(t, dir)
	return p, doc.err()
}

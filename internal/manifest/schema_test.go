package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/pelletier/go-toml/v2"
	"github.com/stretchr/testify/require"
)

func schemaOf(t *testing.T, name string) (*jsonschema.Schema, *jsonschema.Resolved) {
	t.Helper()
	text, ok := Schema(name)
	require.True(t, ok)
	var s jsonschema.Schema
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	resolved, err := s.Resolve(nil)
	require.NoError(t, err)
	return &s, resolved
}

// everyTable has each table that there is, so that each is asked for its keys.
const everyTable = `
[project]
[run]
[limits]
[state]
[market]
[providers.x]
[package]
[agent]
[permissions]
[roles.x]
[agents.x]
[agents.x.permissions]
`

// accepted are the keys that each table may have, as the reader of manifests says, with those of agents.
func accepted(t *testing.T) map[string][]string {
	t.Helper()
	doc, err := parse(FileName, []byte(everyTable))
	require.NoError(t, err)
	doc.accepts = make(map[string][]string)
	manifestOf(doc, FileName, "")
	doc.accepts["agents.x"] = hostKeys
	return doc.accepts
}

// keysOf gives the properties of each table of a schema, in which x stands for any name.
func keysOf(root, s *jsonschema.Schema, path string, found map[string][]string) {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		s = root.Defs[name]
	}
	if len(s.Properties) > 0 {
		found[path] = slices.Sorted(maps.Keys(s.Properties))
	}
	for key, below := range s.Properties {
		keysOf(root, below, strings.TrimPrefix(path+"."+key, "."), found)
	}
	if s.AdditionalProperties != nil {
		keysOf(root, s.AdditionalProperties, path+".x", found)
	}
}

func TestTheSchemaHasEveryKeyAndNoOther(t *testing.T) {
	t.Parallel()
	root, _ := schemaOf(t, FileName)
	inSchema := make(map[string][]string)
	keysOf(root, root, "", inSchema)
	wants := accepted(t)
	require.Greater(t, len(wants), 10)
	for table, keys := range wants {
		require.ElementsMatch(t, keys, inSchema[table], "the keys of [%s] and those in internal/manifest/schema", table)
		delete(inSchema, table)
	}
	require.Empty(t, inSchema, "no table has them")
}

func TestEveryKeyIsDocumentedAndAMistypedOneIsTold(t *testing.T) {
	t.Parallel()
	var text string
	for _, file := range []string{"parallax-toml.md", "guides/permissions.md"} {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", filepath.FromSlash(file)))
		require.NoError(t, err)
		text += string(page)
	}
	for table, keys := range accepted(t) {
		for _, key := range keys {
			told := regexp.MustCompile("`" + key + "`|\\b" + key + " *=|\\[" + key + "[.\\]]").MatchString(text)
			require.True(t, told, "[%s] %s is not in docs/parallax-toml.md", table, key)
			if table == "agents.x" || len(key) < 3 {
				continue // all else is an agent's own setting
			}
			wrong := key[:len(key)-1] + "q"
			toml := wrong + " = 1\n"
			if table != "" {
				toml = fmt.Sprintf("[%s]\n%s", table, toml)
			}
			if table == "agent" {
				toml = "[package]\n" + toml
			}
			_, err := Parse(FileName, []byte(toml))
			require.Error(t, err, toml)
			require.Contains(t, err.Error(), wrong)
			require.Regexp(t, `did you mean \w+\?|known here: `, err.Error(), toml)
		}
	}
}

func TestTheLockSchemaHasEveryKeyAndNoOther(t *testing.T) {
	t.Parallel()
	root, resolved := schemaOf(t, LockName)
	doc, err := parse(LockName, nil)
	require.NoError(t, err)
	doc.accepts = make(map[string][]string)
	lockedOf(&table{doc: doc, path: []string{"x"}, m: map[string]any{}}, "x")
	require.ElementsMatch(t, doc.accepts["x"], slices.Collect(maps.Keys(root.Properties["packages"].AdditionalProperties.Properties)))

	sum := "sha256:" + strings.Repeat("0", 64)
	lock := &Lock{Packages: []Locked{
		{Source: "github.com/acme/debate", Kind: KindPattern, Version: "v1.2.0", Commit: strings.Repeat("a", 40), Hash: "h1:" + strings.Repeat("a", 43) + "="},
		{Source: "github.com/acme/critic", Kind: KindAgent, Version: "v1.0.0", Assets: map[string]string{"linux/amd64": sum}, Grants: sum},
	}}
	require.NoError(t, resolved.Validate(decoded(t, string(lock.Text()))))
	require.Error(t, resolved.Validate(decoded(t, strings.Replace(string(lock.Text()), "kind", "kin", 1))))
}

// decoded is a TOML text as JSON has it.
func decoded(t *testing.T, text string) any {
	t.Helper()
	var values map[string]any
	require.NoError(t, toml.Unmarshal([]byte(text), &values), text)
	data, err := json.Marshal(values)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

// tomlBlock is one of a manifest, or a piece of one; those of the settings of a user say so.
var tomlBlock = regexp.MustCompile("(?ms)^```toml(?:| [^c\n][^\n]*)\n(.*?)^```$")

func TestExamplesFollowTheSchema(t *testing.T) {
	t.Parallel()
	_, resolved := schemaOf(t, FileName)
	examples := make(map[string]string)
	for _, glob := range []string{"../../README.md", "../../docs/*.md", "../../docs/guides/*.md"} {
		files, err := filepath.Glob(glob)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			page, err := os.ReadFile(file)
			require.NoError(t, err)
			for i, block := range tomlBlock.FindAllStringSubmatch(string(page), -1) {
				examples[fmt.Sprintf("%s, block %d", file, i+1)] = block[1]
			}
		}
	}
	for _, glob := range []string{"../../examples/*/parallax.toml", "../../examples/deciding/*/parallax.toml"} {
		files, err := filepath.Glob(glob)
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			examples[file] = string(text)
		}
	}
	require.Greater(t, len(examples), 40)
	for name, text := range examples {
		require.NoError(t, resolved.Validate(decoded(t, text)), name)
	}
	page, err := os.ReadFile("../../docs/parallax-toml.md")
	require.NoError(t, err)
	_, err = Parse(FileName, []byte(tomlBlock.FindStringSubmatch(string(page))[1]))
	require.NoError(t, err, "the first block is a whole file")
	for _, wrong := range []string{
		"[projcet]\nname = \"x\"\n", "[agents.a]\nmodel = \"x\"\n", "[agents.a]\nuse = \"mock\"\ncount = 0\n", "[limits]\nsteps = true\n",
		"[agents.a]\nuse = \"mock\"\n[agents.a.permissions]\nnet = \"*\"\n", "[agents.A]\nuse = \"mock\"\n", "[dependencies]\nd = \"debate\"\n",
	} {
		require.Error(t, resolved.Validate(decoded(t, wrong)), wrong)
		_, err := Parse(FileName, []byte(wrong))
		require.Error(t, err, "the reader refuses it too: %s", wrong)
	}
}

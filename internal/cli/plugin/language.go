package plugin

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// template has a folder for each language, and common for all of them. In files that end in .tmpl, words in double braces are filled in.
//
//go:embed template
var template embed.FS

// language is one in which agents can be begun.
type language struct {
	name    string
	command string // of the agent, as [agent] has it
	try     string // of the agent, in the project try
	use     string // of the agent, in a project elsewhere
	prepare string // what is typed before it runs for the first time; "" for nothing
	brings  map[string][]byte
}

// languages are all of them.
func languages() []language {
	// A sandboxed agent starts in its scratch folder: words that begin with ./ are found in its own all the same.
	node, python := `["node", "./main.js"]`, `["python3", "./agent.py"]`
	return []language{
		{name: "go", command: `["{{name}}"]`, try: `["../{{name}}"]`, use: `["path/to/{{name}}/{{name}}"]`, prepare: "go build"},
		{
			name: "node", command: `["node", "main.js"]`, try: node, use: node, prepare: "npm ci --ignore-scripts",
			brings: map[string][]byte{"agent.proto": []byte(agentpb.Source)},
		},
		{
			name: "python", command: `["python3", "agent.py"]`, try: python, use: python,
			brings: map[string][]byte{"agent.binpb": agentpb.Compiled()},
		},
	}
}

func languageNames() []string {
	var names []string
	for _, l := range languages() {
		names = append(names, l.name)
	}
	return names
}

func languageNamed(name string) (language, bool) {
	i := slices.IndexFunc(languages(), func(l language) bool { return l.name == name })
	if i < 0 {
		return language{}, false
	}
	return languages()[i], true
}

// files gives those of a new agent, by name.
func (l language) files(name, owner string) (map[string][]byte, error) {
	about, err := template.ReadFile("template/common/README.md.part")
	if err != nil {
		return nil, err
	}
	fill := func(text []byte) []byte {
		for _, word := range [][2]string{
			{"common", strings.TrimSpace(string(about))}, {"command", l.command}, {"try", l.try}, {"use", l.use}, {"owner", owner}, {"name", name},
		} {
			text = bytes.ReplaceAll(text, []byte("{{"+word[0]+"}}"), []byte(word[1]))
		}
		return text
	}
	files := make(map[string][]byte)
	for _, dir := range []string{"template/common", "template/" + l.name} {
		err := fs.WalkDir(template, dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(file) == ".part" {
				return err
			}
			text, err := template.ReadFile(file)
			if err != nil {
				return err
			}
			name, filled := strings.CutSuffix(strings.TrimPrefix(file, dir+"/"), ".tmpl")
			if filled {
				text = fill(text)
			}
			files[hidden(name)] = text
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("the template: %w", err)
		}
	}
	maps.Copy(files, l.brings)
	return files, nil
}

// hidden gives the names back that begin with a dot, which go:embed leaves out.
func hidden(name string) string {
	first, _, _ := strings.Cut(name, "/")
	if slices.Contains([]string{"gitignore", "npmrc", "github"}, first) {
		return "." + name
	}
	return name
}

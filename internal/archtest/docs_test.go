package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	fence      = regexp.MustCompile("(?ms)^```.*?^```")
	codeSpan   = regexp.MustCompile("`([^`\n]+)`")
	ownPath    = regexp.MustCompile(`^(cmd|runtime|builtins|plugins|stdlib|examples|internal|docs|\.ci|\.github)/[\w./-]*$`)
	lineNumber = regexp.MustCompile(`:\d+$`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z][\w-]*):.*## \S`)
	link       = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	targetName = regexp.MustCompile(`^[a-z][\w-]*$`)
)

// A walk through the house that points at a file that has moved leads people astray.
func TestArchitectureMentionsPathsThatExist(t *testing.T) {
	t.Parallel()
	paths := mentionedPaths(document(t, "docs/architecture.md"))
	require.NotEmpty(t, paths)
	missing := slices.DeleteFunc(paths, thereOrAway)
	require.Empty(t, missing, "docs/architecture.md speaks of them")
}

// thereOrAway says whether a path exists, or is of the enterprise edition in a tree from which that was taken away to prove the open one.
func thereOrAway(p string) bool {
	if _, err := os.Stat(filepath.Join(repository, p)); err == nil {
		return true
	}
	_, err := os.Stat(filepath.Join(repository, enterprise))
	return os.IsNotExist(err) && closed(strings.TrimSuffix(filepath.ToSlash(p), "/"))
}

func TestLinksBetweenDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	names := documents(t)
	require.Contains(t, names, "README.md")
	require.Contains(t, names, filepath.Join("docs", "guides", "first-agent.md"))
	for _, name := range names {
		for _, to := range linked(document(t, name)) {
			require.True(t, thereOrAway(filepath.Join(filepath.Dir(name), filepath.FromSlash(to))), "%s links to %s", name, to)
		}
	}
}

func TestLinksAreFound(t *testing.T) {
	t.Parallel()
	text := "See [a](b.md), [c](../d/) and [e](f.md#part); [here](#part) and [there](https://example.com/x) are not of this tree.\n```\n[g](h.md)\n```\n"
	require.Equal(t, []string{"b.md", "../d/", "f.md"}, linked(text))
}

func TestTheReadmeSpeaksOfTargetsThatExist(t *testing.T) {
	t.Parallel()
	called := calledTargets(document(t, "README.md"))
	require.Contains(t, called, "demo")
	require.Contains(t, called, "test")
	require.Subset(t, targets(t), called)
}

func TestTheMakefileHasItsTargets(t *testing.T) {
	t.Parallel()
	want := "help build run demo test quick script golden e2e fuzz soak bench fmt lint arch vuln deps gen verify check ci"
	require.Subset(t, targets(t), strings.Fields(want))
}

func TestMentionedPathsAreFound(t *testing.T) {
	t.Parallel()
	text := "The `runtime/effect.go:12` and `internal/cli/` are paths; `effect.go`, `a / b`, `@std//x.star`, `go run ./cmd/x`, " +
		"`github.com/owner/name` and `path.n.i` are not. Nor is runtime/nothing.go outside of code."
	require.Equal(t, []string{"runtime/effect.go", "internal/cli/"}, mentionedPaths(text))
}

func TestCalledTargetsAreFound(t *testing.T) {
	t.Parallel()
	text := "Run `make demo`, then\n\n```sh\nmake test\n$ make lint   # slow\nmake  soak SOAK=60s\n```\n\nPatterns make sense of teams. Or `make fmt lint`."
	require.Equal(t, []string{"test", "lint", "soak", "demo", "fmt", "lint"}, calledTargets(text))
}

// document reads a document that the repository must have.
func document(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, name))
	require.NoError(t, err)
	return string(data)
}

// documents lists the texts for people: at the root, below docs, and beside each example.
func documents(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "examples/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(repository, filepath.FromSlash(pattern)))
		require.NoError(t, err)
		for _, path := range found {
			name, err := filepath.Rel(repository, path)
			require.NoError(t, err)
			names = append(names, name)
		}
	}
	return names
}

// linked lists the files of this tree that a text links to.
func linked(text string) []string {
	var files []string
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		if !strings.Contains(m[1], "://") {
			files = append(files, m[1])
		}
	}
	return files
}

// targets lists the targets of the Makefile that make help shows.
func targets(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range makeTarget.FindAllStringSubmatch(document(t, "Makefile"), -1) {
		names = append(names, m[1])
	}
	return names
}

// mentionedPaths lists the paths of this repository that a text names in backticks.
func mentionedPaths(text string) []string {
	var paths []string
	for _, m := range codeSpan.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		if p := lineNumber.ReplaceAllString(m[1], ""); ownPath.MatchString(p) {
			paths = append(paths, p)
		}
	}
	return paths
}

// calledTargets lists the targets that a text tells people to make, in fenced code first and then in backticks.
func calledTargets(text string) []string {
	var names []string
	for _, block := range fence.FindAllString(text, -1) {
		for line := range strings.Lines(block) {
			names = append(names, namedIn(line)...)
		}
	}
	for _, m := range codeSpan.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		names = append(names, namedIn(m[1])...)
	}
	return names
}

// namedIn returns the targets of a command line, if it is one of make.
func namedIn(command string) []string {
	words := strings.Fields(strings.TrimPrefix(command, "$ "))
	if len(words) == 0 || words[0] != "make" {
		return nil
	}
	for i, w := range words[1:] {
		if !targetName.MatchString(w) {
			return words[1 : i+1]
		}
	}
	return words[1:]
}

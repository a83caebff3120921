package pattern

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

const simple = "def main():\n    return 1\n"

func TestModulesAreLoadedByEachKindOfLabel(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"parallax.toml": "",
		"lib/a.star":    "load(\":b.star\", \"two\")\na = two + 1\n",
		"lib/b.star":    "two = 2\n",
		"sub/main.star": "load(\"//lib/a.star\", \"a\")\nload(\":near/c.star\", \"c\")\nload(\"@std//math/sum.star\", \"sum\")\n" +
			"def main():\n    return sum([a, c])\n",
		"sub/near/c.star": "c = 4\n",
	})
	std := fstest.MapFS{
		"math/sum.star": {Data: []byte("load(\":add.star\", \"add\")\nload(\"//zero.star\", \"zero\")\ndef sum(xs):\n    s = zero\n    for x in xs:\n        s = add(s, x)\n    return s\n")},
		"math/add.star": {Data: []byte("def add(a, b):\n    return a + b\n")},
		"zero.star":     {Data: []byte("zero = 0\n")},
	}
	l, err := Load(filepath.Join(dir, "sub", "main.star"), environment(), Options{Std: std})
	require.NoError(t, err)
	require.Equal(t, "7", result(t, l.Program))
	require.Equal(t, dir, l.Root)
	require.Equal(t, []string{
		"lib/b.star", "lib/a.star", "sub/near/c.star", "@std//math/add.star", "@std//zero.star", "@std//math/sum.star", "sub/main.star",
	}, l.Files)
	require.Equal(t, "two = 2\n", string(l.Source("lib/b.star")))
	require.Equal(t, "sub/main.star", l.Program.Name)
}

func TestAStandardModuleThatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"main.star": "load(\"@std//consensu.star\", \"x\")\n" + simple})
	_, err := Load(filepath.Join(dir, "main.star"), environment(), Options{Std: fstest.MapFS{"consensus.star": {}}})
	found := findingsOf(t, err)
	require.Equal(t, []string{"main.star:1:6 missing"}, codes(found))
	require.Equal(t, `did you mean "@std//consensus.star"?`, found[0].Hint)
}

func TestWithoutAManifestTheRootIsTheFilesDirectory(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"a/main.star": "load(\"//x.star\", \"x\")\n" + simple, "x.star": "x = 1\n"})
	_, err := Load(filepath.Join(dir, "a", "main.star"), environment(), Options{})
	require.Equal(t, []string{"main.star:1:6 missing"}, codes(findingsOf(t, err)))
}

func TestADirectoryIsRunByItsMainFile(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"parallax.toml": "", "main.star": simple, "src/review.star": "def main():\n    return 2\n", "empty/x.txt": ""})
	l, err := Load(dir, environment(), Options{})
	require.NoError(t, err)
	require.Equal(t, "1", result(t, l.Program))

	named := func(name string, err error) Options {
		return Options{Main: func(string) (string, error) { return name, err }}
	}
	l, err = Load(dir, environment(), named("src/review.star", nil))
	require.NoError(t, err)
	require.Equal(t, "src/review.star", l.Program.Name)

	for _, name := range []string{"../main.star", "/etc/x.star", "src/revew.star"} {
		_, err = Load(dir, environment(), named(name, nil))
		require.ErrorAs(t, err, new(*PathError), name)
	}
	broken := errors.New("broken manifest")
	_, err = Load(dir, environment(), named("", broken))
	require.ErrorIs(t, err, broken)
	_, err = Load(filepath.Join(dir, "empty"), environment(), Options{})
	require.ErrorAs(t, err, new(*PathError))
}

func TestPathsWithoutAPattern(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"review.star": simple, "notes.txt": "x"})
	tests := map[string]struct{ path, hint string }{
		"none":             {"", "name a .star file"},
		"missing":          {filepath.Join(dir, "revew.star"), "did you mean " + filepath.Join(dir, "review.star") + "?"},
		"without ending":   {filepath.Join(dir, "review"), "did you mean " + filepath.Join(dir, "review.star") + "?"},
		"another kind":     {filepath.Join(dir, "notes.txt"), "patterns are .star files"},
		"below a file":     {filepath.Join(dir, "notes.txt", "x.star"), ""},
		"label outside":    {"//../x.star", "seen from the package root"},
		"label of package": {"@debate//x.star", "copy the module"},
		"standard module":  {"@std//x.star", ""},
		"device":           {os.DevNull, "patterns are .star files"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(tt.path, environment(), Options{})
			bad, ok := errors.AsType[*PathError](err)
			require.True(t, ok, "%v", err)
			require.Contains(t, bad.Hint, tt.hint)
		})
	}
}

func TestAStandardPatternRunsByItsLabel(t *testing.T) {
	t.Parallel()
	l, err := Load("@std//hello.star", environment(), Options{Std: fstest.MapFS{"hello.star": {Data: []byte(simple)}}})
	require.NoError(t, err)
	require.Equal(t, "@std//hello.star", l.Program.Name)
}

func TestLoadsInACircleAreShownWithTheirPlaces(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"main.star": "load(\":a.star\", \"a\")\n" + simple,
		"a.star":    "\nload(\":b.star\", \"b\")\na = b\n",
		"b.star":    "load(\":a.star\", \"a\")\nload(\":b.star\", c = \"b\")\nb = a\n",
	})
	_, err := Load(filepath.Join(dir, "main.star"), environment(), Options{})
	found := findingsOf(t, err)
	require.Equal(t, []string{"b.star:1:6 cycle", "b.star:2:6 cycle"}, codes(found))
	require.Equal(t, "the loads go in a circle: a.star:2:6 loads b.star, b.star:1:6 loads a.star", found[0].Message)
	require.Equal(t, "the loads go in a circle: b.star:2:6 loads b.star", found[1].Message)
}

func TestAllThatIsWrongWithTheGraphIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"main.star":  "load(\":a.star\", \"helo\", \"_private\")\nload(\":b.star\", \"b\")\nload(\":c.star\", \"c\")\n" + simple,
		"a.star":     "def hello():\n    pass\n",
		"b.star":     "b = = 1\n",
		"other.star": "",
	})
	_, err := Load(filepath.Join(dir, "main.star"), environment(), Options{})
	found := findingsOf(t, err)
	require.Equal(t, []string{"main.star:1:18 no-such-name", "b.star:1:5 syntax", "main.star:3:6 missing"}, codes(found))
	require.Equal(t, "did you mean hello?", found[0].Hint)
}

func TestErrorsOfTheCompilerAndOfTopLevelCodeHaveAPlace(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"lib.star":      "def half(n):\n    return n // 0\n",
		"undef.star":    "def main():\n    return agnt(\"x\")\n",
		"top.star":      "load(\":lib.star\", \"half\")\nx = half(1)\n" + simple,
		"effect.star":   "sleep(1)\n" + simple,
		"nomain.star":   "x = 1\n",
		"mainless.star": "main = 3\n",
	})
	for name, want := range map[string]string{
		"undef.star":    "undef.star:2:12 undefined",
		"top.star":      "lib.star:2:14 top-level",
		"effect.star":   "effect.star:1:6 top-level",
		"nomain.star":   "nomain.star:1:1 no-main",
		"mainless.star": "mainless.star:1:1 no-main",
	} {
		_, err := Load(filepath.Join(dir, name), environment(), Options{})
		require.Equal(t, []string{want}, codes(findingsOf(t, err)))
	}
}

func TestChildPatternsAreThoseOfTheirLoad(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"parallax.toml": "",
		"main.star":     "def main():\n    return run(\":sub/child.star\")\n",
		"sub/child.star": "load(\":n.star\", \"n\")\ndef main():\n" +
			"    run(\"//main.star\")\n    return n\n",
		"sub/n.star":  "n = 1\n",
		"late.star":   simple,
		"broken.star": "def main(:\n",
	})
	l, err := Load(filepath.Join(dir, "main.star"), environment(), Options{})
	require.NoError(t, err)

	// Named in the source, so as it was at the start, whatever happens to the file.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "n.star"), []byte("n = 2\n"), 0o644))
	child, err := l.Open("main.star", ":sub/child.star")
	require.NoError(t, err)
	require.Equal(t, "sub/child.star", child.Name)
	kept, err := l.Open("sub/child.star", "//sub/child.star")
	require.NoError(t, err)
	require.Same(t, child, kept)

	self, err := l.Open("sub/child.star", "//main.star")
	require.NoError(t, err)
	require.Same(t, l.Program, self)

	late, err := l.Open("main.star", ":late.star")
	require.NoError(t, err)
	require.Equal(t, "1", result(t, late))

	_, err = l.Open("main.star", ":broken.star")
	require.Equal(t, []string{"broken.star:1:9 unclosed-bracket"}, codes(findingsOf(t, err)))
	for _, label := range []string{":nowhere.star", "../x.star", "/etc/passwd", "@other//x.star"} {
		_, err = l.Open("main.star", label)
		e, ok := errors.AsType[*runtime.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, runtime.NotFound, e.Code)
		require.NotErrorAs(t, err, new(*SourceError))
	}
}

func TestExcerptsShowTheLineAndTheNextStep(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"main.star": "def main():\n\treturn agnt(\"x\")\n"})
	_, err := Load(filepath.Join(dir, "main.star"), environment(), Options{})
	wrong, ok := errors.AsType[*SourceError](err)
	require.True(t, ok)
	require.Equal(t, "main.star:2:9: agnt is not defined\n    \treturn agnt(\"x\")\n    \t       ^\n  write:\n    return agent(\"x\")\n  hint: did you mean agent?\n  more: parallax explain undefined", wrong.Excerpts())
}

func TestExcerptsAreFitForATerminal(t *testing.T) {
	t.Parallel()
	f := Finding{File: "a.star", Line: 2, Col: 500, Message: "bad \x1b[31m", Hint: "see \x07"}
	long := "x\n" + strings.Repeat("a", 499) + "!" + strings.Repeat("b", 499) + "\r\n"
	text := Excerpt(f, []byte(long))
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, text, "\x07")
	lines := strings.Split(text, "\n")
	require.Len(t, lines, 4)
	require.Less(t, len(lines[1]), 160)
	require.Equal(t, byte('!'), lines[1][strings.IndexByte(lines[2], '^')])

	require.Equal(t, "a.star:9:1: gone", Excerpt(Finding{File: "a.star", Line: 9, Col: 1, Message: "gone"}, []byte("x\n")))
	require.Equal(t, "gone", Excerpt(Finding{Message: "gone"}, nil))
	hidden := Excerpt(Finding{File: "a.star", Line: 1, Col: 1}, []byte("a = '\x1b]0;title\x07' # \u202e\n"))
	require.Contains(t, hidden, "a = '\ufffd]0;title\ufffd' # \ufffd")
}

package pattern

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// shelf is packages in folders: what an alias means, and where it is.
type shelf struct {
	aliases map[aliased]string
	dirs    map[string]string
}

func (s *shelf) Find(from, alias string) (string, error) {
	if name, ok := s.aliases[aliased{from, alias}]; ok {
		return name, nil
	}
	return "", &PackageError{Message: "there is no package @" + alias, Hint: "add it"}
}

func (s *shelf) Dir(name string) (string, error) {
	if dir, ok := s.dirs[name]; ok {
		return dir, nil
	}
	return "", &PackageError{Message: name + " is not installed", Hint: "parallax install"}
}

func (s *shelf) options() Options {
	return Options{Packages: func(string) (Packages, error) { return s, nil }}
}

// twoPackages is a project that loads a package that loads another one, both under the alias "one".
func twoPackages(t *testing.T) (main string, s *shelf) {
	t.Helper()
	dir := files(t, map[string]string{"main.star": "load(\"@one//one.star\", \"one\")\ndef main():\n    return one() + run(\"@one//child.star\")\n"})
	a := files(t, map[string]string{
		"one.star":      "load(\":lib/x.star\", \"x\")\ndef one():\n    return x\n",
		"lib/x.star":    "load(\"@one//y.star\", \"y\")\nload(\"//z.star\", \"z\")\nx = y + z\n",
		"z.star":        "z = 20\n",
		"child.star":    "def main():\n    return 100\n",
		"parallax.toml": "",
	})
	b := files(t, map[string]string{"y.star": "y = 3\n"})
	return filepath.Join(dir, "main.star"), &shelf{
		aliases: map[aliased]string{{"", "one"}: "github.com/x/a@v1.0.0", {"github.com/x/a@v1.0.0", "one"}: "github.com/x/b@v0.1.0"},
		dirs:    map[string]string{"github.com/x/a@v1.0.0": a, "github.com/x/b@v0.1.0": b},
	}
}

func TestAnAliasMeansWhatThePackageItStandsInSays(t *testing.T) {
	t.Parallel()
	main, s := twoPackages(t)
	l, err := Load(main, environment(), s.options())
	require.NoError(t, err)
	require.Equal(t, []string{
		"@github.com/x/b@v0.1.0//y.star", "@github.com/x/a@v1.0.0//z.star", "@github.com/x/a@v1.0.0//lib/x.star", "@github.com/x/a@v1.0.0//one.star", "main.star",
	}, l.Files)
	child, err := l.Open("main.star", "@one//child.star")
	require.NoError(t, err)
	require.Equal(t, "100", result(t, child))
}

func TestAKeptRunNeedsNoPackages(t *testing.T) {
	t.Parallel()
	main, s := twoPackages(t)
	l, err := Load(main, environment(), s.options())
	require.NoError(t, err)
	gone := Options{Packages: func(string) (Packages, error) { panic("asked") }}
	again, err := Restore(l.Sources(), "main.star", l.Root, environment(), gone)
	require.NoError(t, err)
	require.Equal(t, l.Program.Digest, again.Program.Digest)
	_, err = again.Open("main.star", "@one//child.star")
	require.NoError(t, err)
}

func TestAPackageThatIsNotThereIsAFinding(t *testing.T) {
	t.Parallel()
	main, s := twoPackages(t)
	delete(s.dirs, "github.com/x/b@v0.1.0")
	_, err := Load(main, environment(), s.options())
	found := findingsOf(t, err)
	require.Equal(t, []string{"@github.com/x/a@v1.0.0//lib/x.star:1:6 package"}, codes(found))
	require.Equal(t, "parallax install", found[0].Hint)

	clear(s.aliases)
	_, err = Load(main, environment(), s.options())
	require.Equal(t, []string{"main.star:1:6 package"}, codes(findingsOf(t, err)))
}

// The compiled program of one project must not be taken for that of another, whose aliases mean something else.
func TestEqualTextsWithOtherPackagesAreAnotherProgram(t *testing.T) {
	t.Parallel()
	cache := &Cache{}
	text := "load(\"@p//v.star\", p=\"v\")\nload(\"@q//v.star\", q=\"v\")\nload(\"@p//w.star\", w=\"v\")\ndef main():\n    return [p, q]\n"
	one, two := files(t, map[string]string{"v.star": "v = 1\n", "w.star": "v = 0\n"}), files(t, map[string]string{"v.star": "v = 2\n", "w.star": "v = 0\n"})
	run := func(p, q string) string {
		s := &shelf{aliases: map[aliased]string{{"", "p"}: p, {"", "q"}: q}, dirs: map[string]string{"one": one, "two": two}}
		opts := s.options()
		opts.Cache = cache
		l, err := Load(filepath.Join(files(t, map[string]string{"main.star": text}), "main.star"), environment(), opts)
		require.NoError(t, err)
		return result(t, l.Program)
	}
	require.Equal(t, "[1,2]", run("one", "two"))
	require.Equal(t, "[2,1]", run("two", "one"))
}

func TestAPackageIsConfinedLikeTheProject(t *testing.T) {
	t.Parallel()
	main, s := twoPackages(t)
	for _, label := range []string{"@one//../main.star", "@one", "@one/x.star", "@one//", "@one///etc/x.star"} {
		dir := files(t, map[string]string{"main.star": "load(\"" + label + "\", \"one\")\n" + simple})
		_, err := Load(filepath.Join(dir, "main.star"), environment(), s.options())
		require.Len(t, findingsOf(t, err), 1, label)
	}
	_, err := Load(main, environment(), Options{})
	require.Equal(t, []string{"main.star:1:6 package"}, codes(findingsOf(t, err)))
}

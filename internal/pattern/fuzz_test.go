package pattern

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// FuzzLoad loads a small tree of arbitrary texts by an arbitrary label. Whatever happens has a type, a place and an end, and nothing
// outside the package is read.
func FuzzLoad(f *testing.F) {
	f.Add(":lib.star", simple, "x = 1\n")
	f.Add("//lib.star", "load(\":lib.star\", \"x\")\n"+simple, "load(\"//main.star\", \"main\")\nx = 1\n")
	f.Add("../out.star", "load(\"//dir/../../out.star\", \"secret\")\n"+simple, "")
	f.Add("@std//x.star", "def main(:\n", "\xff\xfe")
	f.Add(":dir/../lib.star", "def main(xs):\n    return parallel([lambda: x for x in xs])\n", "def f(x): return run(\":main.star\")\n")
	f.Add("///etc/passwd", "def main():\n    return run(\"/etc/passwd\")\n", "load(\":lib.star\", \"x\")")
	f.Fuzz(func(t *testing.T, label, main, lib string) {
		base := files(t, map[string]string{
			"out.star":      "secret = \"out of bounds\"\n",
			"p/main.star":   main,
			"p/lib.star":    lib,
			"p/dir/l.star":  "x = 1\n",
			"p/" + rootMark: "",
		})
		require.NoError(t, os.Symlink("../../out.star", filepath.Join(base, "p", "dir", "link.star")))
		mainFile := filepath.Join(base, "p", "main.star")

		l, err := Load(mainFile, environment(), Options{})
		knownError(t, err)
		if err == nil {
			require.Equal(t, "main.star", l.Files[len(l.Files)-1])
			_, err = l.Open("main.star", label)
			knownError(t, err)
		}
		r, wrong := Check(mainFile, environment(), CheckOptions{Agents: []string{"a"}, Effects: []string{"ask", "sleep"}})
		require.NoError(t, wrong)
		require.False(t, l == nil && r.OK(), "check finds nothing wrong with what cannot be loaded: %v", err)
		for name, text := range r.Sources {
			require.NotContains(t, string(text), "out of bounds")
			require.True(t, filepath.IsLocal(name), name)
		}
		if name, bad := (&packages{}).resolve("dir/x.star", label); bad == nil {
			inStd := strings.TrimPrefix(name, stdPrefix)
			require.Equal(t, path.Clean(inStd), inStd)
			require.True(t, filepath.IsLocal(inStd), name)
		}
	})
}

// rootMark marks the root of the trees above.
const rootMark = manifestName

func knownError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if wrong, ok := errors.AsType[*SourceError](err); ok {
		require.NotEmpty(t, wrong.Findings)
		require.NotEmpty(t, wrong.Excerpts())
		return
	}
	if _, ok := errors.AsType[*runtime.Error](err); ok {
		return
	}
	require.ErrorAs(t, err, new(*PathError))
}

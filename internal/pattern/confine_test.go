//go:build unix

package pattern

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// outside is a directory that holds a module which no pattern below may reach.
func outside(t testing.TB) string {
	t.Helper()
	return files(t, map[string]string{"secret.star": "answer = 42\n"})
}

// loading gives the only finding of a main file that loads one label, after the tree was prepared.
func loading(t *testing.T, label string, prepare func(dir string)) Finding {
	t.Helper()
	dir := files(t, map[string]string{
		"parallax.toml":   "",
		"lib/helper.star": "answer = 1\n",
		"sub/main.star":   fmt.Sprintf("load(%q, \"answer\")\ndef main():\n    return answer\n", label),
		"sub/beside.star": "answer = 2\n",
	})
	if prepare != nil {
		prepare(dir)
	}
	_, err := Load(filepath.Join(dir, "sub", "main.star"), environment(), Options{})
	wrong, ok := errors.AsType[*SourceError](err)
	require.True(t, ok, "%v", err)
	_, ok = errors.AsType[*runtime.SourceError](err)
	require.True(t, ok)
	require.Len(t, wrong.Findings, 1)
	require.Equal(t, "sub/main.star", wrong.Findings[0].File)
	require.Equal(t, 1, wrong.Findings[0].Line)
	require.Equal(t, 6, wrong.Findings[0].Col)
	return wrong.Findings[0]
}

func TestLabelsThatLeaveThePackageAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ label, code, hint string }{
		"parent":                  {"../lib/helper.star", "label", `write ":file.star"`},
		"parent in a sibling":     {":../lib/helper.star", "label", `"//dir/file.star"`},
		"parent from the root":    {"//sub/../../x.star", "label", `"//dir/file.star"`},
		"absolute":                {"/etc/passwd.star", "label", `write ":file.star"`},
		"absolute from the root":  {"///etc/passwd.star", "label", ""},
		"absolute sibling":        {":/etc/passwd.star", "label", ""},
		"dot":                     {"//./lib/helper.star", "label", ""},
		"empty part":              {"//lib//helper.star", "label", ""},
		"backslash":               {`:..\lib\helper.star`, "label", "by '/'"},
		"drive":                   {":C:/x.star", "label", "by '/'"},
		"NUL":                     {":be\x00side.star", "label", ""},
		"escape sequence":         {":\x1b[2Jx.star", "label", ""},
		"empty":                   {"", "label", `write ":file.star"`},
		"too long":                {":" + strings.Repeat("a", 2000) + ".star", "label", ""},
		"bare":                    {"beside.star", "label", `write ":beside.star"`},
		"bare with a dot":         {"./beside.star", "label", `write ":beside.star"`},
		"bare without its ending": {"beside", "label", `write ":beside.star"`},
		"without its ending":      {":beside", "label", `write ":beside.star"`},
		"only an ending":          {":.star", "label", ""},
		"another kind of file":    {"//parallax.toml", "label", ""},
		"package":                 {"@debate//debate.star", "package", "copy the module"},
		"slip in a package":       {"@sdt//consensus.star", "package", `did you mean "@std//..."?`},
		"address":                 {"https://example.com/x.star", "label", ""},
		"missing sibling":         {":besides.star", "missing", `did you mean "//sub/beside.star"?`},
		"missing in a directory":  {"//lib/helpr.star", "missing", `did you mean "//lib/helper.star"?`},
		"missing directory":       {"//nowhere/helper.star", "missing", ""},
		"file as a directory":     {"//lib/helper.star/x.star", "missing", ""},
		"no standard modules":     {"@std//consensus.star", "missing", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := loading(t, tt.label, nil)
			require.Equal(t, tt.code, f.Code, f.Message)
			require.Contains(t, f.Hint, tt.hint)
		})
	}
}

func TestAMissingFileShowsWhereItWasTried(t *testing.T) {
	t.Parallel()
	var dir string
	f := loading(t, ":nowhere.star", func(d string) { dir = d })
	require.Contains(t, f.Message, filepath.Join(dir, "sub", "nowhere.star"))
}

func TestOnlyRegularFilesWithoutLinksAreRead(t *testing.T) {
	t.Parallel()
	link := func(target, name string) func(string) {
		return func(dir string) { require.NoError(t, os.Symlink(target, filepath.Join(dir, name))) }
	}
	tests := map[string]struct {
		label, code string
		prepare     func(dir string)
	}{
		"link out of the package":     {":x.star", "link", link(filepath.Join(outside(t), "secret.star"), "sub/x.star")},
		"link within the package":     {":x.star", "link", link("beside.star", "sub/x.star")},
		"link to nothing":             {":x.star", "link", link("nowhere.star", "sub/x.star")},
		"link to itself":              {":x.star", "link", link("x.star", "sub/x.star")},
		"linked directory, outside":   {"//out/secret.star", "link", link(outside(t), "out")},
		"linked directory, inside":    {"//alias/helper.star", "link", link("lib", "alias")},
		"link upwards":                {"//up/lib/helper.star", "link", link(".", "up")},
		"device behind a link":        {":x.star", "link", link("/dev/zero", "sub/x.star")},
		"terminal behind a link":      {":x.star", "link", link("/dev/tty", "sub/x.star")},
		"process memory behind links": {"//p/environ.star", "link", link("/proc/self", "p")},
		"named pipe": {":x.star", "not-regular", func(dir string) {
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "sub", "x.star"), 0o644))
		}},
		"directory": {":x.star", "not-regular", func(dir string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "sub", "x.star"), 0o755))
		}},
		"socket": {":x.star", "not-regular", func(dir string) {
			t.Helper()
			addr := &net.UnixAddr{Name: filepath.Join(dir, "sub", "x.star"), Net: "unix"}
			l, err := net.ListenUnix("unix", addr)
			require.NoError(t, err)
			t.Cleanup(func() { l.Close() })
		}},
		"too large": {":x.star", "too-large", func(dir string) {
			text := strings.Repeat("#\n", runtime.MaxSourceBytes/2+1)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "x.star"), []byte(text), 0o644))
		}},
		"huge and sparse": {":x.star", "too-large", func(dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "x.star"), nil, 0o644))
			require.NoError(t, os.Truncate(filepath.Join(dir, "sub", "x.star"), 1<<40))
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := loading(t, tt.label, tt.prepare)
			require.Equal(t, tt.code, f.Code, f.Message)
			require.NotContains(t, f.Message, "42")
		})
	}
}

func TestADeviceInThePackageIsNotOpened(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"parallax.toml": ""})
	device := filepath.Join(dir, "zero.star")
	if err := syscall.Mknod(device, syscall.S_IFCHR|0o644, 1<<8|5); err != nil {
		require.ErrorIs(t, err, syscall.EPERM)
		dir, device = "/dev", "/dev/zero" // making one needs privileges; asking the reader for another does not
	}
	tr := tree{dir: dir}
	defer tr.close()
	_, bad := tr.read(filepath.Base(device))
	require.NotNil(t, bad)
	require.Equal(t, codeNotRegular, bad.code)
	require.Contains(t, bad.message, "a device")
}

// What a file was when it was looked at is what must be opened.
func TestAFileReplacedByALinkIsNotFollowedOut(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"x.star": "answer = 1\n"})
	secret := filepath.Join(outside(t), "secret.star")
	stop := make(chan struct{})
	swapped := make(chan error, 1)
	go func() {
		var err error
		for {
			select {
			case <-stop:
				swapped <- err
				return
			default:
			}
			tmp := filepath.Join(dir, "tmp")
			err = errors.Join(err, os.Symlink(secret, tmp), os.Rename(tmp, filepath.Join(dir, "x.star")))
			err = errors.Join(err, os.WriteFile(tmp, []byte("answer = 1\n"), 0o644), os.Rename(tmp, filepath.Join(dir, "x.star")))
		}
	}()
	t.Cleanup(func() {
		close(stop)
		require.NoError(t, <-swapped)
	})
	tr := tree{dir: dir}
	t.Cleanup(tr.close)
	for range 2000 {
		text, bad := tr.read("x.star")
		if bad == nil {
			require.Equal(t, "answer = 1\n", string(text))
		}
	}
}

func TestTheMainFileIsConfinedToo(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"parallax.toml": "", "real.star": "def main():\n    return 1\n"})
	require.NoError(t, os.Symlink("real.star", filepath.Join(dir, "link.star")))
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(dir, "zero.star")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe.star"), 0o644))
	for name, message := range map[string]string{
		"link.star": "link.star is a symbolic link; a package has none",
		"zero.star": "zero.star is a symbolic link; a package has none",
		"pipe.star": "pipe.star is a named pipe, not a regular file",
	} {
		_, err := Load(filepath.Join(dir, name), environment(), Options{})
		bad, ok := errors.AsType[*PathError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, message, bad.Message)
	}
}

// People reach their projects through links; what is below the root has none.
func TestTheWayToThePackageMayHaveLinks(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"p/parallax.toml": "",
		"p/lib/x.star":    "answer = 7\n",
		"p/sub/main.star": "load(\"//lib/x.star\", \"answer\")\ndef main():\n    return answer\n",
	})
	require.NoError(t, os.Symlink("p", filepath.Join(dir, "way")))
	l, err := Load(filepath.Join(dir, "way", "sub", "main.star"), environment(), Options{})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "p"), l.Root)
	require.Equal(t, "7", result(t, l.Program))
}

func TestAPackageHasAtMost200ModulesAndTwoMiB(t *testing.T) {
	t.Parallel()
	chain := func(n int, filler string) string {
		tree := map[string]string{"main.star": "load(\":m1.star\", \"x\")\ndef main():\n    return x\n"}
		for i := 1; i < n; i++ {
			tree[fmt.Sprintf("m%d.star", i)] = fmt.Sprintf("load(\":m%d.star\", y = \"x\")\nx = y\n%s", i+1, filler)
		}
		tree[fmt.Sprintf("m%d.star", n-1)] = "x = 5\n"
		return filepath.Join(files(t, tree), "main.star")
	}
	l, err := Load(chain(MaxModules, ""), environment(), Options{})
	require.NoError(t, err)
	require.Len(t, l.Files, MaxModules)
	require.Equal(t, "5", result(t, l.Program))

	_, err = Load(chain(MaxModules+1, ""), environment(), Options{})
	require.Equal(t, []string{"m199.star:1:6 too-large"}, codes(findingsOf(t, err)))
	require.ErrorContains(t, err, "more than 200 modules")

	_, err = Load(chain(20, strings.Repeat("# filler\n", 20_000)), environment(), Options{})
	require.Equal(t, []string{"m11.star:1:6 too-large"}, codes(findingsOf(t, err)))
	require.ErrorContains(t, err, "more than 2 MiB")
}

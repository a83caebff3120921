package publish

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
)

func TestAddressesOfRepositories(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://github.com/acme/debate":             "github.com acme/debate",
		"https://github.com/acme/debate.git":         "github.com acme/debate",
		"https://GitHub.com/Acme/Debate/":            "github.com Acme/Debate",
		"https://x:secret@github.com/acme/debate":    "github.com acme/debate",
		"git@github.com:acme/debate.git":             "github.com acme/debate",
		"github.com:acme/debate":                     "github.com acme/debate",
		"ssh://git@github.com/acme/debate.git":       "github.com acme/debate",
		"ssh://git@ssh.github.com:443/acme/debate":   "github.com acme/debate",
		"ssh://git@ghe.example.org:2222/acme/debate": "ghe.example.org acme/debate",
		"git://example.org/acme/debate":              "example.org acme/debate",
	} {
		host, repo, ok := parseAddress(address)
		require.True(t, ok, address)
		require.Equal(t, want, host+" "+repo, address)
	}
	for _, address := range []string{"", "debate", "/srv/git/debate.git", "../debate", "file:///srv/acme/debate", "gh:acme/debate", "https://github.com/acme", "https://github.com/a/b/c", "C:/acme/debate", "http://github.com/acme/debate"} {
		_, _, ok := parseAddress(address)
		require.False(t, ok, address)
	}
}

// repository commits files in a folder of their own.
func repository(t *testing.T, files map[string]string) (git, string) {
	t.Helper()
	g := git{t.TempDir()}
	for name, text := range files {
		file := filepath.Join(g.dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	do := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Dir = g.dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	do("init", "--quiet")
	do("add", "--all")
	do("commit", "--quiet", "--message", t.Name(), "--date", time.Unix(int64(len(g.dir)), 0).Format(time.RFC3339))
	commit, err := g.line(t.Context(), "rev-parse", "HEAD")
	require.NoError(t, err)
	return g, commit
}

// The archive of a pattern says nothing of when and where it was made, and has what was committed.
func TestTheArchiveIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"parallax.toml": "[package]\nname = \"acme/debate\"\nkind = \"pattern\"\nversion = \"1.0.0\"\n", "b/x.star": "x = 1\n", "a.star": "a = 1\n", "notes.txt": "mine\n",
		".gitattributes": "notes.txt export-ignore\n.gitattributes export-ignore\n",
	}
	var archives []string
	for range 2 {
		g, commit := repository(t, files)
		file := filepath.Join(t.TempDir(), "debate_1.0.0.zip")
		require.NoError(t, os.WriteFile(filepath.Join(g.dir, "a.star"), []byte("changed"), 0o600))
		require.NoError(t, g.pack(t.Context(), commit, file))
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		archives = append(archives, string(text))
		tree := t.TempDir()
		_, _, err = market.Examine(file, tree, market.Ref{Source: "github.com/acme/debate", Version: "v1.0.0"}, manifest.KindPattern)
		require.NoError(t, err)
		text, err = os.ReadFile(filepath.Join(tree, "a.star"))
		require.NoError(t, err)
		require.Equal(t, "a = 1\n", string(text))
		require.NoFileExists(t, filepath.Join(tree, "notes.txt"))
	}
	require.Equal(t, archives[0], archives[1])
}

func TestAnEntryKeepsWhatOthersSaid(t *testing.T) {
	t.Parallel()
	m, err := manifest.ParsePackage("parallax.toml", []byte("[package]\nname = \"acme/debate\"\nkind = \"pattern\"\nversion = \"1.1.0\"\ndescription = \"new\"\nlicense = \"MIT\"\n"), "$WORKSPACE")
	require.NoError(t, err)
	p := &Package{Manifest: m, Ref: market.Ref{Source: "github.com/acme/debate", Version: "v1.1.0"}, Commit: "b"}
	old := &index.Entry{
		Name: "acme/debate", Kind: manifest.KindPattern, Source: "github.com/acme/debate", Description: "old", Keywords: []string{"votes"}, Maintainers: []string{"alice"}, Verified: "github.com/acme",
		Versions: []index.Version{{Version: "1.0.0", Commit: "a", Yanked: "bad"}, {Version: "2.0.0", Commit: "c"}},
	}
	e, err := p.Entry(old, &Files{Hash: "h1:x"}, "bob", time.Unix(0, 0))
	require.NoError(t, err)
	require.Equal(t, "old", e.Description) // 2.0.0 is newer, and knows better
	require.Equal(t, []string{"alice"}, e.Maintainers)
	require.Equal(t, "github.com/acme", e.Verified)
	require.Len(t, e.Versions, 3)
	require.Equal(t, "bad", e.Versions[0].Yanked)
	require.Equal(t, "1.1.0", e.Versions[1].Version)
	require.Len(t, old.Versions, 2)

	// Once more is the same, whenever that is; another commit is not.
	again, err := p.Entry(e, &Files{Hash: "h1:x"}, "bob", time.Unix(99, 0))
	require.NoError(t, err)
	require.Equal(t, e, again)
	p.Commit = "d"
	_, err = p.Entry(e, &Files{Hash: "h1:x"}, "bob", time.Unix(0, 0))
	require.ErrorContains(t, err, "of another commit")
}

package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/guide"
)

// All tables that the page on parallax.toml shows are one manifest whose agents accept their settings; words, an agent of the
// reader's own, is not asked for.
func TestEverySettingOnThePageAboutTheManifestIsAccepted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "parallax.toml", blocksOf(t, "parallax-toml.md", "toml"))
	write(t, dir, "all.star", `def main():
    return [a.name for a in [agent("ada"), agent("vet"), agent("juror"), agent("critic"), agent("pricing"), agent("editor"), agent("coder"), agent("asks-first")]]
`)
	out := shown(t, dir, "run", "--quiet", "all.star")
	require.Contains(t, out, `"pricing"`)
}

func TestTheFileOnThePageAboutTheLanguageRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "parallax.toml", "[agents.juror]\nuse = \"mock\"\ncapabilities = [\"juror\"]\nanswer = \"yes\"\ncount = 3\n")
	write(t, dir, "jury.star", blocksOf(t, "language/README.md", "python"))
	write(t, dir, "lib.star", "Verdict = enum(\"yes\", \"no\")\n\ndef count_votes(votes):\n    return len(votes)\n")
	write(t, dir, "notes.md", "Botanically speaking.\n")
	shown(t, dir, "check", "jury.star")
	require.Equal(t, "3\n", shown(t, dir, "run", "--quiet", "jury.star", "--input", "claim=A tomato is a vegetable."))
}

// blocksOf joins the blocks of a document that are in a language.
func blocksOf(t *testing.T, name, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", filepath.FromSlash(name)))
	require.NoError(t, err)
	found := guide.Blocks(string(text), language)
	require.NotEmpty(t, found)
	return strings.Join(found, "\n")
}

// shown is what the binary prints, with keys in its environment that are good for nothing.
func shown(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return parallaxWith(t, dir, []string{"OPENAI_API_KEY=none", "PRICE_AUTH=none", "PRICE_SECRET=none"}, args...).done(t)
}

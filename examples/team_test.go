package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mended is the outcome of the team as data.
type mended struct {
	Status, By, Repair, Diff string
	Review                   struct{ Failing []string }
	Steps                    []mendingStep
	Reasons                  []string
	Costs                    map[string]struct {
		Calls int
		Cost  float64
	}
}

type mendingStep struct {
	By, Step, Result string
	Score            *float64
	Reasons          []string
	Evidence         []struct {
		Oracle  string
		Score   *float64
		Skipped bool
		Reasons []string
	}
}

// did is who did what, and what came of it.
func (m mended) did() []string {
	var all []string
	for _, s := range m.Steps {
		all = append(all, s.By+" "+s.Step+" "+s.Result)
	}
	return all
}

func TestTeamMendsWhatItsJuniorCannot(t *testing.T) {
	t.Parallel()
	before := treeOf(t, filepath.Join("team", "code"))
	scratch := t.TempDir()
	transcript := filepath.Join(t.TempDir(), "events.jsonl")
	var got mended
	decode(t, parallaxWith(t, ".", []string{"TMPDIR=" + scratch}, "run", "team", "--input", "text=false", "--events", transcript).done(t), &got)

	require.Equal(t, "accepted", got.Status)
	require.Equal(t, "senior", got.By)
	require.Equal(t, []string{"junior work doubtful", "junior retry doubtful", "senior mend accepted"}, got.did())
	require.Contains(t, got.Diff, "-\t\t\tif s.To < merged[last].To {\n+\t\t\tif s.To > merged[last].To {\n")
	require.Len(t, got.Review.Failing, 4)
	require.Empty(t, got.Reasons)
	require.Equal(t, 2, got.Costs["junior"].Calls)
	require.Equal(t, 1, got.Costs["senior"].Calls)
	require.Positive(t, got.Costs["senior"].Cost)

	for i, want := range []float64{8. / 12, 8. / 12, 1} {
		s := got.Steps[i]
		require.Len(t, s.Evidence, 2)
		require.Equal(t, "vet", s.Evidence[0].Oracle)
		require.InDelta(t, 1, *s.Evidence[0].Score, 0)
		require.Equal(t, "tests", s.Evidence[1].Oracle)
		require.InDelta(t, want, *s.Evidence[1].Score, 1e-9)
	}
	require.Contains(t, got.Steps[0].Evidence[1].Reasons[0], "TestMergeJoinsWhatOverlaps fails: booking_test.go:44: got [{0 10} {5 15}]")

	require.Equal(t, before, treeOf(t, filepath.Join("team", "code")), "nobody asked to change the package")
	require.Empty(t, treeOf(t, filepath.Join(scratch, ".")), "the scratch copies are still there")
	events, err := os.ReadFile(transcript)
	require.NoError(t, err)
	require.NotContains(t, string(events), "approval", "nobody was to be asked")
	require.Contains(t, string(events), `"gate"`)
}

func TestTeamWritesARepairOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("team", "code"))))
	report := parallax(t, ".", "run", "team", "--input", "write=true", "--input", "path="+dir).done(t)
	golden(t, "team.txt", strings.Replace(report, dir+":", "code:", 1))
	text, err := os.ReadFile(filepath.Join(dir, "booking.go"))
	require.NoError(t, err)
	require.Contains(t, string(text), "if s.To > merged[last].To {")

	transcript := filepath.Join(t.TempDir(), "events.jsonl")
	out := parallax(t, ".", "run", "team", "--input", "path="+dir, "--events", transcript).done(t)
	require.Equal(t, dir+": nothing to mend, 12 tests pass\n", out)
	events, err := os.ReadFile(transcript)
	require.NoError(t, err)
	require.NotContains(t, string(events), "junior", "nobody is called who has nothing to do")
}

func TestTeamSurfacesWhatNobodyCanMend(t *testing.T) {
	t.Parallel()
	var got mended
	decode(t, parallax(t, ".", "run", "team", "--input", "path=hopeless", "--input", "person=false", "--input", "write=true", "--input", "text=false").done(t), &got)
	require.Equal(t, "surfaced", got.Status)
	require.Empty(t, got.By)
	require.Equal(t, []string{"junior work doubtful", "junior retry doubtful", "senior mend failed"}, got.did())
	require.Contains(t, strings.Join(got.Reasons, "\n"), `tests: TestNumerals/IV fails: roman_test.go:14: got IIII for 4, want IV`)
	require.Contains(t, strings.Join(got.Reasons, "\n"), "small changes satisfies the tests")
	text, err := os.ReadFile(filepath.Join("team", "hopeless", "roman.go"))
	require.NoError(t, err)
	require.Contains(t, string(text), "n > 3999 || n < 1", "what is not accepted is not written")
}

func TestTeamNeedsAPersonInTheEnd(t *testing.T) {
	t.Parallel()
	e := parallax(t, ".", "run", "team", "--input", "path=hopeless", "--agents", hasty(t))
	require.Equal(t, 7, e.code)
	require.Contains(t, e.stderr, `"Take this repair, although it does not satisfy the tests?" needs a person`)
	require.Empty(t, e.out)
}

func TestTeamDoesNotStartWithoutItsAgents(t *testing.T) {
	t.Parallel()
	e := parallax(t, copyOf(t, "team"), "run")
	require.Equal(t, 4, e.code)
	require.Contains(t, e.stderr, `agent "reviewer": there is no program`)
}

func TestTeamRefusesWhatIsNoPackage(t *testing.T) {
	t.Parallel()
	e := parallax(t, ".", "run", "team", "--input", "path=nowhere")
	require.Equal(t, 1, e.code)
	require.Contains(t, e.stderr, "cannot review nowhere")
}

func TestTeamReadsItsOraclesRight(t *testing.T) {
	t.Parallel()
	require.Contains(t, parallax(t, ".", "test", "team").done(t), "all ok")
}

// hasty is a senior who gives up soon, for tests that are about what happens then.
func hasty(t *testing.T) string {
	t.Helper()
	here, err := filepath.Abs("team")
	require.NoError(t, err)
	return write(t, t.TempDir(), "agents.toml", "[agents.senior]\nuse = \"./bin/senior\"\ndir = \""+filepath.ToSlash(here)+"\"\nmax_tries = 2\n"+
		"env = [\"CGO_ENABLED\", \"GOCACHE\", \"GOMODCACHE\", \"GOPATH\", \"GOFLAGS\", \"GOTOOLCHAIN\"]\n")
}

// treeOf is what stands in the files below a directory.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	}))
	return files
}

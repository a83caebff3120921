package repair_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/examples/team/repair"
)

// bookings is the package of the example as it should be, with another bug in it.
func bookings(t *testing.T, right, wrong string) (dir, sound string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "code"))))
	file := filepath.Join(dir, "booking.go")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	sound = strings.Replace(string(text), "if s.To < merged[last].To {", "if s.To > merged[last].To {", 1)
	require.Equal(t, 1, strings.Count(sound, right), "%s stands in it once", right)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(sound, right, wrong, 1)), 0o600))
	return dir, sound
}

func benchOf(t *testing.T, dir string) *repair.Bench {
	t.Helper()
	b, err := repair.NewBench(dir)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

func untold(float64, string) {}

// Whatever the bug is: the search knows none of them.
func TestSearchMendsBugsOfAllSorts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ right, wrong string }{
		"an operator":   {"booked += s.Minutes()", "booked -= s.Minutes()"},
		"a bound":       {"s.From <= merged[last].To", "s.From < merged[last].To"},
		"a constant":    {"booked := 0", "booked := 1"},
		"the wrong one": {"from = max(from, s.To)", "from = min(from, s.To)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, sound := bookings(t, c.right, c.wrong)
			b := benchOf(t, dir)
			review, err := b.Look(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, review.Failing)
			found, err := b.Search(t.Context(), repair.Job{Path: dir, Review: review}, 100, untold)
			require.NoError(t, err)
			require.NotNil(t, found.Repair, "%d of %d changes were tried", found.Tried, found.Ideas)
			require.Equal(t, sound, found.Repair.Source, found.Repair.Note)
		})
	}
}

func TestSearchDoesNotTryRejectedWorkAgain(t *testing.T) {
	t.Parallel()
	dir, sound := bookings(t, "booked += s.Minutes()", "booked -= s.Minutes()")
	b := benchOf(t, dir)
	review, err := b.Look(t.Context())
	require.NoError(t, err)
	job := repair.Job{Path: dir, Review: review, Work: &repair.Repair{File: "booking.go", Source: sound}}
	found, err := b.Search(t.Context(), job, 3, untold)
	require.NoError(t, err)
	require.Nil(t, found.Repair)
	require.Equal(t, 3, found.Tried)
}

func TestLookRanksWhatRunsWhenTestsFail(t *testing.T) {
	t.Parallel()
	dir, _ := bookings(t, "booked += s.Minutes()", "booked -= s.Minutes()")
	b := benchOf(t, dir)
	review, err := b.Look(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"TestBusyIsAShare"}, review.Failing)
	require.Equal(t, 11, review.Passing)
	first := review.Findings[0]
	require.Equal(t, "Busy", first.Function)
	require.Equal(t, "runs in 1 of 1 failing tests and in 0 of 11 others", first.Message)
	require.InDelta(t, 1, first.Suspicion, 1e-9)
	for _, f := range review.Findings {
		if f.Function == "Merge" {
			require.Less(t, f.Suspicion, 1., "tests that pass run it, too")
		}
		require.NotEqual(t, "Overlap", f.Function, "no failing test runs it")
	}
	require.Equal(t, 12, b.Runs)
}

// A test that crashes leaves no coverage behind: everything is suspect then.
func TestLookAtACrash(t *testing.T) {
	t.Parallel()
	dir, _ := bookings(t, "len(merged) - 1", "len(merged)")
	b := benchOf(t, dir)
	review, err := b.Look(t.Context())
	require.NoError(t, err)
	require.Contains(t, review.Failing, "TestMergeKeepsWhatIsApart")
	functions := map[string]bool{}
	for _, f := range review.Findings {
		functions[f.Function] = true
	}
	require.Contains(t, functions, "Merge")
	require.Contains(t, functions, "Overlap")
}

func TestCodeThatDoesNotBuildSaysWhy(t *testing.T) {
	t.Parallel()
	dir, _ := bookings(t, "booked := 0", "booked := \"0\"")
	b := benchOf(t, dir)
	_, err := b.Look(t.Context())
	var broken *repair.BuildError
	require.ErrorAs(t, err, &broken)
	require.Contains(t, broken.Output, "booking.go:")
}

func TestTheBenchIsACopy(t *testing.T) {
	t.Parallel()
	dir, _ := bookings(t, "booked := 0", "booked := 1")
	b := benchOf(t, dir)
	require.NoError(t, b.Write("booking.go", []byte("package booking\n")))
	text, err := os.ReadFile(filepath.Join(dir, "booking.go"))
	require.NoError(t, err)
	require.Contains(t, string(text), "booked := 1")
	require.ErrorContains(t, b.Write("../booking.go", nil), "not within the package")
	_, err = b.Read("/etc/hosts")
	require.ErrorContains(t, err, "not within the package")
	_, err = repair.NewBench(filepath.Join(dir, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

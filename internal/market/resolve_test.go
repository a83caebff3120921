package market

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
	"pgregory.net/rapid"
)

// registry is what versions need: "a@v1.0.0" needs "b@v1.1.0 c@v1.0.0".
type registry map[string]string

func wants(by, text string) []want {
	var list []want
	for word := range strings.FieldsSeq(text) {
		source, version, _ := strings.Cut(word, "@")
		list = append(list, want{Ref{source, version}, by})
	}
	return list
}

func (r registry) needs(ref Ref) ([]want, error) {
	text, ok := r[ref.String()]
	if !ok {
		return nil, errors.New("there is no " + ref.String())
	}
	return wants(ref.String(), text), nil
}

func (r registry) selected(roots string) (string, error) {
	refs, err := selectVersions(wants("", roots), r.needs)
	var list []string
	for _, ref := range refs {
		list = append(list, ref.String())
	}
	return strings.Join(list, " "), err
}

func TestTheHighestVersionThatAnybodyAsksForIsTaken(t *testing.T) {
	t.Parallel()
	r := registry{
		"a@v1.0.0": "c@v1.1.0", "b@v1.0.0": "c@v1.3.0 d@v1.0.0", "c@v1.1.0": "", "c@v1.2.0": "", "c@v1.3.0": "e@v1.0.0", "c@v1.9.0": "",
		"d@v1.0.0": "", "e@v1.0.0": "",
	}
	got, err := r.selected("a@v1.0.0 b@v1.0.0")
	require.NoError(t, err)
	require.Equal(t, "a@v1.0.0 b@v1.0.0 c@v1.3.0 d@v1.0.0 e@v1.0.0", got)
}

func TestWhatOnlyAVersionNeedsThatIsNotTakenIsLeftOut(t *testing.T) {
	t.Parallel()
	r := registry{"a@v1.0.0": "b@v1.0.0", "b@v1.0.0": "old@v1.0.0", "old@v1.0.0": "", "c@v1.0.0": "b@v1.1.0", "b@v1.1.0": ""}
	got, err := r.selected("a@v1.0.0 c@v1.0.0")
	require.NoError(t, err)
	require.Equal(t, "a@v1.0.0 b@v1.1.0 c@v1.0.0", got)
}

func TestVersionsThatDoNotMixAreAConflict(t *testing.T) {
	t.Parallel()
	r := registry{"a@v1.0.0": "c@v1.0.0", "b@v1.0.0": "c@v2.0.0", "c@v1.0.0": "", "c@v2.0.0": "", "d@v0.1.0": "c@v0.9.0", "c@v0.9.0": ""}
	_, err := r.selected("a@v1.0.0 b@v1.0.0")
	require.True(t, is(err, Conflict))
	require.EqualError(t, err, "c is wanted as v1.0.0 by a@v1.0.0 and as v2.0.0 by b@v1.0.0, and these do not mix")
	_, err = r.selected("a@v1.0.0 d@v0.1.0")
	require.True(t, is(err, Conflict))
}

func TestCircles(t *testing.T) {
	t.Parallel()
	r := registry{"a@v1.0.0": "b@v1.0.0", "b@v1.0.0": "c@v1.0.0", "c@v1.0.0": "b@v1.0.0", "x@v1.0.0": "x@v1.0.0", "y@v1.0.0": "z@v1.0.0 z@v1.1.0", "z@v1.0.0": "y@v1.0.0", "z@v1.1.0": ""}
	_, err := r.selected("a@v1.0.0")
	require.EqualError(t, err, "packages need each other in a circle: b needs c needs b")
	_, err = r.selected("x@v1.0.0")
	require.EqualError(t, err, "packages need each other in a circle: x needs x")
	got, err := r.selected("y@v1.0.0")
	require.NoError(t, err, "the version that went in a circle was not taken")
	require.Equal(t, "y@v1.0.0 z@v1.1.0", got)
}

// For any packages: all requirements are met, nothing is higher than somebody asked for, and the order of the roots does not matter.
func TestSelectionIsMinimal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names, versions := []string{"a", "b", "c", "d", "e"}, []string{"v1.0.0", "v1.1.0", "v1.2.0"}
		r := make(registry)
		asked := make(map[string]bool)
		for i, name := range names {
			for _, v := range versions {
				var needs []string
				for _, other := range names[i+1:] { // no circles
					if rapid.Bool().Draw(t, "needs") {
						needs = append(needs, other+"@"+rapid.SampledFrom(versions).Draw(t, "version"))
					}
				}
				r[name+"@"+v] = strings.Join(needs, " ")
			}
		}
		roots := []string{"a@v1.0.0", rapid.SampledFrom(names).Draw(t, "root") + "@" + rapid.SampledFrom(versions).Draw(t, "version")}
		got, err := r.selected(strings.Join(roots, " "))
		require.NoError(t, err)
		back, err := r.selected(roots[1] + " " + roots[0])
		require.NoError(t, err)
		require.Equal(t, got, back)

		chosen := make(map[string]string)
		for _, w := range wants("", got) {
			chosen[w.Source] = w.Version
		}
		queue, seen := append([]string{}, roots...), make(map[string]bool)
		for len(queue) > 0 {
			ref := queue[0]
			queue = queue[1:]
			asked[ref] = true
			if !seen[ref] {
				seen[ref] = true
				queue = append(queue, strings.Fields(r[ref])...)
			}
		}
		for name, v := range chosen {
			require.True(t, asked[name+"@"+v], "nobody asked for %s@%s", name, v)
			for _, w := range wants("", r[name+"@"+v]) {
				require.GreaterOrEqual(t, semver.Compare(chosen[w.Source], w.Version), 0, "%s@%s needs %s", name, v, w)
			}
		}
	})
}

func TestTheLatestVersionIsARelease(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v1.9.0", latest([]string{"v1.10.0-rc.1", "v1.9.0", "v1.2.0"}, ""))
	require.Equal(t, "v0.1.0-b", latest([]string{"v0.1.0-a", "v0.1.0-b"}, ""))
	require.Equal(t, "v1.2.0", latest([]string{"v2.0.0", "v1.2.0", "v1.0.0"}, "v1"))
	require.Empty(t, latest(nil, ""))
}

func TestNamesOfPackages(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Ref{
		"github.com/acme/debate":               {"github.com/acme/debate", ""},
		"github.com/acme/debate@latest":        {"github.com/acme/debate", ""},
		"https://github.com/acme/debate":       {"github.com/acme/debate", ""},
		"ghe.example.org/Acme/De.bate@v1.0.0-": {},
		"ghe.example.org/Acme/De.bate@v1.0.0":  {"ghe.example.org/Acme/De.bate", "v1.0.0"},
		"github.com/acme/debate@v1.0.0+build":  {},
		"github.com/acme":                      {},
		"github.com/acme/debate/sub":           {},
		"github.com/../debate":                 {},
		"github.com/acme/debate.git":           {},
		"localhost/acme/debate":                {},
		"GitHub.com/acme/debate":               {},
		"github.com/acme/-x y":                 {},
	} {
		got, err := ParseRef(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == Ref{}, err != nil, "%s: %v", text, err)
	}
	require.True(t, IsRef("github.com/acme/debate@v1"))
	require.False(t, IsRef("lib/sub/main.star"))
	require.False(t, IsRef("./a.b/c/d"))
	require.False(t, IsRef("x.y/z.star"))
	require.False(t, IsRef(""))
}

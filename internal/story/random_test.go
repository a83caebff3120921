package story_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

func addresses() *rapid.Generator[runtime.Address] {
	paths := rapid.OneOf(
		rapid.SampledFrom([]runtime.Path{"", "1.0", "1.1", "2.0", "2.0.1.3", "1.1.4.0.2.9"}),
		rapid.Map(rapid.StringMatching(`[0-9.x-]{0,12}`), func(s string) runtime.Path { return runtime.Path(s) }),
	)
	return rapid.Custom(func(t *rapid.T) runtime.Address {
		return runtime.Address{Path: paths.Draw(t, "path"), N: rapid.IntRange(-1, 5).Draw(t, "n")}
	})
}

var payloads = []runtime.Payload{
	nil, runtime.Null, runtime.Payload(`{`), runtime.Payload(`"x"`), runtime.Payload(`{"effect":7}`),
	runtime.Payload(`{"agent":"a","effect":"agent","task":"t"}`), runtime.Payload(`{"branches":3,"effect":"parallel","labels":["l"]}`),
	runtime.Payload(`{"effect":"run","pattern":":c.star"}`), runtime.Payload(`{"branches":-9,"effect":"race"}`), runtime.Payload(`{"effect":"sleep","for":"?"}`),
	runtime.Payload(`{"value":{"distribution":{"a":2,"b":1},"dissent":[{"option":"b","share":7,"agents":[null,1]},3],"status":"decided","winner":"a"}}`),
	runtime.Payload(`{"evidence":[{"oracle":"o","score":null},4],"status":"surfaced"}`), runtime.Payload(`{"distribution":{"a":"many"},"winner":null}`),
}

func facts() *rapid.Generator[[]runtime.Fact] {
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		if s := rapid.Int64Range(-1, 100).Draw(t, "at"); s >= 0 {
			return time.Unix(s, 0).UTC()
		}
		return time.Time{}
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) runtime.Fact {
		f := runtime.Fact{
			Addr: addresses().Draw(t, "addr"), Kind: runtime.FactKind(rapid.IntRange(1, 5).Draw(t, "kind")), At: moment.Draw(t, "time"), Until: moment.Draw(t, "until"),
			Seq: rapid.IntRange(0, 3).Draw(t, "seq"), Index: rapid.IntRange(-2, 9).Draw(t, "index"), Attempt: rapid.IntRange(-1, 4).Draw(t, "attempt"),
			Request: rapid.SampledFrom(payloads).Draw(t, "request"), Outcome: rapid.SampledFrom(payloads).Draw(t, "outcome"),
			Kept: rapid.SliceOfN(rapid.IntRange(-1, 9), 0, 5).Draw(t, "kept"),
		}
		if rapid.Bool().Draw(t, "failed") {
			f.Err = &runtime.Error{Code: runtime.Refused, Message: "no"}
		}
		return f
	}), 0, 40)
}

// Whatever is kept, however damaged, is told: nothing panics, and each fact is shown once.
func TestEveryFactIsToldOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom([]story.Status{"", story.Running, story.Suspended, story.Done, story.Failed, story.Cancelled, "?"})
		run := story.Kept{Head: story.Head{ID: "r", Status: status.Draw(t, "status")}, Facts: facts().Draw(t, "facts")}
		ids := rapid.SliceOfN(rapid.SampledFrom([]string{"r/1", "r/2.0/1", "r/1/1", "r/1/2.0/3", "q/1", "r", "", "/", "r/x", "r/0"}), 0, 5).Draw(t, "children")
		want := len(run.Facts)
		var children []story.Kept
		for _, id := range ids {
			k := story.Kept{Head: story.Head{ID: id, Status: status.Draw(t, "status")}, Facts: facts().Draw(t, "facts")}
			children = append(children, k)
			want += len(k.Facts)
		}
		r := story.Tell(run, children...)
		require.Equal(t, want, everyFactIsShown(t, r))
		seen := make(map[*story.Node]bool)
		r.Root.Walk(func(n *story.Node, _ int) bool {
			require.False(t, seen[n], "a node stands twice")
			seen[n] = true
			require.NotEmpty(t, n.Kind)
			if n != r.Root {
				require.NotEmpty(t, n.Status, "%s %s", n.Kind, n.Where())
				require.NotEqual(t, story.Suspended, n.Status, "%s %s", n.Kind, n.Where())
			}
			require.GreaterOrEqual(t, n.Took(), time.Duration(0))
			if run.Status.Over() {
				require.True(t, n.Status.Over(), "%s %s is %s in a run that is %s", n.Kind, n.Where(), n.Status, run.Status)
			}
			return true
		})
		require.NoError(t, story.Text(io.Discard, r, story.TextOptions{Width: 40, Branches: 2}))
	})
}

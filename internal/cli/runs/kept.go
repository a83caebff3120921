package runs

import (
	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/story"
)

// Story tells a run that is kept, with its child runs.
func Story(s *badger.Store, r *badger.Record) (*story.Run, error) {
	family, err := keep.Family(s, r.ID)
	if err != nil {
		return nil, err
	}
	return storyOf(r, family), nil
}

func storyOf(r *badger.Record, family []keep.Member) *story.Run {
	list := make([]story.Kept, len(family))
	for i, m := range family {
		list[i] = story.Kept{Head: story.Head{ID: m.Run}, Facts: m.Facts}
	}
	list[0].Head = head(r)
	return story.Tell(list[0], list[1:]...)
}

func head(r *badger.Record) story.Head {
	return story.Head{
		ID: r.ID, Pattern: r.Pattern, Version: r.Version, Started: r.Started, Ended: r.Ended, Status: statusOf(r.Status),
		Inputs: r.Inputs, Result: r.Result, Error: r.Error, Why: r.Why, Usage: r.Usage, Calls: r.Calls,
	}
}

// statusOf says how a run stands in a story. One that is lost stands still, as if it had been suspended.
func statusOf(s badger.Status) story.Status {
	switch s {
	case badger.Running:
		return story.Running
	case badger.Suspended, badger.Lost:
		return story.Suspended
	case badger.Done:
		return story.Done
	case badger.Failed:
		return story.Failed
	case badger.Cancelled:
		return story.Cancelled
	}
	return story.Running
}

package keep

import (
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/engine"
)

// Bounds of kept answers where the project sets none.
const (
	answersFor   = 30 * 24 * time.Hour
	answersBytes = 256 << 20
)

// Answers is a store as the cache of a run. A store in trouble has none: the run sees that trouble when it keeps its own facts.
type Answers struct{ Store *badger.Store }

// Get implements engine.Cache.
func (a Answers) Get(q engine.Question) (engine.Kept, bool) {
	text, at, err := a.Store.Answer(q)
	return engine.Kept{At: at, Answer: text}, err == nil
}

// Put implements engine.Cache.
func (a Answers) Put(q engine.Question, k engine.Kept) { _ = a.Store.KeepAnswer(q, k.At, k.Answer) }

package local

import (
	"sync"

	"github.com/parallax-run/parallax/internal/engine"
)

// Memory is an engine.Cache in this process. Its zero value is ready.
type Memory struct {
	mu    sync.Mutex
	kept  map[engine.Question]engine.Kept
	order []engine.Question // in which they were first asked
	bytes int
}

// memoryBytes bounds the answers in a Memory. The oldest go first.
const memoryBytes = 64 << 20

// Get implements engine.Cache.
func (m *Memory) Get(q engine.Question) (engine.Kept, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.kept[q]
	return k, ok
}

// Put implements engine.Cache.
func (m *Memory) Put(q engine.Question, k engine.Kept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = make(map[engine.Question]engine.Kept)
	}
	if _, known := m.kept[q]; !known {
		m.order = append(m.order, q)
	}
	m.bytes += len(k.Answer) - len(m.kept[q].Answer)
	m.kept[q] = k
	for m.bytes > memoryBytes {
		oldest := m.order[0]
		m.order = m.order[1:]
		m.bytes -= len(m.kept[oldest].Answer)
		delete(m.kept, oldest)
	}
}

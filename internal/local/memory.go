package local

import "sync"

// Memory is a Cache in this process. Its zero value is ready.
type Memory struct {
	mu    sync.Mutex
	kept  map[Question]Kept
	order []Question // in which they were first asked
	bytes int
}

// memoryBytes bounds the answers in a Memory. The oldest go first.
const memoryBytes = 64 << 20

// Get implements Cache.
func (m *Memory) Get(q Question) (Kept, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.kept[q]
	return k, ok
}

// Put implements Cache.
func (m *Memory) Put(q Question, k Kept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = make(map[Question]Kept)
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

package badger

import (
	"bytes"
	"sync"
	"sync/atomic"
)

// change is a key that was written.
type change struct{ Key, Value []byte }

// hub tells those who watch what was written.
type hub struct {
	n        atomic.Int32
	mu       sync.Mutex
	watchers map[*watcher]bool
	closed   bool
}

// watcher wants to know what is written under some prefixes.
type watcher struct {
	prefixes [][]byte
	changes  queue[change]
	bytes    atomic.Int64
}

// maxBehind is how many bytes a watcher may be behind. Then it is let go; it can come again and begins anew.
const maxBehind = 64 << 20

func (h *hub) watched() bool { return h.n.Load() > 0 }

func (h *hub) add(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		w.changes.close()
		return
	}
	if h.watchers == nil {
		h.watchers = make(map[*watcher]bool)
	}
	h.watchers[w] = true
	h.n.Store(int32(len(h.watchers)))
}

func (h *hub) remove(w *watcher) {
	w.changes.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
	h.n.Store(int32(len(h.watchers)))
}

func (h *hub) publish(changes []change) {
	if len(changes) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		for _, c := range changes {
			w.tell(c)
		}
	}
}

func (w *watcher) tell(c change) {
	for _, p := range w.prefixes {
		if !bytes.HasPrefix(c.Key, p) && !bytes.Equal(c.Key, p) {
			continue
		}
		if w.bytes.Add(int64(len(c.Value)+len(c.Key))) > maxBehind {
			w.changes.close()
			return
		}
		w.changes.push(c)
		return
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for w := range h.watchers {
		w.changes.close()
	}
}

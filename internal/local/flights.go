package local

import "sync"

// flights counts the agent calls under way in a run and its child runs. Its zero value is ready.
type flights struct {
	mu      sync.Mutex
	n       int
	landing chan struct{} // closed when there is none
}

func (f *flights) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *flights) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.landing != nil {
		close(f.landing)
		f.landing = nil
	}
}

// none gives a channel that is closed once no call is under way.
func (f *flights) none() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == 0 {
		now := make(chan struct{})
		close(now)
		return now
	}
	if f.landing == nil {
		f.landing = make(chan struct{})
	}
	return f.landing
}

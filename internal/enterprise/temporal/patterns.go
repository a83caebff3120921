package temporal

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
)

// Patterns keeps patterns by the digest of their sources, so that to edit one never disturbs a run.
type Patterns struct {
	Blobs       Blobs
	Environment func() runtime.Environment
	Options     pattern.Options

	mu     sync.Mutex
	loaded map[string]*pattern.Loaded
}

// source is what is kept of a pattern.
type source struct {
	Main    string            `json:"main"`
	Root    string            `json:"root"`
	Sources map[string]string `json:"sources"`
}

// Put keeps a pattern.
func (p *Patterns) Put(l *pattern.Loaded) (Pattern, error) {
	text, err := json.Marshal(source{l.Program.Name, l.Root, l.Sources()})
	if err != nil {
		return Pattern{}, err
	}
	digest, err := p.Blobs.Put(text)
	return Pattern{Name: l.Program.Name, Digest: digest}, err
}

// maxLoaded is how many patterns a worker keeps compiled.
const maxLoaded = 256

// Get gives a pattern, compiled.
func (p *Patterns) Get(digest string) (*pattern.Loaded, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.loaded[digest]; l != nil {
		return l, nil
	}
	text, err := p.Blobs.Get(digest)
	if err != nil {
		return nil, err
	}
	var s source
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("blob %s is no pattern: %w", digest, err)
	}
	l, err := pattern.Restore(s.Sources, s.Main, s.Root, p.Environment(), p.Options)
	if err != nil {
		return nil, err
	}
	if p.loaded == nil || len(p.loaded) >= maxLoaded {
		p.loaded = make(map[string]*pattern.Loaded)
	}
	p.loaded[digest] = l
	return l, nil
}

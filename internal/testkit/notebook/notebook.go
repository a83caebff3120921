// Package notebook keeps the facts of runs in memory, for tests of what reads them.
package notebook

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/parallax-run/parallax/runtime"
)

// Notebook is a keeper of runs. Facts are kept as bytes, as a store would. The zero value is empty.
type Notebook struct {
	mu    sync.Mutex
	facts map[string]map[string][]byte // by run, then by address, kind and number
}

// Append keeps facts.
func (n *Notebook) Append(run string, facts ...runtime.Fact) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.facts == nil {
		n.facts = make(map[string]map[string][]byte)
	}
	if n.facts[run] == nil {
		n.facts[run] = make(map[string][]byte)
	}
	for i := range facts {
		f := &facts[i]
		n.facts[run][fmt.Sprint(f.Addr, f.Kind, f.Seq)] = f.Encode()
	}
	return nil
}

// Note keeps facts.
func (n *Notebook) Note(run string, facts ...runtime.Fact) { _ = n.Append(run, facts...) }

// Load gives the facts of a run.
func (n *Notebook) Load(run string) ([]runtime.Fact, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var facts []runtime.Fact
	for _, key := range slices.Sorted(maps.Keys(n.facts[run])) {
		f, err := runtime.DecodeFact(n.facts[run][key])
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}

// Runs lists the ids of the runs, sorted.
func (n *Notebook) Runs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.facts))
}

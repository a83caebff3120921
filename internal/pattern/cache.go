package pattern

import (
	"container/list"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// Bounds of a Cache, in entries. The least recently used goes first.
const (
	maxPrograms = 256
	maxUnits    = 1024
)

// Cache keeps what was compiled, in memory, by content: an unchanged graph is compiled once per process. The zero Cache is ready, a nil
// one keeps nothing, and both are safe for concurrent use. All environments used with one Cache must mean the same by
// builtins of the same name: a program keeps the builtins it was compiled with.
type Cache struct {
	mu       sync.Mutex
	programs lru[*compiling]
	units    lru[*unit]
}

// digest is a key of the cache.
type digest [sha256.Size]byte

// compiling is a program, or the wait for one.
type compiling struct {
	once sync.Once
	prog *runtime.Program
	err  error
}

var errStopped = errors.New("compiling the pattern did not end")

// keyOf is the content address of files in load order: their names and texts, the compiler, the language and the builtins.
func keyOf(units []*unit, env runtime.Environment, nameOf func(from, label string) string, agents func(file string) map[string]string) digest {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n%s\n%s\n", starlark.CompilerVersion, runtime.ABI, strings.Join(env.Builtins.Keys(), " "), strings.Join(env.Tests.Keys(), " "))
	for _, u := range units {
		fmt.Fprintf(h, "%q %x\n", u.name, sha256.Sum256(u.text))
		for _, l := range u.loads {
			if strings.HasPrefix(l.label, "@") {
				fmt.Fprintf(h, "%q\n", nameOf(u.name, l.label)) // what an alias means does not stand in the text
			}
		}
		fmt.Fprintf(h, "%q\n", agents(u.name)) // maps are printed sorted
	}
	return digest(h.Sum(nil))
}

func unitKey(name string, text []byte) digest {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", name)
	h.Write(text)
	return digest(h.Sum(nil))
}

// program gives the program of that key, compiling it if nobody did. Failures are not kept.
func (c *Cache) program(key digest, compile func() (*runtime.Program, error)) (*runtime.Program, error) {
	if c == nil {
		return compile()
	}
	c.mu.Lock()
	p, ok := c.programs.get(key)
	if !ok {
		p = &compiling{}
		c.programs.put(key, p, maxPrograms)
	}
	c.mu.Unlock()
	p.once.Do(func() {
		p.err = errStopped // what others see should compile panic
		p.prog, p.err = compile()
	})
	if p.err != nil {
		c.mu.Lock()
		c.programs.drop(key, p)
		c.mu.Unlock()
	}
	return p.prog, p.err
}

func (c *Cache) unit(name string, text []byte) (*unit, bool) {
	if c == nil {
		return nil, false
	}
	key := unitKey(name, text)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.units.get(key)
}

func (c *Cache) keepUnit(u *unit) {
	if c == nil {
		return
	}
	key := unitKey(u.name, u.text)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.units.put(key, u, maxUnits)
}

// lru keeps the values that were used last. The zero lru is empty.
type lru[V comparable] struct {
	byKey map[digest]*list.Element
	used  list.List // of pair[V], the last used in front
}

type pair[V any] struct {
	key digest
	val V
}

func (l *lru[V]) get(key digest) (v V, ok bool) {
	e, ok := l.byKey[key]
	if !ok {
		return v, false
	}
	l.used.MoveToFront(e)
	return e.Value.(pair[V]).val, true
}

// put keeps a value, and at most limit in all.
func (l *lru[V]) put(key digest, v V, limit int) {
	if l.byKey == nil {
		l.byKey = make(map[digest]*list.Element)
	}
	if e, ok := l.byKey[key]; ok {
		e.Value = pair[V]{key, v}
		l.used.MoveToFront(e)
		return
	}
	l.byKey[key] = l.used.PushFront(pair[V]{key, v})
	for l.used.Len() > limit {
		last := l.used.Back()
		delete(l.byKey, l.used.Remove(last).(pair[V]).key)
	}
}

// drop forgets a key if v is still what it stands for.
func (l *lru[V]) drop(key digest, v V) {
	if e, ok := l.byKey[key]; ok && e.Value.(pair[V]).val == v {
		l.used.Remove(e)
		delete(l.byKey, key)
	}
}

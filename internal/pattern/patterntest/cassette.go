package patterntest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// Agents are the real agents of a project, which a recording asks.
type Agents interface {
	// Call makes one attempt. An error that is no *runtime.Error ends the test, and nothing is recorded.
	Call(ctx context.Context, c runtime.Call) (runtime.Answer, error)
	Info(name string) (runtime.AgentInfo, bool)
	Lookup(capability string) []runtime.AgentInfo
}

// Secret is what no cassette may hold.
type Secret struct{ Name, Value string }

// Cassettes are the cassettes that the tests of one command use. The zero Cassettes is ready, and safe for concurrent use.
type Cassettes struct {
	mu     sync.Mutex
	byPath map[string]tapes
	owner  map[[2]string]string // of a recording, by path and test: the file of the test
}

// load gives what is recorded of a test, nil for nothing. A file that is not there is an fs.ErrNotExist.
func (c *Cassettes) load(b beside, name, test string) (*tape, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, err := c.read(b, name)
	return all[test], err
}

func (c *Cassettes) read(b beside, name string) (tapes, error) {
	if all, ok := c.byPath[b.path(name)]; ok {
		return all, nil
	}
	text, err := b.read(name)
	if err != nil {
		return nil, err
	}
	all, err := readTapes(name, text)
	if err != nil {
		return nil, err
	}
	c.keep(b.path(name), all)
	return all, nil
}

func (c *Cassettes) keep(path string, all tapes) {
	if c.byPath == nil {
		c.byPath, c.owner = make(map[string]tapes), make(map[[2]string]string)
	}
	c.byPath[path] = all
}

// claim prepares a recording: it says why the cassette could not be written in the end.
func (c *Cassettes) claim(b beside, name, test, file string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, err := c.read(b, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		all = make(tapes)
	case err != nil:
		return err
	}
	c.keep(b.path(name), all)
	key := [2]string{b.path(name), test}
	if other, ok := c.owner[key]; ok && other != file {
		return fmt.Errorf("%s is the cassette of two tests called %s, in %s and in %s", name, test, other, file)
	}
	c.owner[key] = file
	return b.writable(name)
}

// record writes what was recorded of a test; what the cassette holds of others stays.
func (c *Cassettes) record(b beside, name, test string, t *tape) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.byPath[b.path(name)]
	all[test] = t
	text, err := writeTapes(all)
	if err != nil {
		return err
	}
	return b.write(name, text)
}

func cassetteDecl() *builtins.Decl {
	return &builtins.Decl{
		Name:   "cassette",
		Params: []builtins.Param{{Name: "file", Type: "str", Default: "None"}},
		Result: "None",
		Doc: `Answers the agents that this test does not script from a recording.

file is a .json file beside the test, or below its directory; without one it is called as the test file is. parallax test --record asks the real
agents of the project and writes their answers there, and parallax test answers from it: an agent that is asked something else fails the test,
which shows the nearest recorded request. Answers that nobody asks for are told. One cassette may serve all tests of a file; each has its own
part of it. Scripted agents are never recorded.

    cassette("testdata/review.json")
    assert.eq(review("x = 1").verdict, "approve")
`,
		Impl: func(c *builtins.Call) (starlark.Value, error) {
			w, err := worldOf(c)
			if err != nil {
				return nil, err
			}
			name, err := text(c, 0)
			if err != nil {
				return nil, err
			}
			if argument(c, 0) == nil {
				name = strings.TrimSuffix(path.Base(w.file), ".star") + ".json"
			}
			return starlark.None, w.insert(name)
		},
	}
}

// insert puts a cassette in: to be played, or to be recorded where there are real agents.
func (w *World) insert(name string) error {
	if err := w.beside.local(name); err != nil {
		return fmt.Errorf("cassette: %w", err)
	}
	if path.Ext(name) != ".json" {
		return fmt.Errorf("cassette: file: got %q, want a name that ends with .json", name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads[name] = true
	if w.deck != nil {
		return fmt.Errorf("cassette: there is one already, %s", w.deck.name)
	}
	if w.Real != nil {
		if err := w.Cassettes.claim(w.beside, name, w.test, w.file); err != nil {
			return fault(err, "see to it that it can be written, or name another file")
		}
		w.deck = &deck{name: name, recording: true, known: make(map[string]tapedAgent)}
		return nil
	}
	t, err := w.Cassettes.load(w.beside, name, w.test)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault(fmt.Errorf("there is no cassette %s", name), w.rerecord())
	case err != nil:
		return fault(err, w.rerecord())
	case t == nil:
		return fault(fmt.Errorf("%s holds no recording of %s", name, w.test), w.rerecord())
	}
	w.deck = play(name, t)
	return nil
}

// fault is the error of a test whose cassette cannot be used.
func fault(err error, hint string) error {
	e := broken("cassette: %v", err)
	e.Hint = hint
	return e
}

// rerecord says how the test is recorded.
func (w *World) rerecord() string {
	return fmt.Sprintf("record it, which asks the real agents: parallax test --record --run '^%s$' %s", w.test, path.Base(w.file))
}

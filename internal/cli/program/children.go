package program

import (
	"sync"

	"github.com/parallax-run/parallax/internal/child"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/plugins/host/interpreter"
)

// children are the interpreters of patterns from elsewhere. A process is started when one is needed.
type children struct {
	mu   sync.Mutex
	made []*child.Interpreter
}

func (c *children) interpreter(app *cli.App) cli.Apart {
	starter := &interpreter.Starter{Command: []string{app.Self, interpreter.Word}, Shim: []string{app.Self, "__shim"}}
	if change := app.Program.Interpreter; change != nil {
		change(starter)
	}
	return func() *child.Interpreter {
		x := &child.Interpreter{Start: starter.Start, Env: app.Environment()}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.made = append(c.made, x)
		return x
	}
}

// close ends what is left of them.
func (c *children) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.made {
		x.Close()
	}
}

package run

import (
	"github.com/parallax-run/parallax/internal/cli/person"
	"github.com/parallax-run/parallax/internal/cli/screen"
)

// asker asks the person at the terminal.
type asker = person.Person

// person gives the person at the terminal, or nil where standard input or standard error is none.
func (o *Options) person(s *screen.Screen) *asker {
	if _, ok := screen.Terminal(o.App.In); !ok {
		return nil
	}
	if _, ok := screen.Terminal(o.App.Err); !ok {
		return nil
	}
	name := "terminal"
	for _, v := range []string{"USER", "LOGNAME", "USERNAME"} {
		if user := o.App.Getenv(v); user != "" {
			name = user
			break
		}
	}
	return person.New(name, o.App.Err, person.Terminal, s.Aside)
}

package keep

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
)

// Decided is a decision that was sent to a run.
type Decided struct {
	Choice  string `json:"choice"`
	By      string `json:"by,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// Undecided gives what a run waits for people to decide, with the decisions that were sent and that it has not taken.
func Undecided(s *badger.Store, run string) ([]Waiting, error) {
	family, err := Family(s, run)
	if err != nil {
		return nil, err
	}
	list := Approvals(family)
	sent, err := s.Messages(run)
	if err != nil {
		return nil, err
	}
	for i := range list {
		for _, m := range sent {
			if m.Kind == DecisionMessage && m.Run == list[i].Run && m.Addr == list[i].At && list[i].Decided == nil {
				list[i].Decided = decidedBy(m)
			}
		}
	}
	return list, nil
}

func decidedBy(m badger.Message) *Decided {
	d := new(Decided)
	_ = json.Unmarshal(m.Value, d) // what is no decision decides nothing that could be named
	return d
}

func (d *Decided) String() string {
	s := clean([]string{d.Choice})[0]
	if d.By != "" {
		s += " by " + clean([]string{d.By})[0]
	}
	return s
}

// late says that the time to decide is over.
func (w *Waiting) late() bool {
	return w.Decided == nil && !w.Until.IsZero() && time.Now().After(w.Until)
}

// open says that somebody can decide.
func (w *Waiting) open() bool { return w.Decided == nil && !w.late() }

// note is what is to be said of an approval in a list, beside what it is.
func (w *Waiting) note() string {
	switch {
	case w.Decided != nil:
		return "it is decided already: " + w.Decided.String()
	case w.late():
		return "nobody decided in time: its deadline was at " + w.Until.Local().Format(time.DateTime)
	}
	return ""
}

// refuse says why nobody can decide.
func (w *Waiting) refuse(run string) error {
	hint := "the run takes it when it goes on: parallax resume " + run
	if w.late() {
		hint = "the pattern learns of it when the run goes on: parallax resume " + run
	}
	return &cli.UsageError{Message: fmt.Sprintf("%q: %s", w.Title, w.note()), Hint: hint}
}

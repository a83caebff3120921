package temporal

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/parallax-run/parallax/runtime"
)

// listen takes what others send to the run.
func (r *run) listen(own workflow.Context) error {
	signals := workflow.GetSignalChannel(own, signalName)
	workflow.Go(own, func(own workflow.Context) {
		for {
			var s Signal
			signals.Receive(own, &s)
			r.signals = append(r.signals, s)
		}
	})
	err := workflow.SetUpdateHandlerWithOptions(own, decideName, r.decide, workflow.UpdateHandlerOptions{Validator: r.mayDecide})
	if err != nil {
		return err
	}
	if err := workflow.SetQueryHandler(own, waitingName, func() ([]Waiting, error) { return r.asked, nil }); err != nil {
		return err
	}
	return workflow.SetQueryHandler(own, factsName, r.facts)
}

// receive takes the signals that have come and that nobody has looked at.
func (r *run) receive(own workflow.Context) {
	signals := workflow.GetSignalChannel(own, signalName)
	for {
		var s Signal
		if !signals.ReceiveAsync(&s) {
			return
		}
		r.signals = append(r.signals, s)
	}
}

// decide takes a decision that mayDecide has let pass.
func (r *run) decide(_ workflow.Context, d Decide) error {
	r.decided = append(r.decided, d)
	return nil
}

// mayDecide says what is wrong with a decision; whoever makes it is told, and the run does not see it.
func (r *run) mayDecide(d Decide) error {
	i := slices.IndexFunc(r.asked, func(w Waiting) bool { return w.Run == d.Run && w.Address == d.Address })
	if i < 0 {
		return refused("run %s does not wait for a decision at %q; ask it again for what it waits", d.Run, d.Address)
	}
	if r.made(d.Run, d.Address) >= 0 {
		return refused("%q is decided already", r.asked[i].Title)
	}
	var made struct{ Choice string }
	if err := json.Unmarshal(d.Value, &made); err != nil || !slices.Contains(r.asked[i].Options, made.Choice) {
		return refused("%q is no option of %q; choose one of %s", made.Choice, r.asked[i].Title, strings.Join(r.asked[i].Options, ", "))
	}
	return nil
}

func refused(format string, args ...any) error {
	return toTemporal(runtime.Errorf(runtime.Refused, format, args...))
}

// facts gives all that is recorded of the run and its child runs, as encode writes it.
func (r *run) facts() ([]byte, error) {
	var all []fact
	for run, rec := range r.book.all() {
		for i := range rec {
			all = append(all, fact{run, rec[i]})
		}
	}
	return encode(all), nil
}

// Facts reads what the query for facts gives: the facts of each run.
func readFacts(blob []byte) (map[string][]runtime.Fact, error) {
	b := newBook()
	if err := b.read(blob); err != nil {
		return nil, fmt.Errorf("the facts of the run: %w", err)
	}
	return maps.Collect(b.all()), nil
}

package limiter

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// gate is where calls of this process meet one limit.
type gate struct {
	Limit

	now   func() time.Time
	turn  queue
	slots slots
	page  page
}

// passage is a call that has passed its gates.
type passage struct {
	gates []*gate
	slots []*slot
	probe int64 // of the last gate: when the call began that tries whether it is back; zero for all others
}

// enter leads a call through the gates of its limits. It keeps its turn at each until it has passed all, so that no call has a slot or its
// share of a rate much before it begins.
func (l *Limits) enter(ctx context.Context, c *runtime.Call, of []Limit) (_ *passage, err error) {
	w := waiter{ctx: ctx, agent: c.Agent, watch: c.Watch, now: l.now, began: l.now()}
	p := &passage{}
	defer func() {
		for _, g := range p.gates {
			g.turn.leave()
		}
		if err != nil {
			p.free()
		}
	}()
	for i := range of {
		g := l.gate(of[i])
		if err := g.turn.take(&w, g.Label()); err != nil {
			return nil, err
		}
		p.gates = append(p.gates, g)
		s, err := g.slots.take(&w, g.Label())
		if err != nil {
			return nil, err
		}
		p.slots = append(p.slots, s)
		if p.probe, err = g.admit(&w); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// leave gives the slots back and notes how the call ended.
func (p *passage) leave(err error) {
	p.gates[len(p.gates)-1].note(outcomeOf(err), p.probe)
	p.free()
}

func (p *passage) free() {
	for i, s := range p.slots {
		p.gates[i].slots.free(s)
	}
}

// longestLook is how long a call that is held back waits before it looks again.
const longestLook = 250 * time.Millisecond

// admit waits until another call may begin. While the limit's owner is down it fails.
func (g *gate) admit(w *waiter) (probe int64, err error) {
	for {
		v := g.ask()
		switch {
		case v.down:
			return 0, g.refuse(w.agent, v)
		case v.wait <= 0:
			return v.probe, nil
		}
		if err := w.sleep(min(v.wait, longestLook)+rand.N(5*time.Millisecond), v.why); err != nil {
			return 0, err
		}
	}
}

// ask says whether another call may begin, and counts it if so.
func (g *gate) ask() verdict {
	if g.Rate.Calls <= 0 {
		if s := decode(g.page.read()); s.quiet(g.now()) {
			return verdict{}
		}
	}
	var v verdict
	g.change(func(s *state) { v = s.ask(g.now(), &g.Limit) })
	return v
}

// note remembers how a call ended, where that says something.
func (g *gate) note(o outcome, probe int64) {
	if o.kind == answered && probe == 0 {
		if s := decode(g.page.read()); s.Fails == 0 {
			return
		}
	}
	if o.kind != nothing && o.kind != late || probe != 0 {
		g.change(func(s *state) { s.note(g.now(), o, probe) })
	}
}

func (g *gate) change(f func(*state)) {
	g.page.change(func(old []byte) []byte {
		s := decode(old)
		f(&s)
		return s.encode()
	})
}

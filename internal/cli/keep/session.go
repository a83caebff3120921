package keep

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// Session is a run with which this process goes on, and whose facts it keeps.
type Session struct {
	ID    string
	Store *badger.Store
	Lease *badger.Lease

	taken map[Taken]int // signals that the run took in its earlier lives
	again bool          // it had earlier lives, or messages were sent before it began

	mu    sync.Mutex
	meter story.Meter // of what the run took in all its lives
}

// Append implements engine.Keeper.
func (s *Session) Append(run string, facts ...runtime.Fact) error {
	s.count(facts)
	return s.Lease.Append(run, facts...)
}

// Note implements engine.Keeper.
func (s *Session) Note(run string, facts ...runtime.Fact) {
	s.count(facts)
	s.Lease.Note(run, facts...)
}

// Load implements engine.Keeper.
func (s *Session) Load(run string) ([]runtime.Fact, error) { return s.Lease.Load(run) }

func (s *Session) count(facts []runtime.Fact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range facts {
		s.meter.See(&facts[i])
	}
}

// Took is what the run took in all its lives.
func (s *Session) Took() story.Meter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meter
}

// Begin makes the record of a new run, with signals and facts that it is to find, and takes it: either all of them are kept or there is no run.
// The error is a *cli.SuspendedError when there was no room for more.
func Begin(s *badger.Store, r badger.Record, signals []Signal, inherited []Member) (*Session, error) {
	messages := make([]badger.Message, len(signals))
	for i, sig := range signals {
		messages[i] = badger.Message{Kind: SignalMessage, Name: sig.Name, Value: sig.Value}
	}
	taken := Signals(inherited)
	for sig, n := range taken { // they are kept too: who resumes the run leaves out as many as its facts name
		for range n {
			messages = append(messages, badger.Message{Kind: SignalMessage, Name: sig.Name, Value: runtime.Payload(sig.Value)})
		}
	}
	past := make([]badger.Past, len(inherited))
	for i, m := range inherited {
		past[i] = badger.Past(m)
	}
	if err := s.Begin(r, messages, past); err != nil {
		return nil, err
	}
	l, err := s.Lease(r.ID)
	if err != nil {
		return nil, Stalled(r.ID, err)
	}
	session := &Session{ID: r.ID, Store: s, Lease: l, taken: taken, again: len(messages) > 0}
	if len(inherited) > 0 {
		session.meter = took(inherited)
	}
	return session, nil
}

// Resume takes a run that has not ended. The error is a *badger.Held when another process goes on with it, and badger.ErrEnded when it has ended
// meanwhile.
func Resume(s *badger.Store, id string) (*Session, error) {
	l, err := s.Lease(id)
	if err != nil {
		return nil, err
	}
	family, err := Family(s, id)
	if err != nil {
		return nil, errors.Join(err, l.Release())
	}
	err = l.Update(func(r *badger.Record) { r.Status, r.Why = badger.Running, "" })
	if err != nil {
		return nil, errors.Join(err, l.Release())
	}
	return &Session{ID: id, Store: s, Lease: l, taken: Signals(family), again: true, meter: took(family)}, nil
}

// Take takes a run to end it, without going on with it. The errors are those of Resume.
func Take(s *badger.Store, id string) (*Session, error) {
	l, err := s.Lease(id)
	if err != nil {
		return nil, err
	}
	family, err := Family(s, id)
	if err != nil {
		return nil, errors.Join(err, l.Release())
	}
	return &Session{ID: id, Store: s, Lease: l, meter: took(family)}, nil
}

// Signal is a signal to a run.
type Signal struct {
	Name  string
	Value runtime.Payload
}

// Kinds of messages.
const (
	SignalMessage   = "signal"   // Name, Value
	DecisionMessage = "decision" // Run, Addr, Value: {choice, by, comment}
	CancelMessage   = "cancel"   // Value: {by}
	markMessage     = "mark"     // of the receiver itself: what was sent before it has been received
)

// Box is where messages to a run go.
type Box struct {
	Signals   *local.Signals
	Decisions *local.Decisions
	Cancel    func(why *runtime.Error)
	Stay      bool // the run waits for messages that were not sent yet
}

// Listen hands on what others send to the run, that which was sent before it returns included, until stop is called.
func (s *Session) Listen(ctx context.Context, b Box) (stop func(), err error) {
	mark := ""
	if s.again {
		mark = rand.Text()
		if err := s.Store.Send(s.ID, badger.Message{Kind: markMessage, Name: mark}); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	marked := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() {
			if mark != "" {
				close(marked)
			}
		}()
		for m := range s.Lease.Inbox(ctx) {
			if m.Kind != markMessage {
				s.take(m, &b)
				continue
			}
			_ = s.Lease.Ack(m) // else it comes again, and means nothing then
			if m.Name == mark {
				close(marked)
				mark = ""
			}
		}
	})
	if s.again {
		<-marked
	}
	if !b.Stay {
		b.Signals.Close()
		b.Decisions.Close()
	}
	return func() { cancel(); wg.Wait() }, nil
}

// take hands one message on. None is acknowledged: decisions belong to one address, where a fact says that they were taken, and of signals those
// that facts name are left out when they come again.
func (s *Session) take(m badger.Message, b *Box) {
	switch m.Kind {
	case SignalMessage:
		if t := (Taken{m.Name, string(m.Value)}); s.taken[t] > 0 {
			s.taken[t]--
			return
		}
		b.Signals.Send(m.Name, m.Value)
	case DecisionMessage:
		b.Decisions.Send(m.Run, m.Addr, m.Value)
	case CancelMessage:
		b.Cancel(Cancelled(m.Value))
	}
}

// Cancelled is the error of a run that somebody cancelled from elsewhere; by is {by}.
func Cancelled(by runtime.Payload) *runtime.Error {
	var who struct{ By string }
	e := runtime.ErrCancelled()
	if json.Unmarshal(by, &who) == nil && who.By != "" {
		e.Message = "cancelled by " + who.By
	}
	return e
}

// End says in the record how the run ended or why it is suspended, and lets others go on with it. The error says that this could not be kept:
// then the run is suspended.
func (s *Session) End(result runtime.Payload, err error) error {
	status, took := StatusOf(err), s.Took()
	lost := s.Lease.End(func(r *badger.Record) {
		r.Status, r.Result, r.Calls, r.Usage = status, result, took.Calls, took.Usage
		r.Error, _ = errors.AsType[*runtime.Error](err)
		if r.Why = ""; status == badger.Suspended {
			r.Why, r.Error = why(err), nil
		}
	})
	if lost != nil && status.Final() {
		_ = s.Lease.End(func(r *badger.Record) { r.Status, r.Why = badger.Suspended, lost.Error() }) // else it counts as lost, and can be resumed too
	}
	if err := s.Lease.Release(); lost == nil {
		lost = err
	}
	return lost
}

// why says what suspended a run, which others can send signals to.
func why(err error) string {
	if person, ok := errors.AsType[*engine.NeedsPerson](err); ok && person.Signal != "" {
		return fmt.Sprintf("it waits for the signal %q", person.Signal)
	}
	return err.Error()
}

// StatusOf says how a run stands that ended so.
func StatusOf(err error) badger.Status {
	e, ok := errors.AsType[*runtime.Error](err)
	switch {
	case err == nil:
		return badger.Done
	case !ok:
		return badger.Suspended
	case e.Code == runtime.Cancelled:
		return badger.Cancelled
	}
	return badger.Failed
}

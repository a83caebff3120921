package badger

import (
	"context"
	"errors"
)

// op is what a store can be asked.
type op uint8

const (
	opCreate  op = iota + 1 // Items: the record and what it needs
	opRecord                // Run may be a prefix
	opRecords               // Filter
	opRemove
	opFacts  // of Run, or with Tree of its child runs too
	opDamage // of the store
	opCount  // of facts, child runs included
	opLease
	opReclaim // after a hand-over
	opRelease
	opAppend // Items under Fence
	opUpdate // Items: the record and what it needs
	opSend   // Message
	opAck    // Message.Seq
	opWatch  // a stream of changes
	opInbox  // a stream of messages
	opGC
	opImport     // Items; First and Last
	opAnswer     // Items: the key
	opKeepAnswer // Items
	opMessages
)

// writes says that it is not for who only reads.
func (o op) writes() bool {
	switch o {
	case opRecord, opRecords, opFacts, opCount, opDamage, opWatch, opInbox, opAnswer, opMessages:
		return false
	default:
		return true
	}
}

func (o op) streams() bool { return o == opWatch || o == opInbox }

// request is what the owner of a store is asked, by itself and by other processes alike.
type request struct {
	ID     uint64
	Op     op
	Run    string
	Fence  uint64
	Tree   bool
	First  bool
	Last   bool
	Sync   bool
	Again  bool     // it may have been done already, by an owner that went away
	Facts  [][]byte // as they are stored
	Items  []item   // keys of the store
	Filter Filter
	Policy Retention
	Msg    Message
}

// answer is what comes back; to some requests more than one.
type answer struct {
	ID     uint64
	Fail   *failure
	Run    string
	Fence  uint64
	Count  int
	Items  []item
	Found  []found
	Freed  Freed
	Damage *Report
	Msg    Message
	Change change
}

// found is a record as it is stored, and who holds the run.
type found struct {
	Value  []byte
	Holder int
}

// backend answers requests: the disk for the owner, a link for everybody else.
type backend interface {
	// start is called once, before all else. lost is told when there is nobody to answer any more, and of what was not answered.
	start(lost func(backend, []*call))

	// send answers by calling reply once, from any goroutine; requests of writes are done in the order in which they are sent.
	// It gives false when there is nobody to answer: then nothing was called, and nothing will be.
	send(by *holder, r *request, reply func(*answer)) bool

	// stream hands over changes or messages until do is false, or ctx ends, or errLost.
	stream(ctx context.Context, r *request, do func(*answer) bool) error

	close() error
}

// errLost says that the owner is gone.
var errLost = errors.New("the owner of the store is gone")

// failure carries an error to another process.
type failure struct {
	Kind string
	Text string
	Run  string
	PID  int
	Path string
	Runs []string
	here error // the error itself, where it comes from this process
}

// sentinels are errors that mean the same on both sides.
func sentinels() map[string]error {
	return map[string]error{
		"not found": ErrNotFound, "exists": ErrExists, "fenced": ErrFenced, "ended": ErrEnded, "read only": ErrReadOnly, "closed": ErrClosed,
	}
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error()}
	if e, ok := errors.AsType[*Held](err); ok {
		f.Kind, f.Run, f.PID = "held", e.Run, e.By
	} else if e, ok := errors.AsType[*Full](err); ok {
		f.Kind, f.Path, f.Text = "full", e.Path, e.Err.Error()
	} else if e, ok := errors.AsType[*Ambiguous](err); ok {
		f.Kind, f.Run, f.Runs = "ambiguous", e.Prefix, e.Runs
	} else if e, ok := errors.AsType[*Corrupt](err); ok {
		f.Kind, f.Path, f.Text = "corrupt", e.Path, e.Why
	}
	for kind, sentinel := range sentinels() {
		if errors.Is(err, sentinel) {
			f.Kind = kind
		}
	}
	return f
}

func (f *failure) error() error {
	if f == nil {
		return nil
	}
	if f.here != nil {
		return f.here
	}
	switch f.Kind {
	case "held":
		return &Held{Run: f.Run, By: f.PID}
	case "full":
		return &Full{Path: f.Path, Err: errors.New(f.Text)}
	case "ambiguous":
		return &Ambiguous{Prefix: f.Run, Runs: f.Runs}
	case "corrupt":
		return &Corrupt{Path: f.Path, Why: f.Text}
	}
	return &far{text: f.Text, kind: sentinels()[f.Kind]}
}

// far is an error that happened to the owner of the store.
type far struct {
	text string
	kind error
}

func (e *far) Error() string { return e.text }
func (e *far) Unwrap() error { return e.kind }

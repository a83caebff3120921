package runtime

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Fact is one thing that is recorded of a run. All facts together are the run: a replay that is given them does the same.
// Facts of one address are told apart by Kind, those of one fork also by Seq; a fact written twice is one fact.
type Fact struct {
	Addr    Address
	Kind    FactKind
	Seq     int         // of Delivered: which delivery of the fork, from 0; of Counted: which count since the effect or fork at the address, from 0
	At      time.Time   // UTC
	Print   Fingerprint // of the request
	Request Payload     // of Begun and Counted, and of Done where nothing was recorded when it began: what was asked, as Request describes it
	Attempt int         // of Begun: the attempt about to be made; of Done: attempts made
	Until   time.Time   // of Begun: when waiting ends; zero means never; at address 0 when the budget of time ends, zero where it counts from At
	Index   int         // of Delivered: the branch
	After   int         // of Delivered and Stopped: how many branches the fork had delivered before
	Late    bool        // of Stopped: it was the fork's deadline
	Kept    []int       // of Stopped: the branches that had been delivered, as pairs of first and last
	Outcome Payload     // of Done, unless it failed; of Counted: the count
	Err     *Error      // of Done: what it ended in instead; of Delivered: what the branch failed of
	Usage   Usage       // of Done: what the call took, failed attempts included
}

// FactKind says what a fact tells of the effect or fork at its address.
type FactKind uint8

// Kinds of facts.
const (
	Begun     FactKind = iota + 1 // an effect or fork has begun
	Done                          // an effect has ended
	Delivered                     // a fork gave this branch's end to the script, when the order is not that of the input
	Stopped                       // a fork was cancelled; what was not delivered never runs again
	Counted                       // votes were counted behind the effect or fork at the address, 0 being the beginning of the branch; no replay needs it
)

// Fingerprint is the first half of the sha256 of a request. A replay that asks for something else has another one.
type Fingerprint [16]byte

// PrintOf gives the fingerprint of a request.
func PrintOf(request Payload) Fingerprint {
	sum := sha256.Sum256(request)
	return Fingerprint(sum[:16])
}

// Versions of encoded facts, which are their first byte. The later one is that of facts whose errors have a trace.
const (
	factVersion   = 1
	tracedVersion = 2
)

// Bounds of the frames of an error in an encoded fact.
const (
	maxTrace   = 10_000 // more are left out when the fact is written
	leastFrame = 3      // bytes
)

// Encode gives the fact as bytes.
func (f *Fact) Encode() []byte {
	w := factWriter{b: make([]byte, 0, 96+len(f.Request)+len(f.Outcome)), version: factVersion}
	if f.Err != nil && len(f.Err.Trace) > 0 {
		w.version = tracedVersion
	}
	w.b = append(w.b, w.version, byte(f.Kind))
	w.text(string(f.Addr.Path))
	w.int(int64(f.Addr.N))
	w.int(int64(f.Seq))
	w.time(f.At)
	w.b = append(w.b, f.Print[:]...)
	switch f.Kind {
	case Begun:
		w.text(string(f.Request))
		w.int(int64(f.Attempt))
		w.time(f.Until)
	case Done:
		w.text(string(f.Request))
		w.int(int64(f.Attempt))
		w.text(string(f.Outcome))
		w.failure(f.Err)
		w.usage(&f.Usage)
	case Delivered:
		w.int(int64(f.Index))
		w.int(int64(f.After))
		w.failure(f.Err)
	case Stopped:
		w.int(int64(f.After))
		w.flag(f.Late)
		w.int(int64(len(f.Kept)))
		for _, i := range f.Kept {
			w.int(int64(i))
		}
	case Counted:
		w.text(string(f.Request))
		w.text(string(f.Outcome))
	}
	return w.b
}

// DecodeFact reads what Encode wrote. Payloads of the fact are parts of b.
func DecodeFact(b []byte) (Fact, error) {
	if len(b) < 2 || b[0] != factVersion && b[0] != tracedVersion {
		return Fact{}, errors.New("this is no fact of this version")
	}
	r := factReader{b: b[2:], version: b[0]}
	f := Fact{Kind: FactKind(b[1])}
	f.Addr = Address{Path: Path(r.bytes()), N: int(r.int())}
	f.Seq = int(r.int())
	f.At = r.time()
	copy(f.Print[:], r.take(len(f.Print)))
	switch f.Kind {
	case Begun:
		f.Request, f.Attempt, f.Until = r.payload(), int(r.int()), r.time()
	case Done:
		f.Request, f.Attempt, f.Outcome = r.payload(), int(r.int()), r.payload()
		f.Err = r.failure()
		f.Usage = r.usage()
	case Delivered:
		f.Index, f.After = int(r.int()), int(r.int())
		f.Err = r.failure()
	case Stopped:
		f.After, f.Late = int(r.int()), r.flag()
		f.Kept = r.ints()
	case Counted:
		f.Request, f.Outcome = r.payload(), r.payload()
	default:
		return Fact{}, fmt.Errorf("there is no kind %d of facts", f.Kind)
	}
	if r.bad || len(r.b) > 0 {
		return Fact{}, errors.New("the fact is cut off, or goes on after its end")
	}
	if min(f.Addr.N, f.Seq, f.Attempt, f.Index, f.After) < 0 || !ascending(f.Kept) {
		return Fact{}, fmt.Errorf("the fact of %s has numbers that no run has", f.Addr)
	}
	return f, nil
}

// ascending says whether numbers are pairs of first and last, each behind the one before it.
func ascending(pairs []int) bool {
	for i, n := range pairs {
		if n < 0 || i > 0 && (n < pairs[i-1] || i%2 == 0 && n == pairs[i-1]) {
			return false
		}
	}
	return len(pairs)%2 == 0
}

// MaxBranches is how many branches a fork can have of which there is a record: far more than a machine can hold.
const MaxBranches = 1 << 24

// CheckFacts says what is wrong with the facts of a run as a whole: deliveries of which earlier ones are missing, and branches that their forks
// do not have. Whoever goes by facts that passed needs no more room and time than these facts themselves.
func CheckFacts(facts []Fact) error {
	forks := make(map[Address]int) // how many branches
	for i := range facts {
		f := &facts[i]
		n := BranchesOf(f.Request)
		if n > MaxBranches {
			return fmt.Errorf("the record of the run has a fork at %s of %d branches, which is more than any run can have", f.Addr, n)
		}
		if f.Kind == Begun {
			if n > 0 && !printed(f, n) {
				return fmt.Errorf("the record of the run has a fork at %s that is not the one that its fingerprint tells of", f.Addr)
			}
			forks[f.Addr] = n
		}
	}
	for i := range facts {
		f := &facts[i]
		if f.Kind == Delivered && (f.Seq < 0 || f.Seq >= len(facts)) {
			return fmt.Errorf("the record of the run has a gap: deliveries before number %d of the fork at %s are missing", f.Seq, f.Addr)
		}
		last := f.Index
		if len(f.Kept) > 0 {
			last = f.Kept[len(f.Kept)-1]
		}
		if n, ok := forks[f.Addr]; ok && (f.Kind == Delivered || f.Kind == Stopped && len(f.Kept) > 0) && (last < 0 || last >= n) {
			return fmt.Errorf("the record of the run has a branch %d of the fork at %s, which has %d branches", last, f.Addr, n)
		}
	}
	return nil
}

// printed says whether the fingerprint of a fork of n branches is its own: the names of branches are not in it.
func printed(f *Fact, n int) bool {
	if f.Print == PrintOf(f.Request) {
		return true
	}
	var fork struct{ Effect string }
	return json.Unmarshal(f.Request, &fork) == nil && f.Print == PrintOf(ForkRequest(fork.Effect, n))
}

// BranchesOf is how many branches a request of a fork asks for, as ForkRequest writes it, or some number above MaxBranches; 0 of other requests.
func BranchesOf(request Payload) int {
	rest, ok := bytes.CutPrefix(request, []byte(`{"branches":`))
	if !ok {
		return 0
	}
	n := 0
	for _, c := range rest {
		if c < '0' || c > '9' || n > MaxBranches {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// factWriter appends numbers as varints and texts with their length before them.
type factWriter struct {
	b       []byte
	version byte
}

func (w *factWriter) int(n int64) { w.b = binary.AppendVarint(w.b, n) }

func (w *factWriter) text(s string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *factWriter) flag(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *factWriter) time(t time.Time) {
	if w.flag(!t.IsZero()); !t.IsZero() {
		w.int(t.UnixNano())
	}
}

func (w *factWriter) failure(e *Error) {
	if w.flag(e != nil); e == nil {
		return
	}
	w.text(string(e.Code))
	w.text(e.Message)
	w.text(e.Hint)
	w.text(e.Agent)
	w.int(int64(e.Attempts))
	w.flag(e.Retryable)
	w.text(string(e.Details))
	if w.version == tracedVersion {
		frames := e.Trace[:min(len(e.Trace), maxTrace)]
		w.int(int64(len(frames)))
		for _, f := range frames {
			w.text(f.Func)
			w.text(f.Pos)
			w.text(string(f.Branch))
		}
	}
}

func (w *factWriter) usage(u *Usage) {
	if w.flag(*u != Usage{}); (*u == Usage{}) {
		return
	}
	for _, n := range []int64{u.InputTokens, u.OutputTokens, u.CachedTokens, u.ReasoningTokens, u.CostMicroUSD} {
		w.int(n)
	}
	w.text(u.Model)
}

// factReader reads what factWriter wrote; bad says that it could not.
type factReader struct {
	b       []byte
	version byte
	bad     bool
}

func (r *factReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, max(0, min(n, 64)))
	}
	got := r.b[:n:n]
	r.b = r.b[n:]
	return got
}

func (r *factReader) int() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *factReader) bytes() []byte {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > uint64(len(r.b)-size) {
		r.bad, r.b = true, nil
		return nil
	}
	r.b = r.b[size:]
	return r.take(int(n))
}

func (r *factReader) payload() Payload {
	if p := r.bytes(); len(p) > 0 {
		return p
	}
	return nil
}

func (r *factReader) flag() bool { b := r.take(1); return len(b) > 0 && b[0] == 1 }

func (r *factReader) time() time.Time {
	if !r.flag() {
		return time.Time{}
	}
	return time.Unix(0, r.int()).UTC()
}

func (r *factReader) failure() *Error {
	if !r.flag() {
		return nil
	}
	e := &Error{Code: Code(r.bytes()), Message: string(r.bytes()), Hint: string(r.bytes()), Agent: string(r.bytes())}
	e.Attempts, e.Retryable = int(r.int()), r.flag()
	e.Details = r.payload()
	if r.version == tracedVersion {
		e.Trace = r.trace()
	}
	return e
}

// trace reads frames. What it takes grows with what is there: the number before them may be a lie.
func (r *factReader) trace() []Frame {
	n := r.int()
	if n <= 0 || n > maxTrace || n > int64(len(r.b)/leastFrame) {
		r.bad = true
		return nil
	}
	var list []Frame
	for len(list) < int(n) && !r.bad {
		list = append(list, Frame{Func: string(r.bytes()), Pos: string(r.bytes()), Branch: Path(r.bytes())})
	}
	return list
}

func (r *factReader) usage() (u Usage) {
	if !r.flag() {
		return u
	}
	for _, n := range []*int64{&u.InputTokens, &u.OutputTokens, &u.CachedTokens, &u.ReasoningTokens, &u.CostMicroUSD} {
		*n = r.int()
	}
	u.Model = string(r.bytes())
	return u
}

// ints reads numbers that are pairs of first and last. It stops at the first that cannot be.
func (r *factReader) ints() []int {
	n := r.int()
	if n < 0 || n > 2*MaxBranches || n > int64(len(r.b)) {
		r.bad = true
		return nil
	}
	list := []int{}
	for len(list) < int(n) && !r.bad {
		i := int(r.int())
		r.bad = r.bad || i < 0 || len(list) > 0 && i < list[len(list)-1]
		list = append(list, i)
	}
	return list
}

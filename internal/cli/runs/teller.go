package runs

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/runtime"
)

// teller makes the events of a run out of what is kept of it, so that a run of another process can be shown as if it were one's own. Facts are
// told in their order. Nothing is kept of what agents say before they answer, of pauses between attempts, nor of when a branch ended: branches
// end here when the script gets the end of one, or goes on behind the fork.
type teller struct {
	emit func(runtime.Event)
	seq  uint64
	runs map[string]*trunk
}

// trunk is one run as far as it was told.
type trunk struct {
	run   string
	name  string
	began bool
	over  bool
	forks map[runtime.Path][]*fork // not over, by the branch in which they are
	open  map[runtime.Address]*asked
}

// fork is one that is not over.
type fork struct {
	at     runtime.Address
	asked  *asked
	status map[int]status // of the branches that did something
	kept   []int          // of one that was stopped: the branches that count, as pairs of first and last
	cut    bool           // it was stopped, or its run was
}

type status uint8

const (
	going status = iota + 1
	over
)

// asked is what is read of a request.
type asked struct {
	Effect   string          `json:"effect"`
	Agent    string          `json:"agent"`
	Task     string          `json:"task"`
	Input    runtime.Payload `json:"input"`
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	By       string          `json:"by"`
	Options  []string        `json:"options"`
	Context  runtime.Payload `json:"context"`
	Pattern  string          `json:"pattern"`
	Inputs   runtime.Payload `json:"inputs"`
	Data     runtime.Payload `json:"data"`
	For      string          `json:"for"`
	Timeout  string          `json:"timeout"`
	Branches int             `json:"branches"`
	Labels   []string        `json:"labels"`
	attempt  int
}

func newTeller(emit func(runtime.Event)) *teller {
	return &teller{emit: emit, runs: make(map[string]*trunk)}
}

func (t *teller) trunk(run string) *trunk {
	k := t.runs[run]
	if k == nil {
		k = &trunk{run: run, forks: make(map[runtime.Path][]*fork), open: make(map[runtime.Address]*asked)}
		t.runs[run] = k
	}
	return k
}

func (t *teller) tell(k *trunk, at time.Time, e runtime.Event) {
	t.seq++
	e.Seq, e.Run, e.At = t.seq, k.run, at
	t.emit(e)
}

// start tells that the run itself has begun.
func (t *teller) start(r *badger.Record) {
	k := t.trunk(r.ID)
	if k.began {
		return
	}
	k.began = true
	t.tell(k, r.Started, runtime.Event{Kind: runtime.RunStarted, Name: cmp.Or(r.Name, r.Pattern), Value: r.Inputs})
}

// end tells how the run stands that does not go on.
func (t *teller) end(r *badger.Record) {
	k := t.trunk(r.ID)
	at := r.Ended
	if at.IsZero() {
		at = time.Now().UTC()
	}
	if r.Status.Final() {
		t.close(k, at, r.Status != badger.Done)
	}
	switch r.Status {
	case badger.Done:
		t.tell(k, at, runtime.Event{Kind: runtime.RunDone, Value: r.Result})
	case badger.Failed, badger.Cancelled:
		t.tell(k, at, runtime.Event{Kind: runtime.RunFailed, Error: r.Error})
	case badger.Suspended, badger.Lost:
		t.tell(k, at, runtime.Event{Kind: runtime.RunSuspended, Text: cmp.Or(r.Why, string(r.Status))})
	case badger.Running:
	}
}

// close ends what is open in a run that has ended; cut says that it did not come to its end.
func (t *teller) close(k *trunk, at time.Time, cut bool) {
	for _, path := range sortedPaths(k.forks) {
		for _, f := range slices.Clone(k.forks[path]) {
			f.cut = f.cut || cut
			t.endFork(k, f, at)
		}
	}
	t.cancel(k, "", at)
	k.over = true
}

func sortedPaths(forks map[runtime.Path][]*fork) []runtime.Path {
	paths := make([]runtime.Path, 0, len(forks))
	for p := range forks {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, func(a, b runtime.Path) int { return cmp.Or(-cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return paths
}

// fact tells one fact.
func (t *teller) fact(run string, f *runtime.Fact) {
	k := t.trunk(run)
	if f.Addr == (runtime.Address{}) {
		if !k.began {
			k.began = true
			t.tell(k, f.At, runtime.Event{Kind: runtime.RunStarted, Name: k.name})
		}
		return
	}
	if k.over || !k.alive(f.Addr.Path) {
		return // it came too late to count
	}
	t.arrive(k, f.Addr, f.At)
	switch f.Kind {
	case runtime.Begun:
		t.begun(k, f)
	case runtime.Done:
		t.done(k, f)
	case runtime.Delivered:
		t.delivered(k, f)
	case runtime.Stopped:
		t.stopped(k, f)
	case runtime.Counted: // nobody is told of it while the run goes on
	}
}

// arrive tells what follows from something happening at an address: forks before it are over, branches around it have begun.
func (t *teller) arrive(k *trunk, at runtime.Address, when time.Time) {
	if up, i, ok := parentOf(at.Path); ok {
		t.arrive(k, up, when)
		if f := k.fork(up); f != nil && f.status[i] == 0 {
			t.beginBranch(k, f, i, when)
		}
	}
	for _, f := range slices.Clone(k.forks[at.Path]) {
		if f.at.N < at.N {
			t.endFork(k, f, when)
		}
	}
}

func (t *teller) beginBranch(k *trunk, f *fork, i int, at time.Time) {
	f.status[i] = going
	e := runtime.Event{Kind: runtime.BranchStarted, Addr: f.at, Branch: f.at.Path.Child(f.at.N, i), N: i}
	if i < len(f.asked.Labels) {
		e.Text = f.asked.Labels[i]
	}
	t.tell(k, at, e)
}

// alive says whether a branch and those around it go on.
func (k *trunk) alive(path runtime.Path) bool {
	up, i, ok := parentOf(path)
	if !ok {
		return true
	}
	f := k.fork(up)
	return f != nil && f.status[i] != over && k.alive(up.Path)
}

func (k *trunk) fork(at runtime.Address) *fork {
	for _, f := range k.forks[at.Path] {
		if f.at == at {
			return f
		}
	}
	return nil
}

// endFork ends a fork and all that is in it.
func (t *teller) endFork(k *trunk, f *fork, at time.Time) {
	for i := range f.asked.Branches {
		if f.status[i] == 0 && (!f.cut || within(f.kept, i)) { // it did nothing but compute
			t.beginBranch(k, f, i, at)
		}
		if f.status[i] == going {
			t.endBranch(k, f, i, at, runtime.Event{Kind: runtime.BranchDone})
		}
	}
	left := slices.DeleteFunc(k.forks[f.at.Path], func(o *fork) bool { return o == f })
	if k.forks[f.at.Path] = left; len(left) == 0 {
		delete(k.forks, f.at.Path)
	}
	t.tell(k, at, runtime.Event{Kind: runtime.ForkEnded, Addr: f.at, Branch: f.at.Path, Name: f.asked.Effect})
}

// endBranch ends a branch and what is open in it.
func (t *teller) endBranch(k *trunk, f *fork, i int, at time.Time, e runtime.Event) {
	path := f.at.Path.Child(f.at.N, i)
	f.status[i] = over
	for _, p := range sortedPaths(k.forks) {
		if below(p, path) {
			for _, inner := range slices.Clone(k.forks[p]) {
				inner.cut = inner.cut || e.Kind == runtime.BranchCancelled
				t.endFork(k, inner, at)
			}
		}
	}
	if t.cancel(k, path, at) > 0 && e.Kind == runtime.BranchDone {
		e.Kind = runtime.BranchCancelled
	}
	e.Addr, e.Branch, e.N = f.at, path, i
	t.tell(k, at, e)
}

// cancel ends the calls that are open in a branch and below.
func (t *teller) cancel(k *trunk, path runtime.Path, at time.Time) int {
	var list []runtime.Address
	for addr := range k.open {
		if below(addr.Path, path) {
			list = append(list, addr)
		}
	}
	slices.SortFunc(list, runtime.Address.Compare)
	for _, addr := range list {
		a := k.open[addr]
		delete(k.open, addr)
		switch a.Effect {
		case "agent":
			t.tell(k, at, runtime.Event{Kind: runtime.AgentCancelled, Addr: addr, Branch: addr.Path, Agent: a.Agent, N: a.attempt})
		case "run":
			child := t.trunk(k.run + "/" + addr.String())
			t.close(child, at, true)
			t.tell(k, at, runtime.Event{Kind: runtime.ChildEnded, Addr: addr, Branch: addr.Path, Name: a.Pattern, Text: child.run, Error: runtime.ErrCancelled()})
		}
	}
	return len(list)
}

// below says whether a branch is another one, or is in it.
func below(p, other runtime.Path) bool {
	return other == "" || p == other || strings.HasPrefix(string(p), string(other)+".")
}

// parentOf gives the fork of a branch and its index there.
func parentOf(path runtime.Path) (fork runtime.Address, index int, ok bool) {
	parts := strings.Split(string(path), ".")
	if len(parts) < 2 {
		return fork, 0, false
	}
	n, err := strconv.Atoi(parts[len(parts)-2])
	index, wrong := strconv.Atoi(parts[len(parts)-1])
	return runtime.Address{Path: runtime.Path(strings.Join(parts[:len(parts)-2], ".")), N: n}, index, err == nil && wrong == nil
}

func read(p runtime.Payload) *asked {
	a := &asked{}
	_ = json.Unmarshal(p, a) // what cannot be read stays untold
	return a
}

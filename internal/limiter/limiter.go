// Package limiter holds calls to agents to limits that all processes of a user share: how many may be under way at a time, how many may
// begin in a span of time, and whom nobody should call for a while, because it asked for a pause or because it is down.
//
// There is no daemon. Each limit is a small directory of files: a slot is a file that a process has locked for as long as its call takes,
// so that the kernel gives it back even after a SIGKILL; the rest is one line of text that is changed under a lock held for microseconds.
// A line that is torn or not ours is read as empty. Where there is no directory to write to, limits hold within the process alone.
//
// A call goes through the gates of its limits one after the other: a gate lets one call of a process at a time contend with those of
// other processes, in the order in which they came.
package limiter

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Kind says whose limit it is.
type Kind string

// Kinds of limits.
const (
	Agent    Kind = "agent"
	Provider Kind = "provider"
)

// Limit is what calls to one agent or one provider are held to. A field at zero bounds nothing.
type Limit struct {
	Kind        Kind
	Name        string // as people know it
	Identity    string // limits of one kind, name and identity are one in all processes
	Concurrency int    // calls under way at a time
	Rate        Rate
}

// Label names the limit for people.
func (l *Limit) Label() string { return string(l.Kind) + " " + l.Name }

// Rate is how many calls may begin. The zero Rate bounds nothing.
type Rate struct {
	Calls int // in the span Per
	Per   time.Duration
	Burst int // calls that may begin at once after a rest; zero means one
}

// interval is the time between two calls at the full rate.
func (r Rate) interval() time.Duration {
	if r.Calls <= 0 {
		return 0
	}
	return max(r.Per/time.Duration(r.Calls), 1)
}

func (r Rate) burst() int { return max(r.Burst, 1) }

func (r Rate) String() string {
	unit := r.Per.String()
	if u, ok := map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h"}[r.Per]; ok {
		unit = u
	}
	return fmt.Sprintf("%d/%s", r.Calls, unit)
}

// Options configure Limits.
type Options struct {
	Dir string           // where processes meet; "" means that limits hold within this process alone
	Log *slog.Logger     // nil discards
	Now func() time.Time // nil means time.Now
}

// Limits are the limits that one process meets.
type Limits struct {
	dir string
	log *slog.Logger
	now func() time.Time

	alone sync.Once // to say that limits are not shared

	mu    sync.Mutex
	gates map[string]*gate // by name of the directory
}

// New makes Limits. It opens no file; the first call to something that has a limit does.
func New(o Options) *Limits {
	l := &Limits{dir: o.Dir, log: o.Log, now: o.Now, gates: make(map[string]*gate)}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l
}

// gate finds or makes the gate of a limit.
func (l *Limits) gate(lim Limit) *gate {
	name := lim.directory()
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gates[name]
	if g == nil {
		p := l.place(name)
		g = &gate{Limit: lim, now: l.now, slots: slots{place: p, now: l.now, most: lim.Concurrency}, page: page{place: p}}
		l.gates[name] = g
	}
	return g
}

func (l *Limits) place(name string) *place {
	if l.dir == "" {
		return &place{lost: l.notShared}
	}
	return &place{path: filepath.Join(l.dir, name), now: l.now, lost: l.notShared}
}

// notShared tells once that limits hold within this process alone.
func (l *Limits) notShared(why error) {
	l.alone.Do(func() {
		l.log.Warn("limits of agents are not shared with other processes", slog.String("error", why.Error()))
	})
}

// directory is the name of the limit's directory. The path of a project and such are not told in it.
func (l *Limit) directory() string {
	return string(l.Kind) + "-" + fileName(l.Name) + "-" + digest(string(l.Kind), l.Name, l.Identity)
}

// digest is a short name for some strings.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%q", p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// fileName makes a name fit for all file systems.
func fileName(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, strings.ToLower(name))
	return safe[:min(len(safe), 60)]
}

package badger

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// link is the store as a process has it that does not own it.
type link struct {
	dir     string
	version string
	self    *holder
	wire    *wire
	out     queue[*request]
	wg      sync.WaitGroup
	owner   int           // its process id
	ended   chan struct{} // is closed when it is gone

	mu   sync.Mutex
	last uint64
	open map[uint64]*call // nil when the owner is gone
}

// dial greets the owner.
func dial(ctx context.Context, dir, version string, self *holder) (*link, error) {
	path := socketOf(dir)
	if path == "" {
		return nil, errLost
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	l := &link{dir: dir, version: version, self: self, wire: newWire(conn), open: make(map[uint64]*call), ended: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	other, err := l.wire.greet(greeting{Protocol: protocol, Version: version, Holder: *self})
	if !stop() || err != nil {
		return nil, errors.Join(errLost, err, conn.Close())
	}
	if other.Protocol != protocol {
		return nil, errors.Join(&Mixed{Dir: dir, Version: other.Version, PID: other.Holder.PID}, conn.Close())
	}
	l.owner = other.Holder.PID
	return l, nil
}

// start implements backend: it reads and writes until the owner is gone.
func (l *link) start(lost func(backend, []*call)) {
	said := make(chan struct{})
	l.wg.Go(func() {
		defer close(said)
		if sayAll(l.wire, &l.out) != nil {
			l.wire.conn.Close()
		}
	})
	l.wg.Go(func() {
		for {
			a := new(answer)
			if err := l.wire.dec.Decode(a); err != nil {
				break
			}
			l.answered(a)
		}
		l.wire.conn.Close()
		l.out.close()
		<-said // the requests are nobody else's then
		close(l.ended)
		lost(l, l.end())
	})
}

func (l *link) answered(a *answer) {
	l.mu.Lock()
	c := l.open[a.ID]
	delete(l.open, a.ID)
	l.mu.Unlock()
	if c != nil {
		c.reply(a)
	}
}

// waiting is how long the first of the calls that are open has waited; 0 when there is none.
func (l *link) waiting() (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		longest = max(longest, time.Since(c.sent))
	}
	return longest
}

// end gives the calls that are open, in their order, and takes no more.
func (l *link) end() []*call {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := slices.Collect(maps.Values(l.open))
	slices.SortFunc(open, func(a, b *call) int { return cmp.Compare(a.r.ID, b.r.ID) })
	l.open = nil
	return open
}

// send implements backend.
func (l *link) send(_ *holder, r *request, reply func(*answer)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		return false
	}
	l.last++
	r.ID = l.last
	l.open[r.ID] = &call{r: r, reply: reply, sent: time.Now()}
	l.out.push(r)
	return true
}

// stream implements backend, on a connection of its own.
func (l *link) stream(ctx context.Context, r *request, do func(*answer) bool) error {
	other, err := dial(ctx, l.dir, l.version, l.self)
	if err != nil {
		return errors.Join(errLost, err)
	}
	defer other.wire.conn.Close()
	defer context.AfterFunc(ctx, func() { other.wire.conn.Close() })()
	if err := other.wire.say(r); err != nil {
		return errLost
	}
	for {
		a := new(answer)
		if err := other.wire.dec.Decode(a); err != nil {
			return errLost
		}
		if a.Fail != nil {
			return a.Fail.error()
		}
		if !do(a) {
			return nil
		}
	}
}

// close implements backend.
func (l *link) close() error {
	err := l.wire.conn.Close()
	l.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

package badger

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// owner is a disk that other processes may use through the socket.
type owner struct {
	*disk
	version  string
	self     *holder
	listener net.Listener
	ctx      context.Context //nolint:containedctx // ends with the owner, for the streams that it serves
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	mu       sync.Mutex
	wires    map[*wire]bool
}

func openOwner(dir string, o Options) (backend, error) {
	d, err := openDisk(dir, o)
	if err != nil {
		return nil, err
	}
	l, err := listen(dir)
	if err != nil {
		return nil, errors.Join(failed(dir, err), d.close())
	}
	self := newHolder()
	own := &owner{disk: d, version: o.Version, self: &self, listener: l, wires: make(map[*wire]bool)}
	own.ctx, own.cancel = context.WithCancel(context.Background())
	return own, nil
}

// start implements backend: an owner is not lost.
func (o *owner) start(func(backend, []*call)) { o.wg.Go(o.accept) }

// send implements backend.
func (o *owner) send(by *holder, r *request, reply func(*answer)) bool {
	o.do(by, r, reply)
	return true
}

func (o *owner) accept() {
	for {
		conn, err := o.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files, say
			select {
			case <-o.ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		w := newWire(conn)
		o.mu.Lock()
		o.wires[w] = true
		o.mu.Unlock()
		o.wg.Go(func() { o.serve(w) })
	}
}

// serve answers one connection until it ends.
func (o *owner) serve(w *wire) {
	defer w.conn.Close()
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.wires, w)
	}()
	other, err := w.greet(greeting{Protocol: protocol, Version: o.version, Holder: *o.self})
	if err != nil || other.Protocol != protocol || o.ctx.Err() != nil {
		return
	}
	var out queue[*answer]
	var wg sync.WaitGroup
	wg.Go(func() {
		if sayAll(w, &out) != nil {
			w.conn.Close()
		}
	})
	o.requests(w, &other.Holder, &out)
	wg.Wait()
}

// requests reads until the other side ends, and closes out when all is answered.
func (o *owner) requests(w *wire, by *holder, out *queue[*answer]) {
	var open sync.WaitGroup
	ctx, cancel := context.WithCancel(o.ctx)
	for {
		r := new(request)
		if err := w.dec.Decode(r); err != nil {
			break
		}
		if r.Op.streams() {
			open.Go(func() { o.feed(ctx, w, r, out) })
			continue
		}
		open.Add(1)
		o.do(by, r, func(a *answer) {
			out.push(a)
			open.Done()
		})
	}
	cancel()
	open.Wait()
	out.close()
}

// feed sends a stream. It is the only thing that happens on its connection, and ends it.
func (o *owner) feed(ctx context.Context, w *wire, r *request, out *queue[*answer]) {
	err := o.stream(ctx, r, func(a *answer) bool { return w.say(a) == nil })
	if err != nil && !errors.Is(err, errLost) {
		_ = w.say(&answer{Fail: failureOf(err)})
	}
	_ = w.conn.SetReadDeadline(time.Now()) // the reader ends
	out.close()
}

// close implements backend. Whoever had sent something gets its answer.
func (o *owner) close() error {
	err := o.listener.Close()
	o.cancel()
	o.mu.Lock()
	for w := range o.wires {
		_ = w.conn.SetReadDeadline(time.Now())
		_ = w.conn.SetWriteDeadline(time.Now().Add(time.Second))
	}
	o.mu.Unlock()
	o.wg.Wait()
	clearSocket(o.dir)
	return errors.Join(err, o.disk.close())
}

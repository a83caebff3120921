package trace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// maxBytes is how much the spans of a queue may weigh, about.
const maxBytes = 32 << 20

// Queue exports spans in the background, many at a time. Whoever puts spans never waits: what comes when it is full is lost, and counted.
type Queue struct {
	client   otlptrace.Client
	resource *resourcepb.Resource
	version  string
	most     int           // spans that may wait
	batch    int           // spans in one request
	delay    time.Duration // how long spans gather before they leave
	wake     chan struct{}
	closing  chan struct{}
	done     chan struct{}
	abort    context.CancelFunc

	mu    sync.Mutex
	spans []*tracepb.Span
	bytes int
	lost  int
	cause error
}

// Put implements Sink.
func (q *Queue) Put(spans ...*tracepb.Span) {
	bytes := 0
	for _, s := range spans {
		bytes += weight(s)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.spans) >= q.most || q.bytes >= maxBytes {
		q.lost += len(spans)
		if q.cause == nil {
			q.cause = errors.New("they came faster than they could be sent")
		}
		return
	}
	q.spans = append(q.spans, spans...)
	q.bytes += bytes
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// weight is about how many bytes a span takes.
func weight(s *tracepb.Span) int {
	n := 256
	for _, kv := range s.GetAttributes() {
		n += 64 + len(kv.GetValue().GetStringValue())
	}
	for _, e := range s.GetEvents() {
		n += 128
		for _, kv := range e.GetAttributes() {
			n += 64 + len(kv.GetValue().GetStringValue())
		}
	}
	return n
}

// Close sends what waits, for no longer than patience, and says what was lost. It is called once.
func (q *Queue) Close(ctx context.Context, patience time.Duration) error {
	late := time.AfterFunc(patience, q.abort)
	defer late.Stop()
	close(q.closing)
	<-q.done
	q.abort()
	_ = q.client.Stop(context.WithoutCancel(ctx))
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost += len(q.spans)
	if q.lost == 0 {
		return nil
	}
	return &Lost{Spans: q.lost, Cause: q.cause}
}

// Lost says that spans could not be exported.
type Lost struct {
	Spans int
	Cause error
}

func (e *Lost) Error() string {
	return fmt.Sprintf("%d spans were lost: %v", e.Spans, e.Cause)
}

func (e *Lost) Unwrap() error { return e.Cause }

// run sends batches until the queue is closed and empty, or ctx ends.
func (q *Queue) run(ctx context.Context) {
	defer close(q.done)
	for {
		select {
		case <-q.wake:
			q.gather()
		case <-q.closing:
		}
		for {
			batch := q.take()
			if len(batch) == 0 {
				break
			}
			if !q.send(ctx, batch) {
				return
			}
		}
		if q.isClosing() {
			return
		}
	}
}

// gather lets more spans come.
func (q *Queue) gather() {
	t := time.NewTimer(q.delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.closing:
	}
}

func (q *Queue) isClosing() bool {
	select {
	case <-q.closing:
		return true
	default:
		return false
	}
}

func (q *Queue) take() []*tracepb.Span {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(q.batch, len(q.spans))
	batch := q.spans[:n:n]
	q.spans = q.spans[n:]
	if len(q.spans) == 0 {
		q.spans = nil
	}
	for _, s := range batch {
		q.bytes -= weight(s)
	}
	return batch
}

// tries is how often a batch is sent to a receiver that is not there.
const tries = 4

// send sends a batch, and says whether there is sense in sending more. The client asks again where the receiver says that it may.
func (q *Queue) send(ctx context.Context, batch []*tracepb.Span) bool {
	for try := 1; ; try++ {
		err := q.client.UploadTraces(ctx, q.packed(batch))
		if err == nil {
			return true
		}
		if n, ok := refused(err); ok {
			q.lose(n, err)
			return true
		}
		last := q.isClosing()
		if absent(err) && !last && try < tries && q.pause(time.Duration(try)*time.Second) {
			continue
		}
		q.lose(len(batch), err)
		return !last
	}
}

func (q *Queue) lose(n int, why error) {
	if n == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost += n
	q.cause = why
}

// refused says how many spans of a batch that arrived the receiver did not take. The client tells it in words only.
func refused(err error) (n int, ok bool) {
	said := err.Error()
	i := strings.LastIndexByte(said, '(')
	if i < 0 || !strings.Contains(said, "OTLP partial success") {
		return 0, false
	}
	_, _ = fmt.Sscanf(said[i:], "(%d", &n)
	return n, true
}

// pause waits before the next try; it is cut short when the queue is closed.
func (q *Queue) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.closing:
	}
	return true
}

// absent says that nobody listens: the batch has not arrived, and may be sent again.
func absent(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

func (q *Queue) packed(batch []*tracepb.Span) []*tracepb.ResourceSpans {
	return []*tracepb.ResourceSpans{{
		Resource: q.resource,
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: scope, Version: q.version}, Spans: batch,
		}},
	}}
}

// Package otlp is a receiver of OpenTelemetry traces, for tests.
package otlp

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Receiver takes traces, over HTTP or gRPC. The zero value is ready.
type Receiver struct {
	collectorpb.UnimplementedTraceServiceServer

	mu       sync.Mutex
	received []*tracepb.ResourceSpans
	headers  []http.Header
	bytes    []byte
}

// Start serves the receiver over HTTP and gives its address.
func Start(t *testing.T) (r *Receiver, url string) {
	t.Helper()
	r = &Receiver{}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return r, s.URL
}

// StartGRPC serves the receiver over gRPC and gives its address.
func StartGRPC(t *testing.T) (r *Receiver, url string) {
	t.Helper()
	r = &Receiver{}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(s, r)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return r, "http://" + l.Addr().String()
}

// ServeHTTP takes a request of OTLP/HTTP in protobuf.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "this is no request of OTLP/HTTP: "+req.Method+" "+req.URL.Path, http.StatusBadRequest)
		return
	}
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var export collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &export); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.take(&export, req.Header, raw)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// Export implements the service of OTLP/gRPC.
func (r *Receiver) Export(_ context.Context, req *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	raw, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	r.take(req, nil, raw)
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func (r *Receiver) take(req *collectorpb.ExportTraceServiceRequest, h http.Header, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, req.GetResourceSpans()...)
	r.headers = append(r.headers, h)
	r.bytes = append(r.bytes, raw...)
}

// Spans are all that have come.
func (r *Receiver) Spans() []*tracepb.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var spans []*tracepb.Span
	for _, rs := range r.received {
		for _, ss := range rs.GetScopeSpans() {
			spans = append(spans, ss.GetSpans()...)
		}
	}
	return spans
}

// Resource is who sent the first of them.
func (r *Receiver) Resource() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.received) == 0 {
		return nil
	}
	return Texts(r.received[0].GetResource().GetAttributes())
}

// Header is that of the first request.
func (r *Receiver) Header() http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.headers) == 0 {
		return nil
	}
	return r.headers[0]
}

// Bytes are all requests, one behind the other, as they came.
func (r *Receiver) Bytes() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.bytes)
}

// Texts are the attributes that are texts.
func Texts(list []*commonpb.KeyValue) map[string]string {
	all := make(map[string]string)
	for _, kv := range list {
		if s := kv.GetValue().GetStringValue(); s != "" {
			all[kv.GetKey()] = s
		}
	}
	return all
}

// Attr is an attribute of a span, nil when it has none of that name.
func Attr(s *tracepb.Span, key string) *commonpb.AnyValue {
	i := slices.IndexFunc(s.GetAttributes(), func(kv *commonpb.KeyValue) bool { return kv.GetKey() == key })
	if i < 0 {
		return nil
	}
	return s.GetAttributes()[i].GetValue()
}

// Tree requires that spans are one tree: all of one trace, none twice, every parent there, and each within the time of its parent. It gives the way
// from the root to each, sorted; names tell one span from another of the same name.
func Tree(t *testing.T, spans []*tracepb.Span, why string, names ...string) []string {
	t.Helper()
	all := make(map[string]*tracepb.Span)
	for _, s := range spans {
		id := hex.EncodeToString(s.GetSpanId())
		require.Len(t, s.GetTraceId(), 16, "%s", why)
		require.Len(t, s.GetSpanId(), 8, "%s", why)
		require.NotContains(t, all, id, "%s: %q came twice", why, s.GetName())
		require.Equal(t, spans[0].GetTraceId(), s.GetTraceId(), "%s: %q is of another trace", why, s.GetName())
		require.NotZero(t, s.GetStartTimeUnixNano(), "%s: %q has no start", why, s.GetName())
		require.GreaterOrEqual(t, s.GetEndTimeUnixNano(), s.GetStartTimeUnixNano(), "%s: %q", why, s.GetName())
		all[id] = s
	}
	ways := make(map[string]string)
	var way func(s *tracepb.Span) string
	way = func(s *tracepb.Span) string {
		id := hex.EncodeToString(s.GetSpanId())
		if w, ok := ways[id]; ok {
			return w
		}
		w := called(s, names)
		if len(s.GetParentSpanId()) > 0 {
			up := all[hex.EncodeToString(s.GetParentSpanId())]
			require.NotNil(t, up, "%s: the parent of %q did not come", why, w)
			require.LessOrEqual(t, up.GetStartTimeUnixNano(), s.GetStartTimeUnixNano(), "%s: %q begins before %q, in which it is", why, w, up.GetName())
			require.GreaterOrEqual(t, up.GetEndTimeUnixNano(), s.GetEndTimeUnixNano(), "%s: %q ends after %q, in which it is", why, w, up.GetName())
			w = way(up) + " > " + w
		}
		ways[id] = w
		return w
	}
	roots := 0
	for _, s := range all {
		if way(s); len(s.GetParentSpanId()) == 0 {
			roots++
		}
	}
	require.Equal(t, 1, roots, "%s: a tree has one root", why)
	return slices.Sorted(maps.Values(ways))
}

func called(s *tracepb.Span, names []string) string {
	parts := []string{s.GetName()}
	for _, n := range names {
		if v := Attr(s, n).GetStringValue(); v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, " ")
}

// Package modelserver is a small model provider for tests and demonstrations: an HTTP server that speaks the OpenAI chat
// completions format and the Anthropic messages format around a real n-gram language model, which is trained at start-up.
//
// Log-probabilities, temperature, top_p, seeds, stop sequences, token counts and streams are true to that model; answers to
// a JSON Schema are drawn from the model where the schema leaves a choice. Faults come on demand: by Options.Script, by the
// X-Model-Fault header, or by the model's name ("ngram-4+rate_limit=2s").
//
//	srv := modelserver.New(modelserver.Options{Key: "secret"})
//	web := httptest.NewServer(srv)
//	defer web.Close()
//	client := openai.NewClient(option.WithBaseURL(web.URL+"/v1"), option.WithAPIKey("secret"))
package modelserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a Server. The zero value learns from the built-in text and lets everybody in.
type Options struct {
	Texts  []string // what to learn from, documents separated by blank lines; nil means the built-in text
	Key    string   // the API key to ask for; "" asks for none
	Models []string // further names for the largest model, beside "ngram-1" to "ngram-4"
	Script []Fault  // what happens to the first requests, in order of arrival
	Seed   uint64   // where answers to requests without a seed begin
}

// Server is an http.Handler. It is safe for concurrent use.
type Server struct {
	key    string
	model  *Model
	models []string
	mux    *http.ServeMux

	mu       sync.Mutex
	script   []Fault
	requests []Request
	seed     uint64
	held     int
	left     int
	changed  chan struct{} // closed and replaced when held or left changes
	release  chan struct{} // closed and replaced by Release
}

// Request is a request for an answer as the server saw it.
type Request struct {
	Path   string
	Header http.Header
	Body   []byte
}

// New trains a model and serves it.
func New(o Options) *Server {
	texts := o.Texts
	if texts == nil {
		texts = []string{corpus}
	}
	s := &Server{
		key: o.Key, model: Train(texts...), seed: o.Seed, script: slices.Clone(o.Script),
		changed: make(chan struct{}), release: make(chan struct{}), mux: http.NewServeMux(),
	}
	for n := Order; n > 0; n-- {
		s.models = append(s.models, fmt.Sprintf("ngram-%d", n))
	}
	s.models = append(s.models, o.Models...)
	s.mux.HandleFunc("GET /v1/models", s.listModels)
	s.mux.HandleFunc("POST /v1/chat/completions", s.answering(openAI{}))
	s.mux.HandleFunc("POST /v1/messages", s.answering(anthropic{}))
	return s
}

// Model is the largest model.
func (s *Server) Model() *Model { return s.model }

// ServeHTTP answers like a model provider.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(r) {
		s.formatOf(r).fail(w, &problem{http.StatusUnauthorized, "authentication_error", "invalid_api_key", "incorrect API key"})
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) allowed(r *http.Request) bool {
	return s.key == "" || r.Header.Get("Authorization") == "Bearer "+s.key || r.Header.Get("X-Api-Key") == s.key
}

func (s *Server) formatOf(r *http.Request) format {
	if strings.HasSuffix(r.URL.Path, "/messages") {
		return anthropic{}
	}
	return openAI{}
}

// Script appends faults for the requests to come.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Requests are the requests for answers so far, in order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Release lets go of every request that Hold or Stall keeps.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.release)
	s.release = make(chan struct{})
}

// AwaitHeld waits until n requests are being kept by Hold or Stall.
func (s *Server) AwaitHeld(ctx context.Context, n int) error {
	return s.await(ctx, func() bool { return s.held >= n })
}

// AwaitLeft waits until n clients, in all, have gone away while they were being kept by Slow, Hold or Stall.
func (s *Server) AwaitLeft(ctx context.Context, n int) error {
	return s.await(ctx, func() bool { return s.left >= n })
}

func (s *Server) await(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := done(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keep holds a request until it is released; false means that the client left.
func (s *Server) keep(ctx context.Context) bool {
	s.mu.Lock()
	release := s.release
	s.mu.Unlock()
	s.note(1, 0)
	defer s.note(-1, 0)
	select {
	case <-release:
		return true
	case <-ctx.Done():
		s.note(0, 1)
		return false
	}
}

func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		s.note(0, 1)
		return false
	}
}

func (s *Server) note(held, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += held
	s.left += left
	close(s.changed)
	s.changed = make(chan struct{})
}

// arrived records a request and takes the next fault of the script and the next seed.
func (s *Server) arrived(r *http.Request, body []byte) (Fault, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.URL.Path, r.Header.Clone(), body})
	s.seed++
	if len(s.script) == 0 {
		return Fault{}, s.seed
	}
	f := s.script[0]
	s.script = s.script[1:]
	return f, s.seed
}

// format is a wire format for questions and answers.
type format interface {
	read(body []byte) (*question, *problem)
	write(out *exchange)
	fail(w http.ResponseWriter, p *problem)
}

// problem is an answer that is an error.
type problem struct {
	status  int
	kind    string
	code    string // "" for none
	message string
}

func invalid(msg string, args ...any) *problem {
	return &problem{http.StatusBadRequest, "invalid_request_error", "", fmt.Sprintf(msg, args...)}
}

// exchange is one request on its way to an answer.
type exchange struct {
	w       http.ResponseWriter
	r       *http.Request
	srv     *Server
	q       *question
	replies []reply
	prompt  int // tokens
	fault   Fault
	id      string
}

const maxBody = 16 << 20 // bytes

func (s *Server) answering(f format) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			f.fail(w, invalid("cannot read the request: %v", err))
			return
		}
		scripted, seed := s.arrived(r, body)
		x := &exchange{w: w, r: r, srv: s, fault: scripted, id: fmt.Sprintf("%08x", seed)}
		if p := s.prepare(f, x, body, seed); p != nil {
			f.fail(w, p)
			return
		}
		if s.before(r.Context(), f, x) {
			f.write(x)
		}
	}
}

// prepare reads the question, finds the fault and computes the answers.
func (s *Server) prepare(f format, x *exchange, body []byte, seed uint64) *problem {
	q, p := f.read(body)
	if p != nil {
		return p
	}
	x.q = q
	name, wish, _ := strings.Cut(q.model, "+")
	if header := x.r.Header.Get(FaultHeader); header != "" {
		wish = header
	}
	if x.fault.Kind == None {
		fault, err := ParseFault(wish)
		if err != nil {
			return invalid("%v", err)
		}
		x.fault = fault
	}
	model := s.named(name)
	if model == nil {
		return &problem{http.StatusNotFound, "invalid_request_error", "model_not_found", fmt.Sprintf("the model %q does not exist", name)}
	}
	if q.seed == nil {
		q.seed = &seed
	}
	x.prompt = len(model.Tokenize(q.prompt()))
	replies, err := q.answer(model, x.fault.Kind)
	if err != nil {
		return invalid("%v", err)
	}
	x.replies = replies
	return nil
}

func (s *Server) named(name string) *Model {
	at := slices.Index(s.models, name)
	switch {
	case at < 0:
		return nil
	case at < Order:
		return s.model.Limited(Order - at)
	}
	return s.model
}

// before acts out the faults that come before an answer; false means that there is none to write any more.
func (s *Server) before(ctx context.Context, f format, x *exchange) bool {
	switch x.fault.Kind {
	case RateLimit:
		x.retryAfter()
		f.fail(x.w, &problem{http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded", "rate limit reached, try again later"})
	case Overloaded:
		x.retryAfter()
		f.fail(x.w, &problem{http.StatusServiceUnavailable, "overloaded_error", "", "overloaded, try again later"})
	case ServerError:
		f.fail(x.w, &problem{http.StatusInternalServerError, "server_error", "", "the server had an error"})
	case Malformed:
		x.malformed()
	case Slow:
		return s.wait(ctx, x.fault.span())
	case Hold:
		return s.keep(ctx)
	case None, Stall, Cut, Violate, Prose, Refuse:
		return true
	}
	return false
}

func (x *exchange) retryAfter() {
	x.w.Header().Set("Retry-After", fmt.Sprint(int(x.fault.span().Round(time.Second)/time.Second)))
}

const broken = `{"id": "broken", "choices": [{"message": {"content": `

func (x *exchange) malformed() {
	if x.q.stream {
		x.w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(x.w, "event: message_start\ndata: %s\n\n", broken)
		return
	}
	x.w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(x.w, broken)
}

// interrupted acts out Cut and Stall in mid-answer; false means that the client left.
func (x *exchange) interrupted() bool {
	switch x.fault.Kind {
	case Cut:
		panic(http.ErrAbortHandler) // the server's way to end a connection without a proper end
	case Stall:
		return x.srv.keep(x.r.Context())
	case None, RateLimit, Overloaded, ServerError, Slow, Hold, Malformed, Violate, Prose, Refuse:
	}
	return true
}

// whole writes a JSON answer, interrupted in the middle when the fault says so.
func (x *exchange) whole(v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types always marshal
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	half := len(body) / 2
	_, _ = x.w.Write(body[:half])
	_ = http.NewResponseController(x.w).Flush()
	if x.interrupted() {
		_, _ = x.w.Write(body[half:])
	}
}

// event writes one server-sent event; name may be "".
func (x *exchange) event(name string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types always marshal
	}
	if name != "" {
		_, _ = fmt.Fprintf(x.w, "event: %s\n", name)
	}
	_, _ = fmt.Fprintf(x.w, "data: %s\n\n", body)
	_ = http.NewResponseController(x.w).Flush()
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) {
	data := make([]map[string]any, len(s.models))
	for i, name := range s.models {
		data[i] = map[string]any{
			"id": name, "object": "model", "created": 0, "owned_by": "parallax",
			"type": "model", "display_name": name, "created_at": "2025-01-01T00:00:00Z",
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data, "has_more": false})
}

package mcp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/internal/cli"
)

// serveStreams serves standard input and output until the client closes the one or ctx ends.
func (s *service) serveStreams(ctx context.Context, server *mcp.Server) error {
	session, err := server.Connect(ctx, &mcp.IOTransport{Reader: &input{s.App.In, &s.gone}, Writer: unclosed{s.App.Out}}, nil)
	if err != nil {
		return err
	}
	gone := make(chan error, 1)
	go func() { gone <- session.Wait() }()
	select {
	case err = <-gone:
	case <-ctx.Done():
		_ = session.Close()
		_ = <-gone //nolint:staticcheck // it was told to end
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the client sent something that is not MCP: %w", err)
	}
	return nil
}

// input is standard input, which notes its end.
type input struct {
	in    io.Reader
	ended *atomic.Bool
}

// Read implements io.Reader.
func (i *input) Read(p []byte) (int, error) {
	n, err := i.in.Read(p)
	if err != nil {
		i.ended.Store(true)
	}
	return n, err
}

// Close implements io.Closer; the stream belongs to others.
func (*input) Close() error { return nil }

// unclosed is a stream that others close.
type unclosed struct{ io.Writer }

// Close implements io.Closer.
func (unclosed) Close() error { return nil }

// address is where to serve HTTP: on this machine alone, "" for nowhere.
func (o *Options) address() (string, error) {
	if o.Address == "" {
		return "", nil
	}
	hint := "give an address of this machine and a port, such as 127.0.0.1:8080"
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil {
		return "", cli.Usagef(hint, "--http cannot be %q", o.Address)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.IsLoopback() {
		return "", cli.Usagef(hint, "--http %s is not an address that only this machine can reach", o.Address)
	}
	return net.JoinHostPort(host, port), nil
}

// idle is how long a session of a client that says nothing is kept.
const idle = 24 * time.Hour

// serveHTTP serves HTTP until ctx ends.
func (s *service) serveHTTP(ctx context.Context, server *mcp.Server, address string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return cli.Usagef("give another port; 0 takes one that is free", "--http: %v", err)
	}
	token := s.App.Getenv(tokenEnv)
	fmt.Fprintf(s.App.Err, "serving %s at http://%s/mcp\n", s.count(), l.Addr())
	if token == "" {
		token = rand.Text()
		fmt.Fprintf(s.App.Err, "clients send the header Authorization: Bearer %s\n", token)
	}
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		SessionTimeout: idle, PropagateRequestCancellation: true,
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", guarded(token, handler))
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	for session := range server.Sessions() {
		_ = session.Close()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if web.Shutdown(last) != nil {
		_ = web.Close()
	}
	_ = <-done //nolint:staticcheck // it was told to end
	return nil
}

// guarded lets requests with the token through, and none that a page of another site made.
func guarded(token string, next http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	open := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "send the token that parallax mcp was given: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
	return http.NewCrossOriginProtection().Handler(open)
}

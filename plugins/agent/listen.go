package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Environment variables by which any agent's program serves hosts of other machines instead of the one that started it.
const (
	listenVar   = "PARALLAX_LISTEN"        // HOST:PORT
	certVar     = "PARALLAX_TLS_CERT"      // PEM file with the server's certificate, and those above it
	keyVar      = "PARALLAX_TLS_KEY"       // PEM file with its key
	clientCAVar = "PARALLAX_TLS_CLIENT_CA" // PEM file: clients must have a certificate of one of these authorities
	tokenVar    = "PARALLAX_TOKEN"         // which clients must show
)

// watchTime is how long a client may be silent before it is asked whether it is there.
const watchTime = 30 * time.Second

// drain is how long calls may go on when the program is told to end.
const drain = 2 * time.Second

// listenAndServe serves an agent over TCP until ctx ends. Clients share nothing: the sessions that one opened are its own, and
// end with its connection.
func listenAndServe(ctx context.Context, def Definition, getenv func(string) string, stderr io.Writer) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", getenv(listenVar))
	if err != nil {
		return fmt.Errorf("%s: %w", listenVar, err)
	}
	options, err := guards(listener.Addr(), getenv) //nolint:contextcheck // each request has its own
	if err != nil {
		_ = listener.Close()
		return err
	}
	srv := newServer(def, newLog(stderr), stderr, func() {})
	defer srv.shutdown()
	gone := &connections{srv: srv}
	options = append(options, grpc.MaxRecvMsgSize(agentpb.RemoteBytes), grpc.StatsHandler(gone),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: watchTime, Timeout: watchTime / 2}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: watchTime / 4, PermitWithoutStream: true}))
	server := grpc.NewServer(options...)
	agentpb.RegisterAgentServiceServer(server, srv)
	alive := health.NewServer()
	alive.SetServingStatus(goplugin.GRPCServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, alive)
	srv.log.InfoContext(ctx, "serving", slog.String("address", listener.Addr().String()), slog.String("agent", def.Info.Name))
	defer context.AfterFunc(ctx, func() {
		defer time.AfterFunc(drain, server.Stop).Stop()
		server.GracefulStop()
	})()
	err = server.Serve(listener)
	gone.work.Wait()
	return err
}

// serveRemote is listenAndServe until the program is told to end, and gives its exit code.
func serveRemote(def Definition) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := listenAndServe(ctx, def, os.Getenv, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", def.Info.Name, err)
		return 1
	}
	return 0
}

// guards are what keeps strangers out. Beyond this machine that is TLS and either a token or certificates of clients.
func guards(at net.Addr, getenv func(string) string) ([]grpc.ServerOption, error) {
	var options []grpc.ServerOption
	cert, key, ca, token := getenv(certVar), getenv(keyVar), getenv(clientCAVar), getenv(tokenVar)
	tcp, _ := at.(*net.TCPAddr)
	switch local := tcp != nil && tcp.IP.IsLoopback(); {
	case (cert == "") != (key == ""):
		return nil, fmt.Errorf("set both %s and %s, or neither", certVar, keyVar)
	case cert == "" && ca != "":
		return nil, fmt.Errorf("%s needs %s and %s", clientCAVar, certVar, keyVar)
	case cert == "" && !local:
		return nil, fmt.Errorf("%s is not on this machine's loopback: set %s and %s", at, certVar, keyVar)
	case ca == "" && token == "" && !local:
		return nil, fmt.Errorf("anybody could use the agent: set %s or %s", tokenVar, clientCAVar)
	}
	if cert != "" {
		config, err := serverTLS(cert, key, ca)
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	if token != "" {
		options = append(options,
			grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				if err := admit(ctx, token); err != nil {
					return nil, err
				}
				return next(ctx, req)
			}),
			grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				if err := admit(stream.Context(), token); err != nil {
					return err
				}
				return next(srv, stream)
			}))
	}
	return options, nil
}

func serverTLS(cert, key, ca string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", certVar, keyVar, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if ca == "" {
		return config, nil
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", clientCAVar, err)
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: there is no certificate in %s", clientCAVar, ca)
	}
	return config, nil
}

// admit checks the token of a request, in a time that says nothing of it.
func admit(ctx context.Context, token string) error {
	want := sha256.Sum256([]byte(token))
	for _, shown := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		if bearer, ok := strings.CutPrefix(shown, "Bearer "); ok {
			if got := sha256.Sum256([]byte(bearer)); subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
				return nil
			}
		}
	}
	return status.Error(codes.Unauthenticated, "the token is missing or wrong")
}

// connections ends the sessions of a client that is gone.
type connections struct {
	srv  *server
	work sync.WaitGroup
}

type connectionKey struct{}

// connection is one of a client.
type connection struct{ from net.Addr }

// connectionOf is the connection by which a request came, nil where there is only one.
func connectionOf(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}

// TagConn implements stats.Handler.
func (*connections) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{info.RemoteAddr})
}

// HandleConn implements stats.Handler.
func (c *connections) HandleConn(ctx context.Context, s stats.ConnStats) {
	if _, over := s.(*stats.ConnEnd); over {
		from := connectionOf(ctx)
		c.work.Go(func() { c.srv.endSessions(func(s *Session) bool { return s.from == from }) })
	}
}

// TagRPC implements stats.Handler.
func (*connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (*connections) HandleRPC(context.Context, stats.RPCStats) {}

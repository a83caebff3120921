package agent

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// maxRequest is the largest message that a host may send: inputs larger than InlineBytes come as blobs.
const maxRequest = 16 << 20

// ServeDefinition runs an agent until its host is gone. It is the last thing main does: it exits the process with 1 when
// no host started it. With PARALLAX_LISTEN=HOST:PORT in its environment the program serves hosts of other machines until it is
// told to end: with a certificate (PARALLAX_TLS_CERT, PARALLAX_TLS_KEY), and to those who show PARALLAX_TOKEN or have a certificate of
// PARALLAX_TLS_CLIENT_CA. On the loopback address all of these may be left out.
func ServeDefinition(def Definition) {
	if os.Getenv(agentpb.CookieKey) != agentpb.CookieValue {
		if os.Getenv(listenVar) != "" {
			os.Exit(serveRemote(def))
		}
		fmt.Fprintf(os.Stderr, "%s is a Parallax agent and is started by parallax. Name it in parallax.toml:\n\n"+
			"[agents.%s]\nuse = \"plugin\"\ncommand = [%q]\n", def.Info.Name, def.Info.Name, os.Args[0])
		os.Exit(1)
	}
	std := takeStdio()
	srv := newServer(def, newLog(std.stderr), std.stderr, std.restore)
	watchStdin(srv.shutdown)
	defer srv.shutdown()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: agentpb.ProtocolVersion, MagicCookieKey: agentpb.CookieKey, MagicCookieValue: agentpb.CookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{agentpb.ProtocolVersion: {agentpb.PluginName: &wire{srv: srv}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(maxRequest))...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: std.stderr, JSONFormat: true}),
	})
}

// wire is the service as go-plugin wants it.
type wire struct {
	goplugin.NetRPCUnsupportedPlugin
	srv *server
}

// GRPCServer implements goplugin.GRPCPlugin.
func (w *wire) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	agentpb.RegisterAgentServiceServer(s, w.srv)
	return nil
}

// GRPCClient implements goplugin.GRPCPlugin.
func (w *wire) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, cc *grpc.ClientConn) (any, error) {
	return agentpb.NewAgentServiceClient(cc), nil
}

// Service is the agent as a gRPC service, for tests and for programs that serve it in their own way. Its log and the stacks
// of panics go to stderr; end ends all sessions.
func (d Definition) Service(stderr io.Writer) (svc agentpb.AgentServiceServer, end func()) {
	srv := newServer(d, newLog(stderr), stderr, func() {})
	return srv, srv.shutdown
}

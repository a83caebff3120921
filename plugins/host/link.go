package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/runtime"
)

// link is the connection to an agent of another machine. It takes the place of a process: an instance lives as long as its
// connection, and the next call after that makes another.
type link struct {
	remote *remote
	cut    context.CancelFunc // ends the connection

	mu     sync.Mutex
	broken error // the first thing that went wrong with it
}

// connectRemote connects to the agent, and asks whether it is one.
func (i *instance) connectRemote() error {
	h, r := i.proc.host, i.proc.cmd.remote
	config, err := r.tls()
	if err != nil {
		return i.linkError(err)
	}
	ctx, cut := context.WithCancel(h.ctx)
	i.link = &link{remote: r, cut: cut}
	i.runner = &runner{cmd: &exec.Cmd{}, cut: cut, exited: make(chan struct{}), done: make(chan struct{})}
	options := []grpc.DialOption{
		// The dialer does TLS itself: its errors have types.
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(i.link.dialer(config)), grpc.WithIdleTimeout(0),
		grpc.WithDisableServiceConfig(), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxAnswer + 1<<20)),
	}
	if r.Token != "" {
		token, _ := h.opts.LookupEnv(r.Token)
		options = append(options, grpc.WithUnaryInterceptor(showUnary(token)), grpc.WithStreamInterceptor(showStream(token)))
	}
	if i.conn, err = grpc.NewClient("passthrough:///"+r.address, options...); err != nil {
		cut()
		return i.linkError(err)
	}
	i.rpc = agentpb.NewAgentServiceClient(i.conn)
	first, cancel := context.WithTimeout(ctx, h.opts.StartTimeout)
	defer cancel()
	i.offer, err = i.rpc.Describe(first, &agentpb.DescribeRequest{HostVersion: h.opts.Version})
	if err != nil {
		cut()
		_ = i.conn.Close()
		return i.linkError(err)
	}
	if !h.background(func() { i.hold(ctx) }) {
		cut()
		_ = i.conn.Close()
		return ErrClosed
	}
	return nil
}

// hold waits until the connection breaks or is cut, and then does what the end of a process does.
func (i *instance) hold(ctx context.Context) {
	for state := connectivity.Ready; state == connectivity.Ready; state = i.conn.GetState() {
		if !i.conn.WaitForStateChange(ctx, state) {
			break
		}
	}
	i.runner.state = cmp.Or(i.link.cause(), errors.New("it was closed")).Error()
	close(i.runner.exited)
	i.drain(ctx)
	i.link.cut()
	_ = i.conn.Close()
	close(i.runner.done)
}

// drain lets calls come to their end that an agent still answers which takes no new ones. They fail by themselves if it is gone.
func (i *instance) drain(ctx context.Context) {
	tick := time.NewTicker(drainTime / 10)
	defer tick.Stop()
	for i.busy() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (i *instance) busy() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.replies) > 0
}

// dialer connects and shakes hands.
func (l *link) dialer(config *tls.Config) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, l.note(err)
		}
		if config == nil {
			return &watched{conn, l, nil}, nil
		}
		secure := tls.Client(conn, config.Clone())
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, l.note(err)
		}
		first, err := firstWord(secure)
		if err != nil {
			_ = conn.Close()
			return nil, l.note(err)
		}
		return &watched{secure, l, first}, nil
	}
}

// firstWord waits a moment for what a server says first: its settings, or that it does not take our certificate. The latter would be
// lost if we spoke before.
func firstWord(conn net.Conn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(drainTime)); err != nil {
		return nil, err
	}
	first := make([]byte, 1)
	n, err := conn.Read(first)
	if err != nil && !os.IsTimeout(err) {
		return nil, err
	}
	return first[:n], conn.SetReadDeadline(time.Time{})
}

// note keeps the first error.
func (l *link) note(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = err
	}
	return err
}

func (l *link) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// watched is a connection that tells why it breaks, such as a server's word that it wants a certificate.
type watched struct {
	net.Conn
	link  *link
	first []byte // read already
}

// Read implements net.Conn.
func (w *watched) Read(b []byte) (int, error) {
	if len(w.first) > 0 {
		n := copy(b, w.first)
		w.first = w.first[n:]
		return n, nil
	}
	n, err := w.Conn.Read(b)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		_ = w.link.note(err)
	}
	return n, err
}

func showUnary(token string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return next(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), method, req, reply, cc, opts...)
	}
}

func showStream(token string) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		return next(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), desc, cc, method, opts...)
	}
}

// linkError says why there is no connection to an agent.
func (i *instance) linkError(err error) *StartError {
	r := i.proc.cmd.remote
	e := &StartError{Agent: i.proc.cmd.label, Cause: err, retryable: true}
	cause := err
	if i.link != nil && status.Code(err) == codes.Unavailable {
		cause = cmp.Or(i.link.cause(), err)
		e.Cause = errors.Join(err, cause)
	}
	var why string
	why, e.Hint, e.retryable = explainLink(cause)
	e.Problem = i.scrub.clean(fmt.Sprintf("cannot be reached at %s: %s", r.URL, why))
	return e
}

// explainLink says what an error of a connection means, what to do, and whether waiting may help.
func explainLink(err error) (why, hint string, wait bool) {
	unknown, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	name, isName := errors.AsType[x509.HostnameError](err)
	remote, isRemote := errors.AsType[*net.OpError](err)
	_, isDNS := errors.AsType[*net.DNSError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isUnknown:
		return "its certificate is of an authority that is not trusted here: " + unknown.Error(), "set ca to the PEM file of its authority", false
	case isInvalid && invalid.Reason == x509.Expired:
		return "its certificate is not valid now: " + invalid.Error(), "renew the agent's certificate; check the clock of this machine", false
	case isInvalid:
		return "its certificate is wrong: " + invalid.Error(), "give the agent another certificate", false
	case isName:
		return "its certificate is for another name: " + name.Error(), "write the name of the certificate in url, or give the agent another certificate", false
	case isRemote && remote.Op == "remote error": // an alert of TLS
		return "it does not take this host's certificate: " + remote.Err.Error(), "set cert and key to a certificate that it takes, and that is valid now", false
	case noTLS:
		return "it does not speak TLS", "serve it with a certificate, or use grpc:// on the loopback address", false
	case isDNS:
		return err.Error(), "check url in parallax.toml", true
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there", "start the agent there, with PARALLAX_LISTEN", true
	}
	switch st := status.Convert(err); status.Code(err) { //nolint:exhaustive // the others say nothing about the way to it
	case codes.Unauthenticated, codes.PermissionDenied:
		return "it refuses the token: " + st.Message(), "set token_env to the variable with the token that it wants", false
	case codes.Unimplemented:
		return "it serves no parallax.agent.v1.AgentService: it is no agent, or speaks another version of the protocol",
			"check url; if it is an agent, update the older of the two", false
	case codes.DeadlineExceeded:
		return "it does not answer", "check url, and that it is an agent that runs there", true
	case codes.Unavailable, codes.Internal, codes.Unknown:
		return "it does not speak gRPC, or broke off: " + statusText(err), "check url; grpcs:// where it is served with TLS", true
	}
	if errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err) {
		return "it does not answer", "check url, and that it is an agent that runs there", true
	}
	return statusText(err), "check url in parallax.toml", true
}

// sessionID is what a member's session is called. Elsewhere there may be sessions of other hosts.
func (i *instance) sessionID(name string) string {
	if i.link == nil {
		return name
	}
	return name + "-" + rand.Text()
}

// fits refuses a request that is too large for one message, where there is no directory to share.
func (i *instance) fits(agent string, req *agentpb.RunRequest) error {
	if i.link == nil || proto.Size(req) < agentpb.RemoteBytes {
		return nil
	}
	return &runtime.Error{
		Code: runtime.Refused, Agent: agent,
		Message: fmt.Sprintf("the inputs for agent %q take %d bytes; an agent that is served elsewhere gets at most %d", agent, proto.Size(req), agentpb.RemoteBytes),
		Hint:    "send less, or name where it finds the rest",
	}
}

// noFiles refuses what came as a file from an agent that shares no directory with the host.
func (i *instance) noFiles(agent, what string) error {
	if i.link == nil {
		return nil
	}
	return &runtime.Error{
		Code: runtime.Refused, Agent: agent,
		Message: fmt.Sprintf("agent %q gave %s as a file, and it is served elsewhere: it shares no directory with this host", agent, what),
		Hint:    "let it put all into its answer, or run it on this machine",
	}
}

// lostInMidCall is the error of a call whose connection broke.
func (s *session) lostInMidCall(c runtime.Call, err error) *runtime.Error {
	i := s.inst
	return &runtime.Error{
		Code: runtime.Unavailable, Retryable: true, Agent: c.Agent, Cause: exitError{err},
		Message: fmt.Sprintf("agent %q was lost in mid-call: its connection to %s broke (%s)", c.Agent, i.link.remote.URL, i.scrub.clean(i.runner.state)),
		Hint:    "it is connected to again for the next call; retry=1 in ask() repeats this one",
	}
}

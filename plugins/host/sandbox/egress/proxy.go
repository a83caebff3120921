package egress

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Proxy serves one sandbox. Its fields must not change once Serve was called.
type Proxy struct {
	Rules    Rules
	All      bool      // every public host may be reached, at any port
	Gateways []Gateway // by name

	// Token must come with each request that is not for a gateway, as the user of basic authentication, and in the path of gateways.
	// "" asks for none, as where nobody else can reach the listener.
	Token string

	// Resolve gives the addresses of a name; nil means the system's.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Secret gives the value that a gateway puts in.
	Secret func(name string) (string, bool)

	mu     sync.Mutex
	server *http.Server
	tunnel sync.WaitGroup
	open   map[io.Closer]struct{} // tunnels
	closed bool
	done   chan struct{}
}

// Gateway is a server that is reached with a secret which the asker does not hold.
type Gateway struct {
	Secret string // name of the secret, and of the gateway
	Target string // URL below which everything may be asked for
	Header string // that carries the secret; "" puts none in
	Prefix string // before the secret in the header, such as "Bearer "
}

// How long things may take. Answers of models are slow and are not bounded here.
const (
	dialTimeout   = 30 * time.Second
	headerTimeout = 30 * time.Second
)

// Serve answers requests on a listener until Close, in the background. It takes the listener over.
func (p *Proxy) Serve(l net.Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(map[io.Closer]struct{})
	p.done = make(chan struct{})
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: headerTimeout, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(l)
	}()
}

// Close ends the proxy and all that goes through it, and waits for its goroutines.
func (p *Proxy) Close() {
	p.mu.Lock()
	server, done := p.server, p.done
	p.closed = true
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	if server == nil {
		return
	}
	_ = server.Close()
	<-done
	p.tunnel.Wait()
}

// refusal is why a host is not reached.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// ServeHTTP takes CONNECT, plain requests for http:// URLs, and requests for gateways.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.tunnel.Add(1)
	defer p.tunnel.Done()
	switch {
	case r.Method == http.MethodConnect:
		p.connect(w, r)
	case r.URL.IsAbs():
		p.forward(w, r)
	case strings.HasPrefix(r.URL.Path, gatewayPath):
		p.gateway(w, r)
	default:
		http.Error(w, "this is the way out of a sandbox: use it as a proxy", http.StatusNotFound)
	}
}

// authorized checks the token of a proxy request.
func (p *Proxy) authorized(w http.ResponseWriter, r *http.Request) bool {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Token+":"))
	if p.Token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Proxy-Authorization")), []byte(want)) == 1 {
		return true
	}
	w.Header().Set("Proxy-Authenticate", `Basic realm="sandbox"`)
	http.Error(w, "this proxy belongs to another agent", http.StatusProxyAuthRequired)
	return false
}

func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	if !p.authorized(w, r) {
		return
	}
	out, err := p.dial(r.Context(), r.Host)
	if err != nil {
		fail(w, err)
		return
	}
	defer out.Close()
	in, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, err)
		return
	}
	defer in.Close()
	if !p.keep(in, out) {
		return
	}
	defer p.drop(in, out)
	if _, err := io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(out, buffered)
		closeWrite(out)
	})
	_, _ = io.Copy(in, out)
	closeWrite(in)
	up.Wait()
}

// keep notes connections that Close has to end.
func (p *Proxy) keep(cs ...io.Closer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	for _, c := range cs {
		p.open[c] = struct{}{}
	}
	return true
}

func (p *Proxy) drop(cs ...io.Closer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range cs {
		delete(p.open, c)
	}
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}

// forward passes a plain request on.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	if !p.authorized(w, r) {
		return
	}
	if r.URL.Scheme != "http" {
		fail(w, refuse("%s URLs go through CONNECT", r.URL.Scheme))
		return
	}
	p.pass(w, r, r.URL, p.dial, func(out *http.Request) { out.Header.Del("Proxy-Authorization") })
}

// pass sends a request on to target, whose host dial reaches.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, target *url.URL, dial func(context.Context, string) (net.Conn, error), change func(*http.Request)) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr) },
		// One request each: a connection never serves another request than the one that was checked.
		DisableKeepAlives: true, DisableCompression: true,
	}
	defer transport.CloseIdleConnections()
	rp := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL, pr.Out.Host = target, target.Host
			change(pr.Out)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { fail(w, err) },
	}
	rp.ServeHTTP(w, r)
}

// fail answers with why a request went nowhere.
func fail(w http.ResponseWriter, err error) {
	if no, ok := errors.AsType[*refusal](err); ok {
		http.Error(w, no.why, http.StatusForbidden)
		return
	}
	http.Error(w, err.Error(), http.StatusBadGateway)
}

// dial connects to host:port if it is allowed. A name is resolved here once, and what was checked is what is dialled.
func (p *Proxy) dial(ctx context.Context, hostport string) (net.Conn, error) {
	host, port, err := hostPort(hostport)
	if err != nil {
		return nil, err
	}
	addrs, err := p.addresses(ctx, host, port)
	if err != nil {
		return nil, err
	}
	return dialFirst(ctx, addrs, port)
}

func dialFirst(ctx context.Context, addrs []netip.Addr, port uint16) (conn net.Conn, err error) {
	d := net.Dialer{Timeout: dialTimeout}
	for _, a := range addrs {
		if conn, err = d.DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// addresses gives those addresses of a host that may be dialled.
func (p *Proxy) addresses(ctx context.Context, host string, port uint16) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if a = a.Unmap(); a.Zone() == "" && (p.Rules.allowAddr(a, port) || p.All && public(a)) {
			return []netip.Addr{a}, nil
		}
		return nil, notGranted(host, port)
	}
	if err := checkName(host); err != nil || !p.All && !p.Rules.allowName(host, port) {
		return nil, notGranted(host, port)
	}
	found, err := p.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	return p.permitted(host, port, found)
}

func (p *Proxy) permitted(host string, port uint16, found []netip.Addr) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, a := range found {
		if a = a.Unmap().WithZone(""); public(a) || p.Rules.allowAddr(a, port) || a.IsLoopback() && host == "localhost" {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, refuse("%s leads to an address of this machine or its network, which is not granted; grant the address too", host)
	}
	return addrs, nil
}

func notGranted(host string, port uint16) error {
	return refuse("%s is not granted to this agent", net.JoinHostPort(host, strconv.Itoa(int(port))))
}

func (p *Proxy) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if p.Resolve != nil {
		return p.Resolve(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// hostPort takes a request's host apart; without a port it is that of plain HTTP.
func hostPort(hostport string) (string, uint16, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), "80"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, refuse("%q is not a host and a port", hostport)
	}
	return strings.TrimSuffix(strings.ToLower(host), "."), uint16(n), nil
}

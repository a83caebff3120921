//go:build linux

package host_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// served is an agent's program that serves hosts over TCP.
type served struct {
	address string
	cmd     *exec.Cmd
	ended   func() string // waits for its end and gives its stderr
}

// serve starts the probe with variables, and waits until it listens unless it ends before.
func serve(t *testing.T, vars ...string) *served {
	t.Helper()
	argv := as(t, "agent")
	s := &served{cmd: exec.Command(argv[0], argv[1:]...)}
	s.cmd.Env = append(os.Environ(), vars...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	var text strings.Builder
	listens, done := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		defer close(listens)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			var m map[string]string
			if json.Unmarshal(lines.Bytes(), &m) == nil && m["@message"] == "serving" {
				listens <- m["address"]
			}
			text.WriteString(lines.Text() + "\n")
		}
	}()
	s.ended = sync.OnceValue(func() string { <-done; _ = s.cmd.Wait(); return text.String() })
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); s.ended() })
	s.address = <-listens
	return s
}

// authority makes certificates.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.make("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name+".pem") }

// make writes NAME.pem and NAME-key.pem.
func (a *authority) make(name string, c *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	a.n++
	c.SerialNumber, c.Subject = big.NewInt(a.n), pkix.Name{CommonName: name}
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	if a.cert == nil {
		a.cert, a.key = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	if c.IsCA {
		a.cert, err = x509.ParseCertificate(der)
		require.NoError(a.t, err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	for file, b := range map[string]*pem.Block{name: {Type: "CERTIFICATE", Bytes: der}, name + "-key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
		require.NoError(a.t, os.WriteFile(a.path(file), pem.EncodeToMemory(b), 0o600))
	}
}

// server makes a certificate for names of a server, and gives the variables that serve with it.
func (a *authority) server(name string, c *x509.Certificate) []string {
	a.t.Helper()
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	a.make(name, c)
	return []string{"PARALLAX_LISTEN=127.0.0.1:0", "PARALLAX_TLS_CERT=" + a.path(name), "PARALLAX_TLS_KEY=" + a.path(name+"-key")}
}

func here() *x509.Certificate {
	return &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}}
}

type settings map[string]any

// remoteHost has an agent called "a" that is served elsewhere.
func remoteHost(t *testing.T, s settings, change ...func(*host.Options)) *host.Host {
	t.Helper()
	config, err := json.Marshal(s)
	require.NoError(t, err)
	o := host.Options{
		Agents: []host.AgentConfig{{Name: "a", Use: host.Grpc, Config: config, Secrets: []string{"MODEL_KEY"}}},
		LookupEnv: func(name string) (string, bool) {
			return map[string]string{"GOOD": "s3cret-token", "BAD": "wrong-token", "MODEL_KEY": "k-123"}[name], name != "UNSET"
		},
		StartTimeout: 5 * time.Second,
	}
	for _, f := range change {
		f(&o)
	}
	return open(t, o)
}

func TestARemoteAgentWorksLikeAnyOther(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	ca.make("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	s := serve(t, append(ca.server("server", here()), "PARALLAX_TLS_CLIENT_CA="+ca.path("ca"), "PARALLAX_TOKEN=s3cret-token")...)
	h := remoteHost(t, settings{
		"url": "grpcs://" + s.address, "ca": ca.path("ca"), "cert": ca.path("client"), "key": ca.path("client-key"), "token_env": "GOOD", "prefix": "> ",
	})
	d, err := h.Describe(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "probe", d.Name)
	require.Equal(t, "prefix > ", d.Detail)
	_, err = h.Ping(t.Context(), "a")
	require.NoError(t, err)

	a, err := call(t, h, ask("say hello"))
	require.NoError(t, err)
	require.Equal(t, `"> hello"`, string(a.Value))
	a, err = call(t, h, ask("secret MODEL_KEY"))
	require.NoError(t, err)
	require.Equal(t, `"k-123"`, string(a.Value))

	c := ask("talk")
	var text string
	c.Watch = func(p runtime.Progress) {
		if p.Channel == "" {
			text += p.Text
		}
	}
	a, err = call(t, h, c)
	require.NoError(t, err)
	require.Contains(t, string(a.Value), `"id":"r1/1"`)
	require.True(t, strings.HasPrefix(text, "0 1 2 "))
	require.Equal(t, int64(30), a.Usage.CostMicroUSD)
	require.Equal(t, "1.2.3", a.Version)

	c = ask("echo")
	c.Input = runtime.Payload(`{"text":"` + strings.Repeat("x", 5<<20) + `"}`)
	a, err = call(t, h, c)
	require.NoError(t, err)
	require.Equal(t, c.Input, a.Value, "large values travel in the message")
}

func TestRemoteAgentsShareNoFiles(t *testing.T) {
	t.Parallel()
	s := serve(t, "PARALLAX_LISTEN=127.0.0.1:0")
	h := remoteHost(t, settings{"url": "grpc://" + s.address})
	_, err := call(t, h, ask("artifact x"))
	require.ErrorContains(t, err, "takes no artifacts")
	_, err = call(t, h, ask("size 68157440"))
	require.ErrorContains(t, err, "goes on after byte 67108864")
	c := ask("echo")
	c.Input = runtime.Payload(`"` + strings.Repeat("x", 66<<20) + `"`)
	_, err = call(t, h, c)
	require.ErrorContains(t, err, "gets at most")
	_, err = call(t, h, ask("say still there"))
	require.NoError(t, err)
}

func TestCallsToRemoteAgentsEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, "PARALLAX_LISTEN=127.0.0.1:0")
	h := remoteHost(t, settings{"url": "grpc://" + s.address})
	c := ask("wait")
	c.Timeout = 300 * time.Millisecond
	_, err := call(t, h, c)
	require.Equal(t, runtime.Timeout, codeOf(t, err))

	ctx, cancel := context.WithCancel(t.Context())
	c = ask("wait")
	c.Watch = func(runtime.Progress) { cancel() }
	_, err = h.Call(ctx, c)
	require.Equal(t, runtime.Cancelled, codeOf(t, err))
	a, err := call(t, h, ask("say still there"))
	require.NoError(t, err)
	require.Equal(t, `"still there"`, string(a.Value))
}

func codeOf(t *testing.T, err error) runtime.Code {
	t.Helper()
	e, ok := err.(*runtime.Error)
	require.True(t, ok, "%v", err)
	return e.Code
}

// An agent that dies in mid-call is told, and connected to again when it is back.
func TestALostRemoteAgentIsConnectedToAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, "PARALLAX_LISTEN=127.0.0.1:0")
	h := remoteHost(t, settings{"url": "grpc://" + s.address})
	_, err := call(t, h, ask("exit"))
	require.ErrorContains(t, err, "was lost in mid-call: its connection to grpc://"+s.address+" broke")
	e := err.(*runtime.Error)
	require.Equal(t, runtime.Unavailable, e.Code)
	require.True(t, e.Retryable)
	_, err = call(t, h, ask("say nobody"))
	require.ErrorContains(t, err, "nobody listens there")
	require.True(t, err.(*runtime.Error).Retryable)
	serve(t, "PARALLAX_LISTEN="+s.address)
	a, err := call(t, h, ask("say back"))
	require.NoError(t, err)
	require.Equal(t, `"back"`, string(a.Value))
}

func TestARemoteAgentThatIsAwayIsLeftAlone(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	h := remoteHost(t, settings{"url": "grpc://" + listener.Addr().String()})
	require.Eventually(t, func() bool {
		err = h.Start(t.Context(), "a")
		return strings.Contains(err.Error(), "is not connected to again for")
	}, 30*time.Second, 10*time.Millisecond)
}

// Two hosts that give one remote agent the same name do not meet, and each takes its sessions along when it goes.
func TestHostsOfOneRemoteAgentDoNotMeet(t *testing.T) {
	t.Parallel()
	s := serve(t, "PARALLAX_LISTEN=127.0.0.1:0")
	grave := filepath.Join(t.TempDir(), "grave")
	one := remoteHost(t, settings{"url": "grpc://" + s.address, "prefix": "one ", "grave": grave})
	two := remoteHost(t, settings{"url": "grpc://" + s.address, "prefix": "two "})
	for h, want := range map[*host.Host]string{one: `"one x"`, two: `"two x"`} {
		a, err := call(t, h, ask("say x"))
		require.NoError(t, err)
		require.Equal(t, want, string(a.Value))
	}
	require.NoError(t, one.Close())
	require.Eventually(t, func() bool { _, err := os.Stat(grave); return err == nil }, 10*time.Second, 5*time.Millisecond)
	_, err := call(t, two, ask("say x"))
	require.NoError(t, err)
}

// A program that is told to end lets calls come to their end.
func TestAServingProgramEndsWhenTold(t *testing.T) {
	t.Parallel()
	s := serve(t, "PARALLAX_LISTEN=127.0.0.1:0")
	h := remoteHost(t, settings{"url": "grpc://" + s.address})
	require.NoError(t, h.Start(t.Context(), "a"))
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.ended()
	require.Equal(t, 0, s.cmd.ProcessState.ExitCode())
}

func TestWhyARemoteAgentCannotBeReached(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	ca.make("late", &x509.Certificate{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	other.make("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	open := serve(t, "PARALLAX_LISTEN=127.0.0.1:0").address
	secure := serve(t, append(ca.server("server", here()), "PARALLAX_TOKEN=s3cret-token")...).address
	mutual := serve(t, append(ca.server("mutual", here()), "PARALLAX_TLS_CLIENT_CA="+ca.path("ca"))...).address
	expired := serve(t, ca.server("expired", &x509.Certificate{IPAddresses: here().IPAddresses, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})...).address
	stranger := serve(t, ca.server("stranger", &x509.Certificate{DNSNames: []string{"agents.example"}})...).address

	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = mute.Close() })
	empty := grpc.NewServer()
	emptyAt, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() { _ = empty.Serve(emptyAt) })
	t.Cleanup(func() { empty.Stop(); serving.Wait() })

	for _, c := range []struct {
		name string
		s    settings
		want string
	}{
		{"nobody", settings{"url": "grpc://127.0.0.1:1"}, "nobody listens there"},
		{"unknown authority", settings{"url": "grpcs://" + secure, "ca": other.path("ca"), "token_env": "GOOD"}, "authority that is not trusted"},
		{"system's authorities", settings{"url": "grpcs://" + secure, "token_env": "GOOD"}, "authority that is not trusted"},
		{"expired", settings{"url": "grpcs://" + expired, "ca": ca.path("ca")}, "not valid now"},
		{"another name", settings{"url": "grpcs://" + stranger, "ca": ca.path("ca")}, "for another name"},
		{"wrong token", settings{"url": "grpcs://" + secure, "ca": ca.path("ca"), "token_env": "BAD"}, "refuses the token"},
		{"no token", settings{"url": "grpcs://" + secure, "ca": ca.path("ca")}, "refuses the token"},
		{"no certificate", settings{"url": "grpcs://" + mutual, "ca": ca.path("ca")}, "does not take this host's certificate"},
		{"wrong certificate", settings{"url": "grpcs://" + mutual, "ca": ca.path("ca"), "cert": other.path("client"), "key": other.path("client-key")}, "does not take this host's certificate"},
		{"expired certificate", settings{"url": "grpcs://" + mutual, "ca": ca.path("ca"), "cert": ca.path("late"), "key": ca.path("late-key")}, "does not take this host's certificate"},
		{"TLS where there is none", settings{"url": "grpcs://" + open, "ca": ca.path("ca")}, "does not speak TLS"},
		{"no TLS where there is", settings{"url": "grpc://" + secure}, "does not speak gRPC"},
		{"a web server", settings{"url": "grpc://" + web.Listener.Addr().String()}, "does not speak gRPC"},
		{"no agent", settings{"url": "grpc://" + emptyAt.Addr().String()}, "serves no parallax.agent.v1.AgentService"},
		{"mute", settings{"url": "grpc://" + mute.Addr().String()}, "does not answer"},
		{"mute TLS", settings{"url": "grpcs://" + mute.Addr().String()}, "does not answer"},
		{"bad setting of its own", settings{"url": "grpc://" + open, "prefix": "bad"}, `prefix "bad" is not allowed`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := remoteHost(t, c.s, func(o *host.Options) { o.StartTimeout = 3 * time.Second })
			err := h.Start(t.Context(), "a")
			e, ok := errors.AsType[*host.StartError](err)
			require.True(t, ok, "%v", err)
			require.Contains(t, err.Error(), c.want)
			require.NotEmpty(t, e.Hint)
			require.NotContains(t, err.Error(), "wrong-token")
		})
	}
}

func TestWrongSettingsOfRemoteAgentsAreNamed(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, c := range []struct {
		s    settings
		want string
	}{
		{settings{}, "url is missing"},
		{settings{"url": 5}, "url must be text"},
		{settings{"url": "agents.example:1"}, "write grpcs://HOST:PORT"},
		{settings{"url": "https://agents.example:1"}, `url begins with "https://"`},
		{settings{"url": "grpcs://agents.example"}, "must be a host and a port"},
		{settings{"url": "grpcs://agents.example:1/x"}, "must be a host and a port"},
		{settings{"url": "grpcs://me:secret@agents.example:1"}, "must not hold a name or password"},
		{settings{"url": "grpc://agents.example:1"}, "loopback address alone"},
		{settings{"url": "grpc://localhost:1", "token_env": "GOOD"}, "a token is shown over TLS alone"},
		{settings{"url": "grpc://localhost:1", "ca": "ca.pem"}, "are for grpcs://"},
		{settings{"url": "grpcs://localhost:1", "cert": "c.pem"}, "cert and key go together"},
		{settings{"url": "grpcs://localhost:1", "ca": "none.pem"}, "none.pem"},
		{settings{"url": "grpcs://localhost:1", "ca": ca.path("ca-key")}, "there is no certificate in"},
		{settings{"url": "grpcs://localhost:1", "cert": ca.path("ca"), "key": ca.path("ca")}, "cert, key:"},
		{settings{"url": "grpcs://localhost:1", "token_env": "UNSET"}, "token UNSET is not set"},
	} {
		err := remoteHost(t, c.s).Start(t.Context(), "a")
		require.ErrorContains(t, err, c.want)
	}
}

func TestAProgramDoesNotServeStrangers(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	vars := ca.server("server", here())
	for _, c := range []struct {
		vars []string
		want string
	}{
		{[]string{"PARALLAX_LISTEN=0.0.0.0:0"}, "is not on this machine's loopback: set PARALLAX_TLS_CERT"},
		{append([]string{"PARALLAX_LISTEN=0.0.0.0:0"}, vars[1:]...), "anybody could use the agent: set PARALLAX_TOKEN"},
		{[]string{"PARALLAX_LISTEN=127.0.0.1:0", vars[1]}, "set both"},
		{[]string{"PARALLAX_LISTEN=127.0.0.1:0", "PARALLAX_TLS_CLIENT_CA=" + ca.path("ca")}, "PARALLAX_TLS_CLIENT_CA needs"},
		{append([]string{"PARALLAX_TLS_CLIENT_CA=" + ca.path("ca-key")}, vars...), "there is no certificate in"},
		{[]string{"PARALLAX_LISTEN=nonsense"}, "PARALLAX_LISTEN:"},
		{[]string{vars[0], vars[1], "PARALLAX_TLS_KEY=" + ca.path("ca-key")}, "private key does not match"},
	} {
		s := serve(t, c.vars...)
		require.Contains(t, s.ended(), c.want)
		require.Equal(t, 1, s.cmd.ProcessState.ExitCode())
	}
}

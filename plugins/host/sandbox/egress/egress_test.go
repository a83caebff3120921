package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRules(t *testing.T) {
	t.Parallel()
	for rule, hosts := range map[string]struct{ yes, no []string }{
		"example.com":        {[]string{"example.com:443", "EXAMPLE.com.:443"}, []string{"example.com:80", "a.example.com:443", "badexample.com:443"}},
		"example.com:8080":   {[]string{"example.com:8080"}, []string{"example.com:443"}},
		"example.com:*":      {[]string{"example.com:1", "example.com:65535"}, []string{"example.com:0"}},
		"*.example.com":      {[]string{"a.example.com:443", "a.b.example.com:443"}, []string{"example.com:443", "aexample.com:443"}},
		"10.1.2.3:5432":      {[]string{"10.1.2.3:5432", "[::ffff:10.1.2.3]:5432"}, []string{"10.1.2.4:5432", "10.1.2.3:443"}},
		"10.0.0.0/8:443":     {[]string{"10.9.9.9:443"}, []string{"11.0.0.1:443"}},
		"[::1]:8080":         {[]string{"[::1]:8080"}, []string{"[::2]:8080", "127.0.0.1:8080"}},
		"2606:4700::1111":    {[]string{"[2606:4700::1111]:443"}, []string{"[2606:4700::1112]:443"}},
		"my_host.internal:1": {[]string{"my_host.internal:1"}, []string{"my-host.internal:1"}},
	} {
		rules, err := Parse([]string{rule})
		require.NoError(t, err, rule)
		for _, host := range hosts.yes {
			require.True(t, rules.Allow("http://"+host), "%s: %s", rule, host)
		}
		for _, host := range hosts.no {
			require.False(t, rules.Allow("http://"+host), "%s: %s", rule, host)
		}
	}
	for _, rule := range []string{"", "*", "http://example.com", "a b", "exämple.com", "a..b", "x:0", "x:99999", "*.*.com", "a.*.com", "a/b", "[::1", "::1%eth0"} {
		_, err := Parse([]string{rule})
		require.ErrorContains(t, err, "is not a host", rule)
	}
}

// served is a proxy in front of servers of the loopback.
func served(t *testing.T, p *Proxy) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.Serve(l)
	t.Cleanup(p.Close)
	return &url.URL{Scheme: "http", Host: l.Addr().String()}
}

// through makes a request by way of a proxy.
func through(t *testing.T, proxy *url.URL, link string) (int, string) {
	t.Helper()
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(link)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, strings.TrimSpace(string(body))
}

func TestOnlyGrantedHostsAreReached(t *testing.T) {
	t.Parallel()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Host, " ", r.Header.Get("Proxy-Authorization"))
	})
	plain, secure := httptest.NewServer(echo), httptest.NewTLSServer(echo)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	portOf := func(s *httptest.Server) string { u, _ := url.Parse(s.URL); return u.Port() }
	rules, err := Parse([]string{"good.test:*", "127.0.0.1:" + portOf(plain), "127.0.0.1:" + portOf(secure), "inside.test:*"})
	require.NoError(t, err)
	asked := 0
	p := &Proxy{Rules: rules, Token: "t0ken", Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
		asked++
		if host == "inside.test" { // what a name of the internet may say of itself
			return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("::ffff:192.168.1.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	front := served(t, p)

	code, body := through(t, front, "http://good.test:"+portOf(plain))
	require.Equal(t, http.StatusProxyAuthRequired, code, body)
	front.User = url.User("t0ken")
	code, body = through(t, front, "http://good.test:"+portOf(plain))
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, "good.test:"+portOf(plain), body, "the token goes no further")
	code, _ = through(t, front, "https://good.test:"+portOf(secure))
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, 2, asked, "what is checked is what is dialled: each name is resolved once")

	for link, why := range map[string]string{
		"http://bad.test":                        "bad.test:80 is not granted to this agent",
		"http://127.0.0.1:1":                     "127.0.0.1:1 is not granted",
		"http://inside.test":                     "leads to an address of this machine or its network",
		"http://2130706433:" + portOf(plain):     "is not granted",
		"http://[::ffff:127.0.0.1]:1":            "is not granted",
		"http://good.test.evil:" + portOf(plain): "is not granted",
	} {
		code, body := through(t, front, link)
		require.Equal(t, http.StatusForbidden, code, link)
		require.Contains(t, body, why, link)
	}
	code, body = through(t, front, "https://inside.test")
	require.Zero(t, code)
	require.Contains(t, body, "Forbidden")
}

func TestNamesLeadToTheInternetOnly(t *testing.T) {
	t.Parallel()
	for _, a := range []string{
		"127.0.0.1", "10.0.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1",
		"::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "::7f00:1", "2001:db8::1",
	} {
		require.False(t, public(netip.MustParseAddr(a).Unmap()), a)
	}
	for _, a := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"} {
		require.True(t, public(netip.MustParseAddr(a)), a)
	}
}

func TestGateway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.RequestURI(), " ", r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"))
	}))
	t.Cleanup(server.Close)
	value := ""
	p := &Proxy{
		Token:    "t0ken",
		Gateways: []Gateway{{Secret: "KEY", Target: server.URL + "/v1/", Header: "Authorization", Prefix: "Bearer "}, {Secret: "NONE", Target: server.URL}, {Secret: "EXACT", Target: server.URL + "/mcp?team=a"}},
		Secret:   func(string) (string, bool) { return value, value != "" },
	}
	front := served(t, p)
	ask := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.String()+path, strings.NewReader("x"))
		require.NoError(t, err)
		req.Header.Set("X-Api-Key", Placeholder)
		req.Header.Set("Authorization", "Bearer "+Placeholder)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, strings.TrimSpace(string(body))
	}
	code, body := ask(p.GatewayPath("KEY") + "/chat")
	require.Equal(t, http.StatusBadGateway, code)
	require.Equal(t, "the secret KEY is not set", body)
	value = "s3cret"
	for path, want := range map[string]string{
		"/gateway/KEY/t0ken/chat?n=1": "/v1/chat?n=1 Bearer s3cret", "/gateway/KEY/t0ken": "/v1/ Bearer s3cret", "/gateway/NONE/t0ken/x": "/x",
		"/gateway/EXACT/t0ken": "/mcp?team=a", "/gateway/EXACT/t0ken?n=1": "/mcp?n=1",
	} {
		code, body := ask(path)
		require.Equal(t, http.StatusOK, code, path)
		require.Equal(t, want, body, path)
	}
	for path, want := range map[string]int{
		"/gateway/KEY/chat": http.StatusNotFound, "/gateway/KEY/t0kenx/chat": http.StatusNotFound, "/gateway/OTHER/t0ken/": http.StatusNotFound,
		"/gateway/KEY/t0ken/%2e%2e/x": http.StatusForbidden, "/else": http.StatusNotFound,
	} {
		code, body := ask(path)
		require.Equal(t, want, code, "%s: %s", path, body)
		require.NotContains(t, body, "s3cret")
	}
}

// An agent that goes leaves no tunnel open.
func TestCloseEndsTunnels(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	rules, err := Parse([]string{"127.0.0.1:" + strconv.Itoa(port)})
	require.NoError(t, err)
	p := &Proxy{Rules: rules}
	front := served(t, p)
	c, err := net.Dial("tcp", front.Host)
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprintf(c, "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n", port)
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "200")
	far, err := l.Accept()
	require.NoError(t, err)
	defer far.Close()
	p.Close()
	_, err = far.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// FuzzParse: what is taken for a rule allows its own host and nothing that was never granted.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"example.com", "*.example.com:8080", "10.0.0.0/8:*", "[::1]:1", "::1", "a:b:c", "%", "*."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := Parse([]string{text})
		if err == nil && !strings.Contains(strings.ToLower(text), "evil") {
			require.False(t, rules.allowName("never.evil", 443), text)
		}
	})
}

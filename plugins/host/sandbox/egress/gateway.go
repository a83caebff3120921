package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// gatewayPath begins the paths of gateways: /gateway/SECRET/ and, where the proxy has a token, /gateway/SECRET/TOKEN/.
const gatewayPath = "/gateway/"

// Placeholder is the value of a secret that a gateway puts in, as the asker sees it.
const Placeholder = "kept-by-parallax"

// GatewayPath is where the gateway of a secret is, without a slash at the end.
func (p *Proxy) GatewayPath(secret string) string {
	if p.Token == "" {
		return gatewayPath + secret
	}
	return gatewayPath + secret + "/" + p.Token
}

// gateway passes a request on with the secret in it.
func (p *Proxy) gateway(w http.ResponseWriter, r *http.Request) {
	for i := range p.Gateways {
		g := &p.Gateways[i]
		rest, ok := strings.CutPrefix(r.URL.Path, p.GatewayPath(g.Secret))
		if ok && (rest == "" || rest[0] == '/') {
			p.through(w, r, g, rest)
			return
		}
	}
	http.Error(w, "there is no such gateway", http.StatusNotFound)
}

func (p *Proxy) through(w http.ResponseWriter, r *http.Request, g *Gateway, rest string) {
	value, err := p.secret(g)
	if err != nil {
		fail(w, err)
		return
	}
	target, err := below(g.Target, rest, r.URL.RawQuery)
	if err != nil {
		fail(w, err)
		return
	}
	p.pass(w, r, target, p.dialTarget, func(out *http.Request) {
		for name := range out.Header {
			if strings.EqualFold(out.Header.Get(name), Placeholder) || strings.HasSuffix(out.Header.Get(name), " "+Placeholder) {
				out.Header.Del(name)
			}
		}
		if g.Header != "" {
			out.Header.Set(g.Header, g.Prefix+value)
		}
	})
}

// secret is what a gateway puts in.
func (p *Proxy) secret(g *Gateway) (string, error) {
	if g.Header == "" {
		return "", nil
	}
	if value, ok := p.Secret(g.Secret); ok {
		return value, nil
	}
	return "", fmt.Errorf("the secret %s is not set", g.Secret)
}

// below makes the URL of a path below a target; without a path it is the target itself. What leads out of it is refused, since the secret would go
// along.
func below(base, rest, query string) (*url.URL, error) {
	target, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	if rest == "" {
		if query != "" {
			target.RawQuery = query
		}
		return target, nil
	}
	clean := path.Clean("/" + rest)
	if strings.Contains(rest, "..") {
		return nil, refuse("the path %q is not allowed", rest)
	}
	target.Path = strings.TrimSuffix(target.Path, "/") + clean
	if strings.HasSuffix(rest, "/") && clean != "/" {
		target.Path += "/"
	}
	target.RawQuery = query
	return target, nil
}

// dialTarget connects to a gateway's own target, which its owner chose: any address will do.
func (p *Proxy) dialTarget(ctx context.Context, hostport string) (net.Conn, error) {
	host, port, err := hostPort(hostport)
	if err != nil {
		return nil, err
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return dialFirst(ctx, []netip.Addr{a}, port)
	}
	addrs, err := p.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	return dialFirst(ctx, addrs, port)
}

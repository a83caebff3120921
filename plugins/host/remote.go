package host

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Grpc is the Use of an agent that is served elsewhere, over TCP. Its table says where, with the keys of remote.
const Grpc = "grpc"

// remote is where an agent of another machine is served, and how one is let in there.
type remote struct {
	URL   string `json:"url"`                 // grpcs://HOST:PORT, or grpc:// on the loopback address
	CA    string `json:"ca,omitempty"`        // PEM file: authorities of its certificate; "" means the system's
	Cert  string `json:"cert,omitempty"`      // PEM file: the host's own certificate
	Key   string `json:"key,omitempty"`       // PEM file: its key
	Token string `json:"token_env,omitempty"` // name of the environment variable with the token to show

	address string // HOST:PORT
	server  string // name in the certificate
	secure  bool
}

// remoteKeys are the settings that the host takes for itself.
func remoteKeys() []string { return []string{"url", "ca", "cert", "key", "token_env"} }

// remoteOf reads where an agent is served, and gives the settings that are its own. Files are found from cfg.Dir.
func remoteOf(cfg AgentConfig) (*remote, json.RawMessage, error) {
	own := make(map[string]json.RawMessage)
	if len(cfg.Config) > 0 {
		if err := json.Unmarshal(cfg.Config, &own); err != nil {
			return nil, nil, fmt.Errorf("its settings: %w", err)
		}
	}
	mine := make(map[string]json.RawMessage)
	for _, key := range remoteKeys() {
		if v, ok := own[key]; ok {
			mine[key] = v
			delete(own, key)
		}
	}
	text, err := json.Marshal(mine)
	if err != nil {
		return nil, nil, err
	}
	r := &remote{}
	if err := json.Unmarshal(text, r); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, nil, fmt.Errorf("%s must be text, not a %s", wrong.Field, wrong.Value)
		}
		return nil, nil, err
	}
	for _, file := range []*string{&r.CA, &r.Cert, &r.Key} {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(cfg.Dir, *file)
		}
	}
	if err := r.check(); err != nil {
		return nil, nil, err
	}
	rest, err := json.Marshal(own)
	return r, rest, err
}

// check settles the address.
func (r *remote) check() error {
	u, err := url.Parse(r.URL)
	switch {
	case r.URL == "":
		return errors.New("url is missing; write url = \"grpcs://HOST:PORT\"")
	case err != nil:
		return errors.New("url is no URL; write grpcs://HOST:PORT")
	case u.User != nil:
		return errors.New("url must not hold a name or password; use token_env")
	case u.Scheme != "grpcs" && u.Scheme != "grpc":
		return fmt.Errorf("url begins with %q; write grpcs://HOST:PORT, or grpc:// on this machine's loopback address", u.Scheme+"://")
	case u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("url must be a host and a port and no more: grpcs://HOST:PORT")
	}
	r.address, r.server, r.secure = u.Host, u.Hostname(), u.Scheme == "grpcs"
	switch {
	case !r.secure && !loopback(r.server):
		return fmt.Errorf("grpc:// is for this machine's loopback address alone, and %s is none; use grpcs://", r.server)
	case !r.secure && (r.CA != "" || r.Cert != "" || r.Key != ""):
		return errors.New("ca, cert and key are for grpcs://")
	case !r.secure && r.Token != "":
		return errors.New("a token is shown over TLS alone; use grpcs:// with token_env")
	case (r.Cert == "") != (r.Key == ""):
		return errors.New("cert and key go together")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tls reads the files. It is nil where there is no TLS.
func (r *remote) tls() (*tls.Config, error) {
	if !r.secure {
		return nil, nil
	}
	config := &tls.Config{ServerName: r.server, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}
	if r.CA != "" {
		text, err := os.ReadFile(r.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca: there is no certificate in %s", r.CA)
		}
	}
	if r.Cert != "" {
		pair, err := tls.LoadX509KeyPair(r.Cert, r.Key)
		if err != nil {
			return nil, fmt.Errorf("cert, key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// remoteCommand resolves the configuration of an agent that is served elsewhere, and refuses what cannot be.
func (h *Host) remoteCommand(cfg AgentConfig) (command, error) {
	wrong := func(problem, hint string, cause error) error {
		return &StartError{Agent: cfg.Name, Problem: problem, Hint: hint, Cause: cause}
	}
	c := command{label: cfg.Name, secrets: slices.Sorted(slices.Values(cfg.Secrets))}
	if cfg.Policy != nil {
		return c, wrong("has permissions, which hold programs of this machine alone", "take its permissions out, and give them to it where it is served", nil)
	}
	r, _, err := remoteOf(cfg)
	if err == nil {
		_, err = r.tls()
	}
	if err != nil {
		return c, wrong(err.Error(), "check its settings in parallax.toml", err)
	}
	if r.Token != "" {
		if token, ok := h.opts.LookupEnv(r.Token); !ok || token == "" {
			return c, wrong(fmt.Sprintf("its token %s is not set in the environment", r.Token), "export "+r.Token, nil)
		}
	}
	c.remote = r
	return c, nil
}

package plugin

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/spf13/pflag"

	"github.com/parallax-run/parallax/internal/cli"
)

// remoteOptions are what the command line says of an agent that is served elsewhere.
type remoteOptions struct{ ca, cert, key, token string }

func (o *remoteOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.ca, "ca", "", "with a URL: PEM `file` with the authority of its certificate")
	f.StringVar(&o.cert, "cert", "", "with a URL: PEM `file` with the certificate to show; needs --key")
	f.StringVar(&o.key, "key", "", "with a URL: PEM `file` with its key")
	f.StringVar(&o.token, "token-env", "", "with a URL: `name` of the environment variable with the token to show")
}

// settings say where the agent is served, as a table of parallax.toml does; nil when it is a program.
func (o *remoteOptions) settings(argv []string) (json.RawMessage, error) {
	keys := map[string]string{"ca": o.ca, "cert": o.cert, "key": o.key, "token_env": o.token}
	maps.DeleteFunc(keys, func(_, value string) bool { return value == "" })
	if len(argv) == 0 || !isURL(argv[0]) {
		if len(keys) > 0 {
			return nil, cli.Usagef("name the agent by its URL, grpcs://HOST:PORT", "--ca, --cert, --key and --token-env are for agents that are served elsewhere")
		}
		return nil, nil
	}
	if len(argv) > 1 {
		return nil, cli.Usagef("put flags before the URL", "parallax plugin test takes one URL, got also %q", argv[1])
	}
	keys["url"] = argv[0]
	return json.Marshal(keys)
}

func isURL(word string) bool {
	return strings.HasPrefix(word, "grpc://") || strings.HasPrefix(word, "grpcs://")
}

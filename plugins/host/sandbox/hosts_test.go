//go:build linux && amd64

package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
)

// Inside, the only way out is the proxy of the host, which lets requests to granted hosts through and puts keys in.
func TestHostsAreReachedThroughTheProxy(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, " ", r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	for _, level := range offered(t)[1:] {
		for _, user := range users() {
			out, err := user.as(t, job{
				Level: level, Hosts: []string{u.Host}, Secrets: map[string]string{"KEY": "s3cret"},
				Gateways: []egress.Gateway{{Secret: "KEY", Target: server.URL + "/v1", Header: "Authorization", Prefix: "Bearer "}},
				Args:     []string{"fetch", server.URL + "/plain", "http://127.0.0.1:1/", "http://metadata.invalid/", "$PARALLAX_GATEWAY_KEY/models"},
			})
			require.NoError(t, err)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			require.Equal(t, []string{
				"200 /plain", "403 127.0.0.1:1 is not granted to this agent", "403 metadata.invalid:80 is not granted to this agent", "200 /v1/models Bearer s3cret",
			}, lines, "%s as %s", level, user.name)
		}
	}
}

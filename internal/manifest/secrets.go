package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// secretText is what tokens of well-known services and private keys look like.
var secretText = lazily(`\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bAKIA[0-9A-Z]{16}\b` +
	`|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[A-Za-z0-9_-]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bBearer\s+[A-Za-z0-9._~+/-]{16,}`)

// secretWords are names under which people put secrets, as a whole or at the end of a key.
var secretWords = []string{
	"api_key", "apikey", "access_key", "secret_key", "private_key", "signing_key", "secret", "password", "passwd", "passphrase",
	"token", "bearer", "authorization", "credential",
}

// secretKey says whether a key is one under which people put a secret.
func secretKey(key string) bool {
	key = strings.ReplaceAll(strings.ToLower(key), "-", "_")
	return slices.ContainsFunc(secretWords, func(w string) bool {
		return key == w || strings.HasSuffix(key, "_"+w)
	})
}

// refuseSecrets notes secrets that stand in an agent's table. Messages do not show them.
func (t *table) refuseSecrets(agent string) {
	for _, key := range t.sortedKeys() {
		t.doc.refuse(t.sub(key), agent, key, t.m[key])
	}
}

func (d *document) refuse(path []string, agent, key string, v any) {
	switch v := v.(type) {
	case string:
		if v != "" && (secretKey(key) || secretText().MatchString(v)) {
			d.secret(path, secretHint(key, v), "agent %q has a secret in the manifest: %s", agent, key)
		}
	case []any:
		for _, item := range v {
			below := path
			if _, nested := item.(map[string]any); nested {
				below = append(slices.Clip(path), "[]")
			}
			d.refuse(below, agent, key, item)
		}
	case map[string]any:
		for k, item := range v {
			d.refuse(append(slices.Clip(path), k), agent, k, item)
		}
	}
}

var reference = lazily(`^(?:\$\{?|env:)([A-Za-z_][A-Za-z0-9_]*)\}?$`)

// secretHint says how to name the secret instead.
func secretHint(key, v string) string {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, strings.ToUpper(key))
	if m := reference().FindStringSubmatch(v); m != nil {
		name = m[1]
	}
	if !envName().MatchString(name) {
		name = "API_KEY"
	}
	return fmt.Sprintf("put it into an environment variable and name that: secrets = [%q]", name)
}

// secret notes a problem whose source line is not shown at all.
func (d *document) secret(path []string, hint, format string, args ...any) {
	d.problem(d.place(path), hint, format, args...)
	d.problems[len(d.problems)-1].Source = ""
}

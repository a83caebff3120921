package market

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/origin"
)

// Verifier says who built files.
type Verifier interface {
	// Ready says why it cannot be asked, nil when it can.
	Ready() error
	// Ask judges attestations. That it cannot is an answer too; the error is ctx's.
	Ask(ctx context.Context, q origin.Question) (origin.Answer, error)
}

// attestedHost is the only host whose workflows sigstore's public service knows.
const attestedHost = "github.com"

const (
	bundleSuffix  = ".sigstore.json"  // of the attestation of one file
	bundlesSuffix = ".sigstore.jsonl" // of a file with several, a line for each
	maxBundles    = 16 << 20
)

// asset is a file of a release whose origin is looked into.
type asset struct {
	Ref
	name   string // "" when the package came without a release
	digest string // "sha256:" and hex
}

// origin finds out who built a file, before it is fetched.
func (m *Market) origin(ctx context.Context, rel *release, a asset) (origin.Answer, error) {
	switch {
	case a.digest == "":
		return origin.Answer{Verdict: origin.None, Why: "it has no release whose files could be attested"}, nil
	case a.Host() != attestedHost:
		return origin.Answer{Verdict: origin.None, Why: "attestations are those of " + attestedHost}, nil
	case rel.assets != nil:
		return origin.Answer{Verdict: origin.None, Why: "attestations of private repositories are not public"}, nil
	case m.Verifier == nil:
		return origin.Unable("this parallax does not check origins"), nil
	}
	if err := m.Verifier.Ready(); err != nil {
		return origin.Unable("%v", err), nil
	}
	bundles, err := m.Client.bundles(ctx, rel, a)
	if ctx.Err() != nil {
		return origin.Answer{}, ctx.Err()
	}
	if err != nil {
		return origin.Unable("%v", err), nil
	}
	if len(bundles) == 0 {
		return origin.Answer{Verdict: origin.None, Why: "its release has no attestation"}, nil
	}
	return m.Verifier.Ask(ctx, origin.Question{Digest: a.digest, Repo: a.Repo(), Tag: a.Version, Bundles: bundles, Root: m.TrustedRoot, Cache: m.Cache.trusted()})
}

// bundles gets the attestations of a file: those among the files of the release, which need no API and no token, else those that GitHub keeps.
func (c *Client) bundles(ctx context.Context, rel *release, a asset) ([][]byte, error) {
	names := []string{a.name + bundleSuffix, a.Name() + "_" + a.bare() + bundlesSuffix}
	for name := range rel.sums {
		if strings.HasSuffix(name, bundlesSuffix) && name != names[1] {
			names = append(names, name)
		}
	}
	for _, name := range names {
		text, err := c.text(ctx, c.plain(a.Ref, name, maxBundles))
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, bundlesSuffix) {
			return bundleLines(text), nil
		}
		return [][]byte{text}, nil
	}
	return c.kept(ctx, a)
}

func bundleLines(text []byte) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			all = append(all, line)
		}
	}
	return all
}

// kept gets the attestations that GitHub keeps for a checksum. Large ones it gives as addresses of packed files.
func (c *Client) kept(ctx context.Context, a asset) ([][]byte, error) {
	r := request{
		url:  c.api(a.Host()) + "/repos/" + a.Repo() + "/attestations/" + a.digest + "?per_page=100&predicate_type=provenance",
		host: a.Host(), accept: "application/vnd.github+json", max: maxBundles,
	}
	if token := c.token(a.Host()); token != "" {
		r.auth = "Bearer " + token
	}
	text, err := c.text(ctx, r)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list struct {
		Attestations []struct {
			Bundle json.RawMessage `json:"bundle"`
			URL    string          `json:"bundle_url"`
		} `json:"attestations"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, wrongf(Network, "", "%s answers what is no list of attestations: %w", a.Host(), err)
	}
	var all [][]byte
	for _, one := range list.Attestations {
		if len(one.Bundle) == 0 || string(one.Bundle) == "null" {
			if one.Bundle, err = c.text(ctx, request{url: one.URL, host: a.Host(), max: maxBundles}); err != nil {
				return nil, err
			}
		}
		all = append(all, one.Bundle)
	}
	return all, nil
}

// trust is what an origin must be to be accepted.
type trust struct {
	ref      Ref
	identity string // who built the version that is in the lock; "" when nobody knows
	same     bool   // that is this version, with this content
	require  bool   // nothing is accepted whose origin is not known
	listed   string // who built it, by the index; "" when that does not say
}

// trustIn is what the origin of a version must be.
func (m *Market) trustIn(r Ref, before *manifest.Lock) trust {
	t := trust{ref: r, require: m.RequireVerified}
	if old, ok := before.Package(r.Source); ok {
		t.identity, t.same = old.Identity, old.Version == r.Version
	}
	return t
}

const acceptHint = "to accept it, remove the line identity of it from parallax.lock"

// judge says why an origin is not accepted.
func (t trust) judge(a origin.Answer) error {
	switch {
	case a.Verdict == origin.Refused:
		return wrongf(Unverified, "tell its author; nothing of it was installed", "%s is refused: %s", t.ref, a.Why)
	case t.identity != "" && a.Verdict == origin.Verified && origin.Signer(a.Identity) != origin.Signer(t.identity):
		return wrongf(Moved, "ask its author why; "+acceptHint, "%s was built by %s, and parallax.lock says %s", t.ref, origin.Signer(a.Identity), origin.Signer(t.identity))
	case t.listed != "" && a.Verdict == origin.Verified && origin.Signer(a.Identity) != origin.Signer(t.listed):
		return wrongf(Moved, "do not use it; ask its author why", "%s was built by %s, and the index says %s", t.ref, origin.Signer(a.Identity), origin.Signer(t.listed))
	case t.require && a.Verdict != origin.Verified:
		return wrongf(Unverified, t.step(a), "it is not verified who built %s: %s", t.ref, a.Why)
	case t.identity != "" && a.Verdict != origin.Verified && !t.same:
		return wrongf(Moved, t.step(a)+"; "+acceptHint, "it is not verified that %s was built by %s, as the version before it: %s", t.ref, origin.Signer(t.identity), a.Why)
	}
	return nil
}

// step is what to do about an origin that is not known.
func (t trust) step(a origin.Answer) string {
	if a.Verdict == origin.Unknown {
		return "install " + origin.ProgramName + " beside parallax, and try again"
	}
	return "ask its author to attest its releases"
}

// tell tells a person what was found out about an origin; that nothing can be, once.
func (m *Market) tell(r Ref, a origin.Answer) {
	switch {
	case a.Verdict == origin.Verified:
		m.say(fmt.Sprintf("%s is verified: built by %s", r, a.Identity))
	case a.Verdict == origin.Unknown && m.Verifier != nil && !m.unchecked:
		m.unchecked = m.Verifier.Ready() != nil
		m.say(fmt.Sprintf("it is not checked who built %s: %s", r, a.Why))
	}
}

// recheck looks into the origin of a package that is installed already, when what is known of it does not do.
func (m *Market) recheck(ctx context.Context, t *Tree, want trust) error {
	known := origin.Answer{Verdict: t.Origin, Identity: t.Identity, Why: "it was installed without"}
	if want.judge(known) == nil {
		return nil
	}
	if t.Origin == origin.Verified {
		return want.judge(known)
	}
	a := asset{Ref: want.ref, digest: t.Digest, name: want.ref.sourceAsset()}
	if t.Kind == manifest.KindAgent {
		a.name = want.ref.build(platformIn(&t.Receipt))
	}
	rel, err := m.Client.release(ctx, a.Ref)
	if err != nil {
		return err
	}
	if rel == nil {
		rel, a.digest = &release{}, ""
	}
	answer, err := m.origin(ctx, rel, a)
	if err != nil {
		return err
	}
	if err := want.judge(answer); err != nil {
		return err
	}
	t.Origin, t.Identity = answer.Verdict, answer.Identity
	return m.Cache.amend(t)
}

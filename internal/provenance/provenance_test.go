package provenance

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/data"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/origin"
	"github.com/parallax-run/parallax/internal/testkit/attest"
)

const (
	repo   = "acme/critic"
	tag    = "v1.0.0"
	wanted = "sha256:aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11"
)

func sum(digest string) map[string]string {
	return map[string]string{"critic.zip": strings.TrimPrefix(digest, "sha256:")}
}

func service(t *testing.T) *attest.Service {
	t.Helper()
	s, err := attest.New()
	require.NoError(t, err)
	return s
}

// trust reads a root as parallax-verify does, from a file.
func trust(t *testing.T, text []byte, err error) root.TrustedMaterial {
	t.Helper()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "root.json")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	trusted, err := Trusted(t.Context(), file, "")
	require.NoError(t, err)
	return trusted
}

func attested(t *testing.T, s *attest.Service, identity, issuer, kind, digest string) []byte {
	t.Helper()
	b, err := s.Attest(identity, issuer, kind, sum(digest))
	require.NoError(t, err)
	return b
}

func ask(trusted root.TrustedMaterial, bundles ...[]byte) origin.Answer {
	return Answer(origin.Question{Digest: wanted, Repo: repo, Tag: tag, Bundles: bundles}, trusted)
}

func TestAFileThatAWorkflowOfItsRepositoryBuilt(t *testing.T) {
	t.Parallel()
	s := service(t)
	text, err := s.Root()
	trusted := trust(t, text, err)
	good := attested(t, s, attest.Workflow(repo, tag), Issuer, attest.Provenance, wanted)
	beside := attested(t, s, attest.Workflow(repo, tag), Issuer, "https://spdx.dev/Document/v2.3", wanted)
	verified := origin.Answer{Verdict: origin.Verified, Identity: attest.Workflow(repo, tag)}
	require.Equal(t, verified, ask(trusted, good))
	require.Equal(t, verified, ask(trusted, snappy.Encode(nil, good)), "as GitHub keeps them")
	require.Equal(t, verified, ask(trusted, []byte("{"), beside, good), "one is enough")
	require.Equal(t, origin.None, ask(trusted, beside).Verdict)
	require.Equal(t, origin.None, ask(trusted).Verdict)
}

func TestAttestationsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := service(t)
	text, err := s.Root()
	trusted := trust(t, text, err)
	good := attested(t, s, attest.Workflow(repo, tag), Issuer, attest.Provenance, wanted)
	other, err := service(t).Root()
	elsewhere := trust(t, other, err)
	old, err := s.Expired()
	expired := trust(t, old, err)
	listed, err := s.Logged()
	logged := trust(t, listed, err)
	flipped := bytes.Replace(good, []byte(`"sig":"`), []byte(`"sig":"AAAA`), 1)
	require.NotEqual(t, good, flipped)
	for name, c := range map[string]struct {
		trusted root.TrustedMaterial
		bundle  []byte
		why     string
	}{
		"another owner":               {trusted, attested(t, s, attest.Workflow("mallory/critic", tag), Issuer, attest.Provenance, wanted), "built by https://github.com/mallory/critic/.*not by a workflow of github.com/acme/critic"},
		"an owner that begins alike":  {trusted, attested(t, s, attest.Workflow("acme/critic-2", tag), Issuer, attest.Provenance, wanted), "not by a workflow of"},
		"another tag":                 {trusted, attested(t, s, attest.Workflow(repo, "v1.0.1"), Issuer, attest.Provenance, wanted), "not by a workflow of .* at the tag v1.0.0"},
		"a tag that begins alike":     {trusted, attested(t, s, attest.Workflow(repo, "v1.0.00"), Issuer, attest.Provenance, wanted), "not by a workflow of"},
		"a tag that looks alike":      {trusted, attested(t, s, attest.Workflow(repo, "v1x0x0"), Issuer, attest.Provenance, wanted), "not by a workflow of"},
		"a branch":                    {trusted, attested(t, s, "https://github.com/acme/critic/.github/workflows/release.yml@refs/heads/main", Issuer, attest.Provenance, wanted), "refs/heads/main, not by"},
		"a workflow that is no file":  {trusted, attested(t, s, "https://github.com/acme/critic/.github/workflows/@refs/tags/v1.0.0", Issuer, attest.Provenance, wanted), "not by a workflow of"},
		"a person":                    {trusted, attested(t, s, "alice@example.com", Issuer, attest.Provenance, wanted), "built by alice@example.com"},
		"another issuer":              {trusted, attested(t, s, attest.Workflow(repo, tag), "https://gitlab.com", attest.Provenance, wanted), "the word of https://gitlab.com, not of GitHub Actions"},
		"another file":                {trusted, attested(t, s, attest.Workflow(repo, tag), Issuer, attest.Provenance, strings.Replace(wanted, "a", "b", 1)), "is about other files"},
		"another service":             {elsewhere, good, "does not hold"},
		"an authority that ended":     {expired, good, "does not hold"},
		"a certificate in no log":     {logged, good, "does not hold"},
		"a signature that was turned": {trusted, flipped, "does not hold|damaged"},
		"half of one":                 {trusted, good[:len(good)/2], "damaged"},
		"nothing":                     {trusted, nil, "damaged"},
		"something else":              {trusted, []byte("<html>"), "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := ask(c.trusted, c.bundle)
			require.Equal(t, origin.Refused, a.Verdict, "%+v", a)
			require.Regexp(t, c.why, a.Why)
			require.Empty(t, a.Identity)
		})
	}
}

// Whoever may change one byte of an attestation may not change what it says.
func TestAnAttestationCutAnywhereIsRefused(t *testing.T) {
	t.Parallel()
	s := service(t)
	text, err := s.Root()
	trusted := trust(t, text, err)
	good := attested(t, s, attest.Workflow(repo, tag), Issuer, attest.Provenance, wanted)
	for cut := 1; cut < len(good); cut += 97 {
		require.Equal(t, origin.Refused, ask(trusted, good[:cut]).Verdict, "cut at %d", cut)
	}
}

// What a real certificate says besides: a workflow that others may call vouches for what they called it for.
func TestAWorkflowThatSomebodyElseCalled(t *testing.T) {
	t.Parallel()
	c := check{Question: origin.Question{Repo: repo, Tag: tag}}
	cert := certificate.Summary{SubjectAlternativeName: attest.Workflow(repo, tag), Extensions: certificate.Extensions{
		Issuer: Issuer, SourceRepositoryURI: "https://github.com/Acme/critic", SourceRepositoryRef: "refs/tags/" + tag,
	}}
	identity, err := c.signer(cert)
	require.NoError(t, err)
	require.Equal(t, attest.Workflow(repo, tag), identity)
	other := cert
	other.SourceRepositoryURI = "https://github.com/mallory/critic"
	_, err = c.signer(other)
	require.ErrorContains(t, err, "it was built for https://github.com/mallory/critic")
	other = cert
	other.SourceRepositoryRef = "refs/heads/main"
	_, err = c.signer(other)
	require.ErrorContains(t, err, "it was built from refs/heads/main")
}

// A bundle of the public service, with the root of that time: all that is strict holds, and it says who it was.
func TestARealAttestation(t *testing.T) {
	t.Parallel()
	b := data.Bundle(t, "sigstore.js@2.0.0-provenance.sigstore.json")
	text, err := b.MarshalJSON()
	require.NoError(t, err)
	trusted := data.TrustedRoot(t, "public-good.json")
	verifier, err := strict(trusted)
	require.NoError(t, err)
	result, err := verifier.Verify(b, anyFile())
	require.NoError(t, err)
	c := check{Question: origin.Question{Repo: "sigstore/sigstore-js", Tag: "v2.0.0"}}
	_, err = c.signer(*result.Signature.Certificate)
	require.ErrorContains(t, err, "release.yml@refs/heads/main, not by a workflow of github.com/sigstore/sigstore-js at the tag v2.0.0")
	require.Contains(t, Answer(origin.Question{Digest: wanted, Repo: "sigstore/sigstore-js", Tag: "v2.0.0", Bundles: [][]byte{text}}, trusted).Why, "is about other files")
}

func TestQuestionsThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	s := service(t)
	text, err := s.Root()
	trusted := trust(t, text, err)
	for _, digest := range []string{"", "sha256:", "sha512:aa", wanted + "aa", "x"} {
		require.Equal(t, origin.Unknown, Answer(origin.Question{Digest: digest}, trusted).Verdict, digest)
	}
	require.Equal(t, origin.Unknown, ask(trusted, make([][]byte, maxBundles+1)...).Verdict)
	_, err = Trusted(t.Context(), filepath.Join(t.TempDir(), "none.json"), "")
	require.ErrorContains(t, err, "what is trusted cannot be read from")
	bomb := snappy.Encode(nil, make([]byte, maxBundle+1))
	require.Equal(t, origin.Refused, ask(trusted, bomb).Verdict)
	require.Equal(t, origin.Refused, ask(trusted, make([]byte, maxBundle+1)).Verdict)
}

// anyFile asks nothing but that the signature holds.
func anyFile() verify.PolicyBuilder {
	return verify.NewPolicy(verify.WithoutArtifactUnsafe(), verify.WithoutIdentitiesUnsafe())
}

// Package provenance answers who built a file, by what sigstore's public service witnessed: GitHub told it which workflow of which repository ran
// at which tag, a log that everybody can read has it, and the signature is over the file's checksum.
package provenance

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/snappy"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/parallax-run/parallax/internal/origin"
)

// Issuer is who told sigstore which workflow ran.
const Issuer = "https://token.actions.githubusercontent.com"

const (
	slsa       = "https://slsa.dev/provenance/" // of statements that say how a file was built
	inToto     = "application/vnd.in-toto+json"
	maxBundle  = 8 << 20
	maxBundles = 100
)

// Answer judges what is asked by what trusted vouches for. One attestation that fits is enough; if none does and there are some, the file is refused.
func Answer(q origin.Question, trusted root.TrustedMaterial) origin.Answer {
	digest, err := hex.DecodeString(strings.TrimPrefix(q.Digest, "sha256:"))
	if err != nil || len(digest) != 32 {
		return origin.Unable("%.80q is not a checksum", q.Digest)
	}
	if len(q.Bundles) > maxBundles {
		return origin.Unable("there are %d attestations, and no more than %d are read", len(q.Bundles), maxBundles)
	}
	verifier, err := strict(trusted)
	if err != nil {
		return origin.Unable("what is trusted cannot be used: %v", err)
	}
	c := check{Question: q, digest: digest, verifier: verifier}
	var reasons []string
	for _, text := range q.Bundles {
		identity, err := c.bundle(text)
		switch {
		case err == nil:
			return origin.Answer{Verdict: origin.Verified, Identity: identity}
		case !errors.Is(err, errBeside):
			reasons = append(reasons, err.Error())
		}
	}
	if len(reasons) == 0 {
		return origin.Answer{Verdict: origin.None}
	}
	slices.Sort(reasons)
	return origin.Answer{Verdict: origin.Refused, Why: strings.Join(slices.Compact(reasons), "; ")}
}

// strict makes a verifier that wants all that the trusted service gives: a log's word on the certificate, an entry in the log of signatures, and a time.
func strict(trusted root.TrustedMaterial) (*verify.Verifier, error) {
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	if len(trusted.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(trusted.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	return verify.NewVerifier(trusted, options...)
}

// errBeside says that an attestation is about something else than how the file was built.
var errBeside = errors.New("it does not say how the file was built")

// check is one file that is being judged.
type check struct {
	origin.Question
	digest   []byte
	verifier *verify.Verifier
}

// bundle judges one attestation and gives who vouches for the file.
func (c *check) bundle(text []byte) (identity string, err error) {
	text, err = unpacked(text)
	if err != nil {
		return "", err
	}
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(text); err != nil {
		return "", fmt.Errorf("the attestation is damaged: %w", err)
	}
	if err := c.about(text); err != nil {
		return "", err
	}
	result, err := c.verifier.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", c.digest), verify.WithoutIdentitiesUnsafe())) // who it is, is judged below
	if err != nil {
		return "", fmt.Errorf("the attestation does not hold: %w", err)
	}
	if result.Signature == nil || result.Signature.Certificate == nil {
		return "", errors.New("the attestation is by a key and not by a workflow")
	}
	return c.signer(*result.Signature.Certificate)
}

// unpacked is a bundle as JSON. GitHub keeps them packed.
func unpacked(text []byte) ([]byte, error) {
	if len(text) > maxBundle {
		return nil, fmt.Errorf("an attestation has %d bytes, and no more than %d are read", len(text), maxBundle)
	}
	if json.Valid(text) {
		return text, nil
	}
	n, err := snappy.DecodedLen(text)
	if err == nil && n > maxBundle {
		return nil, fmt.Errorf("an attestation has %d bytes, and no more than %d are read", n, maxBundle)
	}
	plain, err := snappy.Decode(nil, text)
	if err != nil {
		return nil, errors.New("the attestation is damaged: it is neither JSON nor packed")
	}
	return plain, nil
}

// about looks at what an attestation says before it is believed: another file's is told as such, and what is not about building is left out.
func (c *check) about(text []byte) error {
	var b struct {
		Envelope *struct {
			PayloadType string `json:"payloadType"`
			Payload     string `json:"payload"`
		} `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return fmt.Errorf("the attestation is damaged: %w", err)
	}
	if b.Envelope == nil {
		return nil // a signature over the file itself, without a statement
	}
	payload, err := base64.StdEncoding.DecodeString(b.Envelope.Payload)
	if err != nil || b.Envelope.PayloadType != inToto {
		return fmt.Errorf("the attestation holds %.60q and no statement about a file", b.Envelope.PayloadType)
	}
	var s struct {
		Predicate string `json:"predicateType"`
		Subject   []struct {
			Name   string            `json:"name"`
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		return fmt.Errorf("the attestation holds a statement that cannot be read: %w", err)
	}
	if !strings.HasPrefix(s.Predicate, slsa) {
		return errBeside
	}
	for _, subject := range s.Subject {
		if strings.EqualFold(subject.Digest["sha256"], hex.EncodeToString(c.digest)) {
			return nil
		}
	}
	return errors.New("the attestation is about other files")
}

// signer judges whom a certificate was made out to, and gives the workflow.
func (c *check) signer(cert certificate.Summary) (string, error) {
	issuer := cmp.Or(cert.Issuer, "nobody")
	if issuer != Issuer {
		return "", fmt.Errorf("the attestation rests on the word of %s, not of GitHub Actions", issuer)
	}
	want := regexp.MustCompile(`^https://github\.com/(?i:` + regexp.QuoteMeta(c.Repo) + `)/\.github/workflows/[^@]+@refs/tags/` + regexp.QuoteMeta(c.Tag) + `$`)
	identity := cert.SubjectAlternativeName
	if !want.MatchString(identity) {
		return "", fmt.Errorf("it was built by %s, not by a workflow of github.com/%s at the tag %s", identity, c.Repo, c.Tag)
	}
	// A workflow that others may call vouches for what they called it for. The certificate says who did.
	if from := cert.SourceRepositoryURI; from != "" && !strings.EqualFold(from, "https://github.com/"+c.Repo) {
		return "", fmt.Errorf("it was built for %s, by a workflow of github.com/%s", from, c.Repo)
	}
	if ref := cert.SourceRepositoryRef; ref != "" && ref != "refs/tags/"+c.Tag {
		return "", fmt.Errorf("it was built from %s, not from the tag %s", ref, c.Tag)
	}
	return identity, nil
}

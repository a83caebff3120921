// Package attest is a sigstore service for tests: an authority that gives certificates to workflows, a log and a clock, all made up and
// all in memory, with the file that says what to trust.
package attest

import (
	"encoding/hex"
	"encoding/json"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"google.golang.org/protobuf/encoding/protojson"
)

// Issuer is what real certificates of GitHub's workflows say.
const Issuer = "https://token.actions.githubusercontent.com"

// Provenance is the kind of statement that says how a file was built.
const Provenance = "https://slsa.dev/provenance/v1"

// Service is one sigstore service.
type Service struct{ ca *ca.VirtualSigstore }

// New makes a service that nobody knows.
func New() (*Service, error) {
	v, err := ca.NewVirtualSigstore()
	if err != nil {
		return nil, err
	}
	return &Service{v}, nil
}

// Root is what to trust, as trusted_root.json has it.
func (s *Service) Root() ([]byte, error) { return s.root(s.ca.FulcioCertificateAuthorities(), nil) }

// Expired is a root whose authority ended an hour ago.
func (s *Service) Expired() ([]byte, error) {
	old := *s.ca.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority)
	old.ValidityPeriodEnd = time.Now().Add(-time.Hour)
	return s.root([]root.CertificateAuthority{&old}, nil)
}

// Logged is a root that has a log of certificates, in which those of this service are not.
func (s *Service) Logged() ([]byte, error) {
	return s.root(s.ca.FulcioCertificateAuthorities(), s.ca.CTLogs())
}

func (s *Service) root(authorities []root.CertificateAuthority, ct map[string]*root.TransparencyLog) ([]byte, error) {
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, authorities, raw(ct), s.ca.TimestampingAuthorities(), raw(s.ca.RekorLogs()))
	if err != nil {
		return nil, err
	}
	return trusted.MarshalJSON()
}

// raw gives logs their names as bytes, as files have them.
func raw(logs map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
	for name, l := range logs {
		l.ID, _ = hex.DecodeString(name)
		l.SignatureHashFunc = l.HashFunc
	}
	return logs
}

// Workflow is who signs: the identity of a workflow of repo that ran at tag.
func Workflow(repo, tag string) string {
	return "https://github.com/" + repo + "/.github/workflows/release.yml@refs/tags/" + tag
}

// Attest signs as identity, on the word of issuer, a statement of a kind about files: checksums in hex by name. It gives the bundle as JSON.
func (s *Service) Attest(identity, issuer, kind string, files map[string]string) ([]byte, error) {
	type subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	statement := struct {
		Type      string         `json:"_type"`
		Subject   []subject      `json:"subject"`
		Kind      string         `json:"predicateType"`
		Predicate map[string]any `json:"predicate"`
	}{Type: "https://in-toto.io/Statement/v1", Kind: kind, Predicate: map[string]any{}}
	for name, sum := range files {
		statement.Subject = append(statement.Subject, subject{name, map[string]string{"sha256": sum}})
	}
	text, err := json.Marshal(statement)
	if err != nil {
		return nil, err
	}
	signed, err := s.ca.AttestAtTime(identity, issuer, text, time.Now().Add(5*time.Minute), true)
	if err != nil {
		return nil, err
	}
	return bundle(signed)
}

// bundle writes down what was signed, as its users get it.
func bundle(signed *ca.TestEntity) ([]byte, error) {
	content, err := signed.VerificationContent()
	if err != nil {
		return nil, err
	}
	cert := content.Certificate()
	signature, err := signed.SignatureContent()
	if err != nil {
		return nil, err
	}
	envelope := signature.EnvelopeContent().RawEnvelope()
	payload, err := envelope.DecodeB64Payload()
	if err != nil {
		return nil, err
	}
	b := &protobundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content:                   &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: cert.Raw}},
			TimestampVerificationData: &protobundle.TimestampVerificationData{},
		},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: payload, PayloadType: envelope.PayloadType, Signatures: []*protodsse.Signature{{Sig: signature.Signature()}},
		}},
	}
	entries, err := signed.TlogEntries()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		entry := e.TransparencyLogEntry()
		entry.KindVersion = &protorekor.KindVersion{Kind: "dsse", Version: "0.0.1"}
		b.VerificationMaterial.TlogEntries = append(b.VerificationMaterial.TlogEntries, entry)
	}
	times, err := signed.Timestamps()
	if err != nil {
		return nil, err
	}
	for _, t := range times {
		b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps = append(b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps,
			&protocommon.RFC3161SignedTimestamp{SignedTimestamp: t})
	}
	return protojson.Marshal(b)
}

// Package origin asks who built a file that somebody published: the question, the answer, and the program that knows it.
//
// To answer takes sigstore, which is large and slow to start, so that parallax does without it: parallax-verify is a program of its own, which
// reads a Question and writes an Answer, see package provenance.
package origin

import (
	"fmt"
	"strings"
)

// Question is about one file of a release. As JSON it is what parallax-verify reads.
type Question struct {
	Digest  string   `json:"digest"`          // of the file: "sha256:" and hex
	Repo    string   `json:"repo"`            // owner/repo on github.com that published it
	Tag     string   `json:"tag"`             // that it was published with
	Bundles [][]byte `json:"bundles"`         // attestations, each a sigstore bundle as JSON, or that packed with snappy
	Root    string   `json:"root,omitempty"`  // path of a trusted_root.json; "" is that of sigstore's public service
	Cache   string   `json:"cache,omitempty"` // where what is known of the public service is kept between questions
}

// Answer is what parallax-verify writes.
type Answer struct {
	Version  string  `json:"version"` // of the program that answers
	Verdict  Verdict `json:"verdict"`
	Identity string  `json:"identity,omitempty"` // who vouches for the file, when it is verified
	Why      string  `json:"why,omitempty"`      // when it is not
}

// Verdict is what can be said of a file's origin.
type Verdict string

// Verdicts.
const (
	Verified Verdict = "verified"    // a workflow of the repository built it, at the tag
	None     Verdict = "none"        // nobody says who built it
	Refused  Verdict = "refused"     // somebody says so, and it does not fit
	Unknown  Verdict = "not checked" // it could not be found out
)

// Signer is who stands behind an identity whatever the version: the workflow without the tag that it ran at.
func Signer(identity string) string {
	signer, _, _ := strings.Cut(identity, "@")
	return signer
}

// Unable is an Answer that nothing could be found out.
func Unable(format string, args ...any) Answer {
	return Answer{Verdict: Unknown, Why: fmt.Sprintf(format, args...)}
}

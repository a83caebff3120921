package runtime

import (
	"crypto/sha256"
	"encoding/hex"
)

// Payload is what goes in and out of effects and runs: one JSON value in canonical form, so that equal values are equal
// bytes. Canonical means UTF-8, no spaces, object keys in byte order and unique, integers exact and as short as they go, floats
// always with a point or an exponent (the shortest that reads back the same), strings escaped only where JSON demands it.
// NaN, infinities and bad UTF-8 do not occur.
//
// A Payload is never changed once made. Engines keep those over InlineBytes by reference.
type Payload []byte

// Null is the payload of None.
var Null = Payload("null")

// InlineBytes is the size up to which a payload travels inside a record or message; a larger one is stored once
// under its Digest and named by it.
const InlineBytes = 256 << 10

// Digest is the payload's content address: sha256 in hex.
func (p Payload) Digest() string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

func (p Payload) String() string { return string(p) }

// MarshalJSON lets a Payload stand in a larger JSON document as the value it is.
func (p Payload) MarshalJSON() ([]byte, error) {
	if len(p) == 0 {
		return Null, nil
	}
	return p, nil
}

// UnmarshalJSON takes any JSON value and makes it canonical.
func (p *Payload) UnmarshalJSON(b []byte) error {
	c, err := Canonical(b)
	*p = c
	return err
}

// Canonical checks a JSON document and gives its canonical form. It accepts what RFC 8259 allows, duplicate keys excepted;
// an error is a *PayloadError that names the byte offset.
func Canonical(raw []byte) (Payload, error) {
	s := scanner{src: raw}
	out, err := s.document(make([]byte, 0, len(raw)))
	if err != nil {
		return nil, err
	}
	return out, nil
}

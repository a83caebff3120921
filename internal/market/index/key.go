package index

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
)

const keyPrefix = "ed25519:"

// KeyText is a public key as people write it: ed25519: and base64.
func KeyText(key ed25519.PublicKey) string {
	return keyPrefix + base64.StdEncoding.EncodeToString(key)
}

// KeyID names a public key, so that messages can say which one is meant.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// ParseKey reads what KeyText wrote.
func ParseKey(text string) (ed25519.PublicKey, error) {
	coded, ok := strings.CutPrefix(strings.TrimSpace(text), keyPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(coded)
	if !ok || err != nil || len(key) != ed25519.PublicKeySize {
		return nil, wrongf(BadKey, "a public key reads ed25519: and 44 characters of base64; parallax index keygen prints it", "%.80q is not the public key of an index", text)
	}
	return key, nil
}

// PrivateText is a private key as it is kept in a file: PKCS #8 in PEM, as openssl reads it.
func PrivateText(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParsePrivate reads what PrivateText wrote. Its error says nothing of the text.
func ParsePrivate(text []byte) (ed25519.PrivateKey, error) {
	wrong := wrongf(BadKey, "parallax index keygen FILE makes one", "it is not the private key of an index: Ed25519, PKCS #8, PEM")
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, wrong
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, wrong
	}
	return key, nil
}

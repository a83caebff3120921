package index

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// FileName is what a published index is called.
const FileName = "index.ndjson"

// MaxBytes is how large a published index may be.
const MaxBytes = 64 << 20

// format is the number of the file's format. New keys do not change it: who does not know them passes over them.
const format = 1

// head is the first line of a published index.
type head struct {
	Format    int    `json:"parallax_index"`
	Key       string `json:"key"`       // KeyID
	Signature string `json:"signature"` // base64, over the second line without its newline
}

// Sign gives the index as it is published.
func (d *Document) Sign(key ed25519.PrivateKey) ([]byte, error) {
	body, err := line(d)
	if err != nil {
		return nil, err
	}
	public := key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // as crypto/ed25519 promises
	first, err := line(head{format, KeyID(public), base64.StdEncoding.EncodeToString(ed25519.Sign(key, body))})
	if err != nil {
		return nil, err
	}
	text := bytes.Join([][]byte{first, body, nil}, []byte{'\n'})
	if len(text) > MaxBytes {
		return nil, wrongf(Malformed, "", "the index has %d bytes, and nobody reads more than %d", len(text), MaxBytes)
	}
	return text, nil
}

// line is a value as one line of JSON, without its newline.
func line(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// Parse reads a published index and makes sure that key signed it. Its error is an *Error.
func Parse(text []byte, key ed25519.PublicKey) (*Document, error) {
	body, err := signed(text, key)
	if err != nil {
		return nil, err
	}
	d := &Document{}
	if err := json.Unmarshal(body, d); err != nil {
		return nil, wrongf(Malformed, "tell who runs the index", "the index is signed and cannot be read: %w", err)
	}
	if f := d.problems(); len(f) > 0 {
		return nil, wrongf(Malformed, "tell who runs the index", "the index is signed and says what it cannot: %s", f[0])
	}
	return d, nil
}

// signed gives the second line if the first one vouches for it.
func signed(text []byte, key ed25519.PublicKey) ([]byte, error) {
	if len(text) > MaxBytes {
		return nil, wrongf(Malformed, "", "the index is larger than %d MiB", MaxBytes>>20)
	}
	first, rest, _ := bytes.Cut(text, []byte{'\n'})
	var h head
	if err := json.Unmarshal(first, &h); err != nil || h.Format < 1 {
		return nil, wrongf(Malformed, "check its address; it ends in "+FileName, "it is not an index: it begins with %.60q", first)
	}
	if h.Format != format {
		return nil, wrongf(Newer, "install a newer parallax", "the index is of format %d, and this parallax reads %d", h.Format, format)
	}
	if h.Key != KeyID(key) {
		return nil, wrongf(Unsigned, "if its key was changed, take the new one from who runs it, over another way", "the index is signed with the key %.16q, and %s is expected", h.Key, KeyID(key))
	}
	body, after, ended := bytes.Cut(rest, []byte{'\n'})
	if !ended || len(after) > 0 {
		return nil, wrongf(Malformed, "try again", "the index does not end where it should: it was cut off, or has more than two lines")
	}
	signature, err := base64.StdEncoding.DecodeString(h.Signature)
	if err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, body, signature) {
		return nil, wrongf(Unsigned, "do not use it; tell who runs it", "the index was changed after it was signed")
	}
	return body, nil
}

// problems lists what a document says that it must not.
func (d *Document) problems() []Finding {
	found := findings{signed: true}
	for i := range d.Packages {
		p := &d.Packages[i]
		found.file = Path(p.Name)
		p.check(&found)
		if i > 0 && d.Packages[i-1].Name >= p.Name {
			found.wrong("name", "", "%s is not where it belongs", p.Name)
		}
		if p.Stats.Stars < 0 || p.Stats.Downloads < 0 {
			found.wrong("stats", "", "%s has counts below zero", p.Name)
		}
	}
	found.file = fmt.Sprintf("the index of %s", d.Built.Format("2006-01-02"))
	if d.Built.IsZero() {
		found.wrong("built", "", "it does not say when it was built")
	}
	notes(&found, d.Removed, d.Deprecated)
	return found.errors()
}

package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

func validUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// packValue puts JSON text into a Value, or into a blob beside it when it is large.
func packValue(dir string, text []byte) (*agentpb.Value, error) {
	if len(text) <= agentpb.InlineBytes || dir == "" {
		return &agentpb.Value{Kind: &agentpb.Value_Json{Json: text}}, nil
	}
	blob, err := writeBlob(dir, strings.NewReader(string(text)))
	if err != nil {
		return nil, err
	}
	blob.MediaType = "application/json"
	return &agentpb.Value{Kind: &agentpb.Value_Blob{Blob: blob}}, nil
}

// writeBlob copies r into a new file of the blob directory.
func writeBlob(dir string, r io.Reader) (*agentpb.Blob, error) {
	f, err := os.CreateTemp(dir, "a-")
	if err != nil {
		return nil, &Error{kind: internal, Message: "cannot write a blob: " + err.Error(), Cause: err}
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return nil, &Error{kind: internal, Message: "cannot write a blob: " + err.Error(), Cause: err}
	}
	return &agentpb.Blob{Sha256: hex.EncodeToString(sum.Sum(nil)), Size: uint64(n), Path: baseName(f.Name())}, nil
}

// unpackValue gives the JSON text of a Value and removes its blob.
func unpackValue(dir string, v *agentpb.Value) ([]byte, error) {
	blob := v.GetBlob()
	if blob == nil {
		return v.GetJson(), nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, BadInput("no blob directory: %w", err)
	}
	defer root.Close()
	text, err := root.ReadFile(blob.GetPath())
	if err != nil {
		return nil, BadInput("cannot read blob %q: %w", blob.GetPath(), err)
	}
	_ = root.Remove(blob.GetPath())
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != blob.GetSha256() {
		return nil, BadInput("blob %q is not what its sha256 says", blob.GetPath())
	}
	return text, nil
}

func baseName(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

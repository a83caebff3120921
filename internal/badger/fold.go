package badger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/parallax-run/parallax/runtime"
)

// A folded value begins with a zero byte, which neither a payload nor a fact does. Then come parts: a length and that many bytes as they
// are, then the digest of a blob that stands here, and so on; the last part has no digest behind it.
const (
	foldMark  = 0
	foldFrom  = 64 << 10 // strings as long as this are blobs
	foldWhole = 96 << 10 // a value that is still as long as this is one blob
)

func folded(value []byte) bool { return len(value) > 0 && value[0] == foldMark }

// fold puts the long strings of a payload among the blobs, each without its quotes, and appends their digests to needs.
func (b *blobs) fold(p runtime.Payload, needs *[]string) ([]byte, error) {
	if len(p) < foldFrom {
		return p, nil
	}
	var out []byte
	rest := []byte(p)
	from := 0
	for from < len(rest) {
		start, end := nextString(rest, from)
		if start < 0 {
			break
		}
		from = end + 1
		if end-start < foldFrom {
			continue
		}
		if out == nil {
			out = []byte{foldMark}
		}
		var err error
		if out, err = b.foldPart(out, rest[:start], rest[start:end], needs); err != nil {
			return nil, err
		}
		rest, from = rest[end:], 1
	}
	if out == nil {
		return p, nil
	}
	return append(binary.AppendUvarint(out, uint64(len(rest))), rest...), nil
}

func (b *blobs) foldPart(out, before, text []byte, needs *[]string) ([]byte, error) {
	digest, err := b.put(text)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(*needs, digest) {
		*needs = append(*needs, digest)
	}
	out = append(binary.AppendUvarint(out, uint64(len(before))), before...)
	raw, err := hex.DecodeString(digest)
	return append(out, raw...), err
}

// nextString gives the inside of the next string of a JSON text, at or behind from, which is not inside of one; -1 when there is none.
func nextString(text []byte, from int) (start, end int) {
	i := bytes.IndexByte(text[from:], '"')
	if i < 0 {
		return -1, -1
	}
	start = from + i + 1
	for end = start; end < len(text); end++ {
		i := bytes.IndexByte(text[end:], '"')
		if i < 0 {
			return -1, -1
		}
		end += i
		if escapes := len(text[start:end]) - len(bytes.TrimRight(text[start:end], `\`)); escapes%2 == 0 {
			return start, end
		}
	}
	return -1, -1
}

// whole makes a value that is too long for Badger one blob.
func (b *blobs) whole(value []byte, needs *[]string) ([]byte, error) {
	if len(value) < foldWhole {
		return value, nil
	}
	out, err := b.foldPart([]byte{foldMark}, nil, value, needs)
	return append(out, 0), err
}

// unfold gives back what was folded.
func (b *blobs) unfold(value []byte) ([]byte, error) {
	if !folded(value) {
		return value, nil
	}
	size, err := b.measure(value)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, size)
	err = eachPart(value, func(text []byte, digest string) error {
		out = append(out, text...)
		if digest == "" {
			return nil
		}
		blob, err := b.get(digest)
		out = append(out, blob...)
		return err
	})
	return out, err
}

// measure says how long values are together when they are unfolded. It reads no texts, and fails where that is more than there may be.
func (b *blobs) measure(values ...[]byte) (size int64, err error) {
	most := b.most
	if most == 0 {
		most = maxFrame
	}
	add := func(n int64) error {
		if size += n; size > most {
			return fmt.Errorf("a value of more than %d MiB is too long: the texts that it refers to may have that many together", most>>20)
		}
		return nil
	}
	for _, value := range values {
		if !folded(value) {
			err = add(int64(len(value)))
		} else {
			err = eachPart(value, func(text []byte, digest string) error {
				n, err := b.size(digest)
				return errorsOr(err, add(n+int64(len(text))))
			})
		}
		if err != nil {
			return size, err
		}
	}
	return size, nil
}

// eachPart reads a folded value. The digest is "" behind the last part.
func eachPart(value []byte, do func(text []byte, digest string) error) error {
	for value = value[1:]; ; {
		n, size := binary.Uvarint(value)
		if size <= 0 || n > uint64(len(value)-size) {
			return errors.New("a value in the store is cut off")
		}
		text, rest := value[size:size+int(n)], value[size+int(n):]
		if len(rest) == 0 {
			return do(text, "")
		}
		if len(rest) < sha256.Size {
			return errors.New("a value in the store is cut off")
		}
		if err := do(text, hex.EncodeToString(rest[:sha256.Size])); err != nil {
			return err
		}
		value = rest[sha256.Size:]
	}
}

// encodeFact gives a fact as it is stored, and the blobs that it needs.
func (b *blobs) encodeFact(f *runtime.Fact) (value []byte, needs []string, err error) {
	c := *f
	for _, p := range []*runtime.Payload{&c.Request, &c.Outcome} {
		if *p, err = b.fold(*p, &needs); err != nil {
			return nil, nil, err
		}
	}
	value, err = b.whole(c.Encode(), &needs)
	return value, needs, err
}

func (b *blobs) decodeFact(value []byte) (runtime.Fact, error) {
	value, err := b.unfold(value)
	if err != nil {
		return runtime.Fact{}, err
	}
	f, err := runtime.DecodeFact(value)
	if err != nil {
		return f, err
	}
	if _, err := b.measure(f.Request, f.Outcome); err != nil {
		return f, fmt.Errorf("the fact of %s: %w", f.Addr, err)
	}
	for _, p := range []*runtime.Payload{&f.Request, &f.Outcome} {
		whole, err := b.unfold(*p)
		if err != nil {
			return f, err
		}
		*p = whole
	}
	return f, nil
}

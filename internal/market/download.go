package market

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// chunk is how much is written and hashed at a time.
const chunk = 256 << 10

// part is a file on its way here, of which a beginning may have come earlier. It is never taken for the whole: only its checksum says that.
type part struct {
	file  *os.File
	note  string // name of the file that says of which version of the original it is a part; "" keeps none
	sum   hash.Hash
	size  int64  // that came so far, all of it in sum
	of    string // the version: a strong ETag, or when it was changed; "" when it cannot be continued
	older bool   // some of it came before this process
}

// openPart opens a file to be downloaded, with what is there of it.
func openPart(name, note string) (*part, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	p := &part{file: f, note: note, sum: sha256.New()}
	if err := p.known(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// known takes up what came earlier, if it can be continued.
func (p *part) known() error {
	of, err := os.ReadFile(p.note)
	if p.note == "" || len(of) == 0 || errors.Is(err, fs.ErrNotExist) {
		return p.restart("")
	}
	if err != nil {
		return err
	}
	if p.size, err = io.CopyBuffer(p.sum, p.file, make([]byte, chunk)); err != nil {
		return err
	}
	p.of, p.older = string(of), p.size > 0
	return nil
}

// restart forgets what came. What comes now is of a version.
func (p *part) restart(of string) error {
	p.sum.Reset()
	p.size, p.of, p.older = 0, of, false
	if p.note != "" {
		if err := os.Remove(p.note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil || of == "" || p.note == "" {
		return err
	}
	return os.WriteFile(p.note, []byte(of), 0o644) // whoever is killed before has none, and begins anew
}

// resumable says whether there is something to continue.
func (p *part) resumable() bool { return p != nil && p.size > 0 && p.of != "" }

// ask asks for the rest alone, unless the original is another by now.
func (p *part) ask(h http.Header) {
	h.Set("Accept-Encoding", "identity")
	if p.resumable() {
		h.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
		h.Set("If-Range", p.of)
	}
}

// begins takes note of what is going to come: all of it or the rest.
func (p *part) begins(res *http.Response) error {
	if res.StatusCode != http.StatusPartialContent {
		of := res.Header.Get("ETag")
		if of == "" || strings.HasPrefix(of, "W/") {
			of = res.Header.Get("Last-Modified")
		}
		return p.restart(of)
	}
	if want := fmt.Sprintf("bytes %d-", p.size); !strings.HasPrefix(res.Header.Get("Content-Range"), want) {
		return errElsewhere
	}
	return nil
}

// errElsewhere says that what comes does not continue what is there.
var errElsewhere = errors.New("the rest does not begin where it should")

// take writes down what comes, as far as it does.
func (p *part) take(body io.Reader) error {
	b := hashBehind(p.sum)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(p.file, b)}, body, make([]byte, chunk))
	b.wait()
	p.size += n
	return err
}

// digest is the checksum of what came.
func (p *part) digest() string { return "sha256:" + hex.EncodeToString(p.sum.Sum(nil)) }

func (p *part) close() error { return p.file.Close() }

// download writes what a request gives to a file. What breaks off is continued where the server can.
func (c *Client) download(ctx context.Context, r request, file string) error {
	p, err := openPart(file, "")
	if err != nil {
		return err
	}
	return errors.Join(c.fill(ctx, r, p), p.close())
}

// fill downloads what is missing of a part.
func (c *Client) fill(ctx context.Context, r request, p *part) error {
	r.part = p
	return c.get(ctx, r, p.take)
}

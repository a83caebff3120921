package market

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/market/index"
)

// IndexAt is where an index is, and who signs it.
type IndexAt struct {
	URL string // https, file, or http on this machine
	Key ed25519.PublicKey
}

// NoIndex is how one says that no index is to be asked.
const NoIndex = "off"

// ReadIndex reads "https://example.org/index.ndjson#ed25519:KEY".
func ReadIndex(text string) (IndexAt, error) {
	address, key, _ := strings.Cut(text, "#")
	const hint = "write https://example.org/index.ndjson#ed25519:KEY, where KEY is what its key.pub says"
	u, err := url.Parse(address)
	if err != nil || !askable(u) {
		return IndexAt{}, wrongf(BadName, hint, "%q is not the address of an index", address)
	}
	public, err := index.ParseKey(key)
	if err != nil {
		return IndexAt{}, wrongf(BadName, hint, "the index %s: %w", address, err)
	}
	return IndexAt{address, public}, nil
}

// Indexes are the indexes of a user, of which the last answer is kept, so that they can be read without a network:
//
//	DIR/ID/index.ndjson  as it came, signed
//	DIR/ID/state.json    when that was, and how to ask whether there is a newer one
//	DIR/ID/notes.json    what of it concerns packages that are installed; see Note
//
// They are for one goroutine.
type Indexes struct {
	At     []IndexAt
	Dir    string
	Client *Client
	Say    func(line string) // as Market has it
	Now    func() time.Time  // nil means time.Now

	fresh *Catalogue // once they were asked
	lacks error      // what that came to, where not all could be had
	notes []Note
	read  bool // notes were
}

// kept is what is known of an index that was fetched.
type kept struct {
	URL     string    `json:"url"`
	ETag    string    `json:"etag,omitempty"`
	Fetched time.Time `json:"fetched"` // when the host last said that this is how it is
	Built   time.Time `json:"built"`
	Sum     string    `json:"sum"` // of the text
}

func (x *Indexes) now() time.Time {
	if x.Now == nil {
		return time.Now()
	}
	return x.Now()
}

// file is a file of an index in the cache.
func (x *Indexes) file(at IndexAt, name string) string {
	sum := sha256.Sum256([]byte(at.URL + "#" + index.KeyText(at.Key)))
	return filepath.Join(x.Dir, hex.EncodeToString(sum[:12]), name)
}

// Fresh asks each index once whether it has changed, with one conditional request, and gives what they say now. Where one cannot be had, or is not to be trusted, it takes
// what is kept of it, and says so. The error is about those of which nothing is known; the rest is there all the same.
func (x *Indexes) Fresh(ctx context.Context) (*Catalogue, error) {
	if x.fresh != nil {
		return x.fresh, x.lacks
	}
	c := &Catalogue{}
	var errs []error
	for _, at := range x.At {
		doc, err := x.ask(ctx, at)
		if ctx.Err() != nil {
			return c, ctx.Err()
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c.docs = append(c.docs, listed{at, doc})
	}
	x.read, x.fresh, x.lacks = false, c, errors.Join(errs...)
	return x.fresh, x.lacks
}

// ask gives an index, from its host or from what is kept.
func (x *Indexes) ask(ctx context.Context, at IndexAt) (*index.Document, error) {
	old, was, err := x.kept(at)
	if err != nil {
		x.say(fmt.Sprintf("what is kept of the index %s is damaged, and is fetched again: %v", at.URL, err))
	}
	doc, err := x.fetch(ctx, at, old, was)
	if err == nil || ctx.Err() != nil {
		return doc, err
	}
	if old == nil {
		return nil, nothingKept(at, err)
	}
	x.say(fmt.Sprintf("%v; using what the index said %s ago", err, age(x.now().Sub(was.Fetched))))
	return old, nil
}

// nothingKept says that nothing is known of an index.
func nothingKept(at IndexAt, err error) error {
	e, ok := errors.AsType[*Error](err)
	hint := "check PARALLAX_INDEX and the network"
	if ok && e.Hint != "" {
		hint = e.Hint
	}
	code := Network
	if ok {
		code = e.Code
	}
	of := "the index " + at.URL
	if strings.Contains(err.Error(), at.URL) {
		of = "it"
	}
	return &Error{Code: code, Message: fmt.Sprintf("%v; nothing is kept of %s", err, of), Hint: hint, Cause: err}
}

// fetch asks the host of an index. old is what is kept of it, or nil.
func (x *Indexes) fetch(ctx context.Context, at IndexAt, old *index.Document, was kept) (*index.Document, error) {
	r := request{url: x.Client.rebased(at.URL), host: hostOf(at.URL), max: index.MaxBytes}
	now := kept{URL: at.URL, Fetched: x.now().UTC()}
	r.head = func(h http.Header) { now.ETag = h.Get("ETag") }
	if old != nil {
		r.etag, r.once = was.ETag, true
	}
	text, err := x.Client.text(ctx, r)
	if errors.Is(err, errUnchanged) {
		was.Fetched = now.Fetched
		return old, x.put(at, was)
	}
	if e, ok := errors.AsType[*statusError](err); ok {
		return nil, wrongf(Network, withoutIndex, "the index %s cannot be had: its host answered %d", at.URL, e.code)
	}
	if err != nil {
		return nil, err
	}
	doc, err := parseIndex(at, text)
	if err != nil {
		return nil, err
	}
	if old != nil && doc.Built.Before(old.Built) {
		return nil, wrongf(Moved, "tell who runs it; a mirror of it may lag behind", "the index %s is of %s, and the one that is kept is of %s: it was rolled back",
			at.URL, doc.Built.UTC().Format(time.RFC3339), old.Built.UTC().Format(time.RFC3339))
	}
	now.Built, now.Sum = doc.Built, sumOf(text)
	return doc, x.keep(at, doc, text, now)
}

// withoutIndex is the next step where an index is not, or not yet, at its address.
const withoutIndex = "take packages by their source, such as github.com/owner/repo, or name another index in PARALLAX_INDEX; off is none"

// parseIndex reads an index and checks who signed it.
func parseIndex(at IndexAt, text []byte) (*index.Document, error) {
	doc, err := index.Parse(text, at.Key)
	if e, ok := errors.AsType[*index.Error](err); ok {
		return nil, &Error{Code: BadSum, Message: fmt.Sprintf("the index %s is refused: %s", at.URL, e.Message), Hint: e.Hint, Cause: e}
	}
	return doc, err
}

// keep writes what came. Of the three files the state is the last: without it the rest is fetched again.
func (x *Indexes) keep(at IndexAt, doc *index.Document, text []byte, now kept) error {
	notes, err := json.Marshal(notesOf(doc))
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"index.ndjson": text, "notes.json": notes} {
		if err := WriteFile(x.file(at, name), text); err != nil {
			return roomless(err)
		}
	}
	return x.put(at, now)
}

func (x *Indexes) put(at IndexAt, k kept) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return roomless(WriteFile(x.file(at, "state.json"), append(text, '\n')))
}

// kept gives what is kept of an index, nil when nothing is. The error says that it is damaged.
func (x *Indexes) kept(at IndexAt) (*index.Document, kept, error) {
	var k kept
	state, err := os.ReadFile(x.file(at, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, k, nil
	}
	if err == nil {
		err = json.Unmarshal(state, &k)
	}
	if err != nil {
		return nil, k, err
	}
	text, err := os.ReadFile(x.file(at, "index.ndjson"))
	if err != nil {
		return nil, k, err
	}
	doc, err := parseIndex(at, text)
	if sumOf(text) != k.Sum {
		k.ETag = "" // one of two processes wrote the one, and another the other
	}
	return doc, k, err
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (x *Indexes) say(line string) {
	if x.Say != nil {
		x.Say(line)
	}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "this machine"
	}
	return u.Host
}

// age is a time span as people say it.
func age(d time.Duration) string {
	for _, unit := range []struct {
		name string
		d    time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		switch n := d / unit.d; {
		case n == 1:
			return "1 " + unit.name
		case n > 1:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return "less than a minute"
}

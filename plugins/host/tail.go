package host

import (
	"bytes"
	"strings"
	"sync"
)

const (
	tailBytes    = 64 << 10 // of stderr kept
	excerptBytes = 2 << 10  // of it shown in errors
	excerptLines = 12
)

// tail keeps the last tailBytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool  // something was dropped
	all int64 // bytes ever written
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	t.all += int64(len(p))
	if len(t.buf) > 2*tailBytes {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailBytes:]...)
		t.cut = true
	}
	return len(p), nil
}

// size is how many bytes were ever written.
func (t *tail) size() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all
}

// text is all that is kept, from the start of a line.
func (t *tail) text() string { return t.since(0) }

// since is what is kept of all that was written when size was at least from.
func (t *tail) since(from int64) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, cut := t.buf, t.cut
	if fresh := t.all - from; fresh <= int64(len(b)) {
		b, cut = b[int64(len(b))-fresh:], false
	}
	if len(b) > tailBytes {
		b, cut = b[len(b)-tailBytes:], true
	}
	if cut {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// excerpt is the last few lines, for an error.
func excerpt(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\r\n\t "), "\n")
	if len(lines) > excerptLines {
		lines = lines[len(lines)-excerptLines:]
	}
	s := strings.Join(lines, "\n")
	if len(s) > excerptBytes {
		s = "..." + strings.ToValidUTF8(s[len(s)-excerptBytes:], "")
	}
	return printable(s)
}

// printable shows control characters instead of sending them to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// scrubber removes secrets from text. The zero scrubber removes none.
type scrubber struct{ r *strings.Replacer }

// newScrubber hides the values, and the longer lines of values that have several.
func newScrubber(values []string) scrubber {
	var pairs []string
	for _, v := range values {
		for _, s := range append([]string{v}, strings.Split(v, "\n")...) {
			if s = strings.TrimSpace(s); len(s) >= 4 {
				pairs = append(pairs, s, "[secret]")
			}
		}
	}
	if pairs == nil {
		return scrubber{}
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

func (s scrubber) clean(text string) string {
	if s.r == nil {
		return text
	}
	return s.r.Replace(text)
}

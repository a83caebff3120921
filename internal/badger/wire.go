package badger

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// protocol is what owner and others speak: a greeting each, then requests one way and answers the other, as gob.
const protocol = 1

// greeting is the first thing that each side says.
type greeting struct {
	Protocol int
	Version  string
	Holder   holder
}

// wire is one end of a connection.
type wire struct {
	conn net.Conn
	buf  *bufio.Writer
	enc  *gob.Encoder
	dec  *gob.Decoder
}

func newWire(conn net.Conn) *wire {
	w := &wire{conn: conn, buf: bufio.NewWriterSize(conn, 64<<10)}
	w.enc, w.dec = gob.NewEncoder(w.buf), newDecoder(conn)
	return w
}

func newDecoder(r io.Reader) *gob.Decoder { return gob.NewDecoder(bufio.NewReaderSize(r, 64<<10)) }

// greet tells who this is and hears who the other is.
func (w *wire) greet(g greeting) (greeting, error) {
	if err := w.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return greeting{}, err
	}
	var other greeting
	err := w.say(g)
	if err == nil {
		err = w.dec.Decode(&other)
	}
	return other, errors.Join(err, w.conn.SetDeadline(time.Time{}))
}

func (w *wire) say(v any) error {
	if err := w.enc.Encode(v); err != nil {
		return err
	}
	return w.buf.Flush()
}

// sayAll writes what comes from a queue until it is closed.
func sayAll[T any](w *wire, q *queue[T]) error {
	var spare []T
	for {
		things := q.take(spare)
		if len(things) == 0 {
			return nil
		}
		for _, t := range things {
			if err := w.enc.Encode(t); err != nil {
				return err
			}
		}
		if err := w.buf.Flush(); err != nil {
			return err
		}
		spare = things
	}
}

// maxSocket is how long the path of a socket may be; systems allow a little over 100 bytes.
const maxSocket = 100

// pointer is the file that says where the socket is when the path in the store is too long.
func pointer(dir string) string { return filepath.Join(dir, "socket") }

const aside = "parallax-store-"

// listen makes the socket of the store. Whoever calls it owns the store: a socket that is there is nobody's.
func listen(dir string) (net.Listener, error) {
	clearSocket(dir)
	path := filepath.Join(dir, "store.sock")
	if len(path) > maxSocket {
		room, err := os.MkdirTemp("", aside)
		if err != nil {
			return nil, err
		}
		path = filepath.Join(room, "s")
		b := blobs{dir: dir}
		if err := b.replace(pointer(dir), []byte(path)); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path) //nolint:noctx // it does not wait
	if err != nil {
		return nil, fmt.Errorf("the socket of the store: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// clearSocket removes the socket of the store, wherever it is.
func clearSocket(dir string) {
	if path := elsewhere(dir); path != "" {
		_ = os.Remove(path)
		_ = os.Remove(filepath.Dir(path)) // which fails if there is anything else in it
		_ = os.Remove(pointer(dir))
	}
	_ = os.Remove(filepath.Join(dir, "store.sock")) // there may be none
}

// elsewhere gives the path that the pointer names, if it is one that listen makes.
func elsewhere(dir string) string {
	text, err := os.ReadFile(pointer(dir))
	path := string(text)
	if err != nil || filepath.Base(path) != "s" || !strings.HasPrefix(filepath.Base(filepath.Dir(path)), aside) {
		return ""
	}
	return path
}

func socketOf(dir string) string {
	if path := filepath.Join(dir, "store.sock"); len(path) <= maxSocket {
		return path
	}
	return elsewhere(dir)
}

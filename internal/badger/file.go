package badger

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// An exported run is one file: a first line, then frames. A frame is a letter, the length of the rest as a varint, and the rest. The last frame
// is the sha256 of everything before it.
const (
	firstLine   = "parallax run 1\n"
	frameBlob   = 'B' // text
	frameFacts  = 'F' // run, batch of facts as they are stored
	frameRecord = 'R' // run, record as it is stored; that of the run itself comes last
	frameEnd    = 'E' // sha256
	maxFrame    = 1 << 30
)

// frameWriter writes a file.
type frameWriter struct {
	to  *bufio.Writer
	sum hash.Hash
	out io.Writer // both
}

func newFrameWriter(w io.Writer) (*frameWriter, error) {
	f := &frameWriter{to: bufio.NewWriter(w), sum: sha256.New()}
	f.out = io.MultiWriter(f.to, f.sum)
	_, err := io.WriteString(f.out, firstLine)
	return f, err
}

func (f *frameWriter) frame(kind byte, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	head := binary.AppendUvarint([]byte{kind}, uint64(n))
	for _, p := range append([][]byte{head}, parts...) {
		if _, err := f.out.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// named writes a frame that begins with the name of a run.
func (f *frameWriter) named(kind byte, run string, value []byte) error {
	return f.frame(kind, binary.AppendUvarint(nil, uint64(len(run))), []byte(run), value)
}

func (f *frameWriter) end() error {
	if err := f.frame(frameEnd, f.sum.Sum(nil)); err != nil {
		return err
	}
	return f.to.Flush()
}

// frame is one of a file.
type frame struct {
	kind  byte
	run   string // of facts and records
	value []byte
	end   int64 // where it ends in the file
}

// errFile is what is wrong with a file that is no exported run.
func errFile(why string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFile, fmt.Sprintf(why, args...))
}

// readFrames reads a file and hands over its frames, but the last. That the checksum is right is known when it returns without an error.
func readFrames(r io.Reader, do func(frame) error) error {
	sum := sha256.New()
	in := &summed{r: bufio.NewReader(r), sum: sum}
	line := make([]byte, len(firstLine))
	if _, err := io.ReadFull(in, line); err != nil || string(line) != firstLine {
		return wrongLine(line)
	}
	for {
		want := sum.Sum(nil)
		kind, err := in.ReadByte()
		if err != nil {
			return cutOff(err)
		}
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return cutOff(err)
		}
		if n > maxFrame {
			return errFile("a part of %d bytes is too long", n)
		}
		var value bytes.Buffer // it grows as the bytes come: the length may be a lie
		if _, err := io.CopyN(&value, in, int64(n)); err != nil {
			return cutOff(err)
		}
		if kind == frameEnd {
			return checkEnd(in, want, value.Bytes())
		}
		f, err := parseFrame(kind, value.Bytes())
		f.end = in.n
		if err == nil {
			err = do(f)
		}
		if err != nil {
			return err
		}
	}
}

func parseFrame(kind byte, value []byte) (frame, error) {
	f := frame{kind: kind, value: value}
	switch kind {
	case frameBlob:
		return f, nil
	case frameFacts, frameRecord:
		n, size := binary.Uvarint(value)
		if size <= 0 || n > uint64(len(value)-size) {
			return f, errFile("a part of it is cut off")
		}
		f.run, f.value = string(value[size:size+int(n)]), value[size+int(n):]
		if err := checkTree(f.run); err != nil {
			return f, errFile("%v", err)
		}
		return f, nil
	}
	return f, errFile("it has a part of kind %q", kind)
}

func checkEnd(in *summed, want, got []byte) error {
	if !bytes.Equal(want, got) {
		return errFile("its checksum is not right")
	}
	if _, err := in.ReadByte(); err == nil {
		return errFile("it goes on after its end")
	}
	return nil
}

func wrongLine(line []byte) error {
	if strings.HasPrefix(string(line), "parallax run ") {
		return errFile("it has a format that this version does not know")
	}
	return errFile("it does not begin like one")
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errFile("it is cut off")
	}
	return err
}

// summed counts what is read into a checksum.
type summed struct {
	r   *bufio.Reader
	sum hash.Hash
	n   int64 // bytes read
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	return n, err
}

func (s *summed) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		s.sum.Write([]byte{b})
		s.n++
	}
	return b, err
}

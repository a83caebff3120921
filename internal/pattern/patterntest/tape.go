package patterntest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// tapeVersion is the version of the format of cassettes.
const tapeVersion = 1

// tape is what was recorded of one test.
type tape struct {
	Agents []tapedAgent `json:"agents,omitempty"` // asked or found, sorted by name
	Calls  []taped      `json:"calls"`            // sorted by run, address and attempt
}

// tapedAgent is what was known of an agent.
type tapedAgent struct {
	Absent       bool     `json:"absent,omitempty"` // the project has none of that name
	AtMostOnce   bool     `json:"at_most_once,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
	Idempotent   bool     `json:"idempotent,omitempty"`
	Name         string   `json:"name"`
}

// taped is one attempt at a call and what came of it.
type taped struct {
	Answer    runtime.Payload `json:"answer,omitempty"`
	At        string          `json:"at"`
	Attempt   int             `json:"attempt,omitempty"`   // from 2
	Cancelled bool            `json:"cancelled,omitempty"` // nobody waited for the answer any more
	Error     *tapedError     `json:"error,omitempty"`
	Request   runtime.Payload `json:"request"`
	Run       string          `json:"run,omitempty"` // of a child run
}

type tapedError struct {
	Code      runtime.Code    `json:"code"`
	Details   runtime.Payload `json:"details,omitempty"`
	Hint      string          `json:"hint,omitempty"`
	Message   string          `json:"message"`
	Retryable bool            `json:"retryable,omitempty"`
}

func (t *taped) attempt() int { return max(t.Attempt, 1) }

// place says where in the script's work the call was.
func (t *taped) place() string {
	if t.Run == "" {
		return t.At
	}
	return t.Run + ": " + t.At
}

func (t *taped) compare(o *taped) int {
	a, _ := runtime.ParseAddress(t.At)
	b, _ := runtime.ParseAddress(o.At)
	return cmp.Or(strings.Compare(t.Run, o.Run), a.Compare(b), cmp.Compare(t.attempt(), o.attempt()))
}

// tapes are what a cassette holds, by test.
type tapes map[string]*tape

// cassetteFile is the file as a whole.
type cassetteFile struct {
	Cassette int   `json:"cassette"` // version of the format
	Tests    tapes `json:"tests"`
}

// readTapes reads what writeTapes wrote.
func readTapes(name string, text []byte) (tapes, error) {
	var version struct {
		Cassette int `json:"cassette"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, damaged(name, err)
	}
	switch {
	case version.Cassette == 0:
		return nil, damaged(name, errors.New(`"cassette" does not say its version`))
	case version.Cassette > tapeVersion:
		return nil, fmt.Errorf("%s was recorded by a newer parallax: its version is %d, and this one reads up to %d", name, version.Cassette, tapeVersion)
	}
	var file cassetteFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, damaged(name, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, damaged(name, errors.New("something follows its end"))
	}
	for test, t := range file.Tests {
		if err := t.check(); err != nil {
			return nil, damaged(name, fmt.Errorf("%s: %w", test, err))
		}
	}
	if file.Tests == nil {
		file.Tests = make(tapes)
	}
	return file.Tests, nil
}

func damaged(name string, err error) error {
	return fmt.Errorf("%s is no cassette, or is damaged: %w", name, err)
}

// check says what is wrong with the tape of a test.
func (t *tape) check() error {
	if t == nil {
		return errors.New("there is nothing")
	}
	for i := range t.Calls {
		c := &t.Calls[i]
		if _, ok := runtime.ParseAddress(c.At); !ok {
			return fmt.Errorf("call %d: %q is no address", i+1, c.At)
		}
		ends := 0
		for _, end := range []bool{c.Cancelled, len(c.Answer) > 0, c.Error != nil} {
			if end {
				ends++
			}
		}
		if ends != 1 {
			return fmt.Errorf("call %d, at %s, has to have one of answer, error and cancelled", i+1, c.place())
		}
		if len(c.Answer) > 0 {
			if _, err := runtime.ParseAnswer(c.Answer); err != nil {
				return fmt.Errorf("call %d, at %s: the answer: %w", i+1, c.place(), err)
			}
		}
		if len(c.Request) == 0 {
			return fmt.Errorf("call %d, at %s, has no request", i+1, c.place())
		}
	}
	return nil
}

// writeTapes gives the text of a cassette: JSON that is canonical but for its lines, one for each call, so that equal recordings are equal
// bytes and others are compared line by line.
func writeTapes(all tapes) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"cassette":%d,"tests":{`, tapeVersion)
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			b.WriteByte(',')
		}
		quoted, err := canonical(name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "\n%s:{", quoted)
		t := all[name]
		if len(t.Agents) > 0 {
			if err := writeLines(&b, "agents", t.Agents); err != nil {
				return nil, err
			}
			b.WriteByte(',')
		}
		if err := writeLines(&b, "calls", t.Calls); err != nil {
			return nil, err
		}
		b.WriteByte('}')
	}
	b.WriteString("}}\n")
	return b.Bytes(), nil
}

func writeLines[T any](b *bytes.Buffer, name string, list []T) error {
	fmt.Fprintf(b, `"%s":[`, name)
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		line, err := canonical(v)
		if err != nil {
			return err
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteByte(']')
	return nil
}

// canonical is a value of ours as canonical JSON.
func canonical(v any) (runtime.Payload, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}

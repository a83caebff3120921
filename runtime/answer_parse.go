package runtime

import (
	"bytes"
	"strconv"
)

// ParseAnswer reads the outcome of an AgentCall: what Answer.Payload wrote. Value aliases p. An error is a *PayloadError and
// says that the engine, not the agent or the script, broke its promise.
func ParseAnswer(p Payload) (Answer, error) {
	var a Answer
	s := scanner{src: p}
	err := s.fields(a.field)
	if err == nil && a.Value == nil {
		err = s.fail("an answer without a value")
	}
	return a, err
}

func (a *Answer) field(s *scanner, name []byte) (err error) {
	switch string(name) {
	case "agent":
		a.Agent, err = s.word()
	case "artifacts":
		err = s.elements(func(s *scanner) error {
			a.Artifacts = append(a.Artifacts, Artifact{})
			last := &a.Artifacts[len(a.Artifacts)-1]
			return s.fields(func(s *scanner, name []byte) error { return artifactField(last, s, name) })
		})
	case "attempts":
		var n int64
		n, err = s.int64()
		a.Attempts = int(n)
	case "basis":
		a.Basis, err = s.word()
	case "cached":
		var p Payload
		p, err = s.raw()
		a.Cached = string(p) == "true"
	case "confidence":
		a.Confidence = new(float64)
		*a.Confidence, err = s.float64()
	case "finish":
		a.Finish, err = s.word()
	case "reasoning":
		a.Reasoning, err = s.word()
	case "usage":
		err = s.fields(a.Usage.field)
	case "value":
		a.Value, err = s.raw()
	case "version":
		a.Version, err = s.word()
	default:
		_, err = s.raw()
	}
	return err
}

func (u *Usage) field(s *scanner, name []byte) (err error) {
	switch string(name) {
	case "cached_tokens":
		u.CachedTokens, err = s.int64()
	case "cost_microusd":
		u.CostMicroUSD, err = s.int64()
	case "input_tokens":
		u.InputTokens, err = s.int64()
	case "model":
		u.Model, err = s.word()
	case "output_tokens":
		u.OutputTokens, err = s.int64()
	case "reasoning_tokens":
		u.ReasoningTokens, err = s.int64()
	default:
		_, err = s.raw()
	}
	return err
}

func artifactField(f *Artifact, s *scanner, name []byte) (err error) {
	switch string(name) {
	case "media_type":
		f.MediaType, err = s.word()
	case "name":
		f.Name, err = s.word()
	case "path":
		f.Path, err = s.word()
	case "sha256":
		f.SHA256, err = s.word()
	case "size":
		f.Size, err = s.int64()
	default:
		_, err = s.raw()
	}
	return err
}

// fields calls read at the value of each field of an object.
func (s *scanner) fields(read func(s *scanner, name []byte) error) error {
	if s.peek() != '{' {
		return s.fail("%s where an object should start", s.found())
	}
	s.pos++
	for first := true; s.peek() != '}'; first = false {
		if !first {
			if s.peek() != ',' {
				return s.fail("%s in an object, want ',' or '}'", s.found())
			}
			s.pos++
		}
		if s.peek() != '"' {
			return s.fail("%s where a key should start", s.found())
		}
		name, err := s.text()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.fail("%s after a key, want ':'", s.found())
		}
		s.pos++
		if err := read(s, name); err != nil {
			return err
		}
	}
	s.pos++
	return nil
}

// elements calls read at each element of an array.
func (s *scanner) elements(read func(s *scanner) error) error {
	if s.peek() != '[' {
		return s.fail("%s where a list should start", s.found())
	}
	s.pos++
	for first := true; s.peek() != ']'; first = false {
		if !first {
			if s.peek() != ',' {
				return s.fail("%s in a list, want ',' or ']'", s.found())
			}
			s.pos++
		}
		if err := read(s); err != nil {
			return err
		}
	}
	s.pos++
	return nil
}

func (s *scanner) word() (string, error) {
	if s.peek() != '"' {
		return "", s.fail("%s where a string should start", s.found())
	}
	text, err := s.text()
	return string(text), err
}

func (s *scanner) int64() (int64, error) {
	text, err := s.digits()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, s.fail("%s is not an integer of 64 bits", clip(text))
	}
	return n, nil
}

func (s *scanner) float64() (float64, error) {
	text, err := s.digits()
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, s.fail("the number %s is out of range", clip(text))
	}
	return f, nil
}

func (s *scanner) digits() ([]byte, error) {
	s.peek()
	start := s.pos
	_, err := s.numeral()
	return s.src[start:s.pos], err
}

// raw moves over one value of a canonical document and gives its bytes, which it does not look into further than to find
// their end.
func (s *scanner) raw() (Payload, error) {
	s.peek()
	start, depth := s.pos, 0
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case '"':
			if err := s.skipText(); err != nil {
				return nil, err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return s.since(start)
			}
			depth--
		case ',':
			if depth == 0 {
				return s.since(start)
			}
		}
		s.pos++
	}
	return nil, s.fail("the document ends inside a value")
}

func (s *scanner) since(start int) (Payload, error) {
	if s.pos == start {
		return nil, s.fail("%s where a value should start", s.found())
	}
	return Payload(s.src[start:s.pos:s.pos]), nil
}

// skipText moves over a string.
func (s *scanner) skipText() error {
	for at := s.pos + 1; ; at++ {
		quote := bytes.IndexByte(s.src[at:], '"')
		if quote < 0 {
			return s.fail("the document ends inside a string")
		}
		at += quote
		escapes := 0
		for s.src[at-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			s.pos = at + 1
			return nil
		}
	}
}

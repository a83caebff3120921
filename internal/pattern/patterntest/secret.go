package patterntest

import (
	"bytes"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// leastSecret is the length of the shortest value that is looked for, in bytes: shorter ones are too often something else.
const leastSecret = 6

// secretIn says whether a document holds a secret, and which.
func (w *World) secretIn(p runtime.Payload) (name string, found bool) {
	for _, s := range w.Secrets {
		if raw := quoted(s.Value); raw != nil && bytes.Contains(p, raw) {
			return s.Name, true
		}
	}
	return "", false
}

// redact puts the names of secrets in place of their values.
func (w *World) redact(p runtime.Payload) (runtime.Payload, error) {
	for _, s := range w.Secrets {
		if raw := quoted(s.Value); raw != nil {
			p = bytes.ReplaceAll(p, raw, quoted("["+s.Name+" is left out]"))
		}
	}
	return runtime.Canonical(p)
}

func (w *World) redactError(e *tapedError) error {
	p, err := canonical(e)
	if err != nil {
		return err
	}
	if _, found := w.secretIn(p); !found {
		return nil
	}
	for _, field := range []*string{&e.Message, &e.Hint} {
		for _, s := range w.Secrets {
			if quoted(s.Value) != nil {
				*field = string(bytes.ReplaceAll([]byte(*field), []byte(s.Value), []byte("["+s.Name+" is left out]")))
			}
		}
	}
	if len(e.Details) > 0 {
		e.Details, err = w.redact(e.Details)
	}
	return err
}

// quoted is a text as it stands between the quotes of a JSON string, nil for one that is too short to be looked for.
func quoted(s string) []byte {
	if len(s) < leastSecret {
		return nil
	}
	p, err := runtime.Encode(starlark.String(s))
	if err != nil {
		return nil
	}
	return p[1 : len(p)-1]
}

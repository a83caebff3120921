package llm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// StatusError is an answer with an HTTP error status. Its Error does not hold the provider's message, which may hold a part
// of the key.
type StatusError struct {
	Status  int
	Header  http.Header
	Message string // the provider's own, "" if there is none that can be read
	Code    string // the provider's own, or its type of error
	Param   string // the field of the request that is wrong, or ""
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answered with status %d", e.Status)
}

const maxComplaint = 64 << 10 // bytes read of an error's body

// readStatus reads an error in the forms that providers use: {"error": {"message", "code", "type", "param"}},
// {"error": "message"}, {"message": ...}, {"detail": ...}, or plain text.
func readStatus(res *http.Response) *StatusError {
	defer res.Body.Close()
	e := &StatusError{Status: res.StatusCode, Header: res.Header}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxComplaint))
	if err != nil {
		return e // the status must do
	}
	var body map[string]json.RawMessage
	if json.Unmarshal(text, &body) != nil {
		e.Message = string(text)
		return e
	}
	var inner map[string]json.RawMessage
	if json.Unmarshal(body["error"], &inner) == nil {
		e.Message, e.Param = first(inner, "message"), first(inner, "param")
		e.Code = first(inner, "code", "type")
		return e
	}
	e.Message = first(body, "error", "message", "detail")
	return e
}

// first is the first of the fields that is there and not empty.
func first(fields map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		if raw := fields[name]; len(raw) > 0 && string(raw) != "null" && string(raw) != `""` {
			return plain(raw)
		}
	}
	return ""
}

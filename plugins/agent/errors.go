package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// kind is what went wrong, and so which status the host sees.
type kind uint8

const (
	refused kind = iota
	badInput
	unavailable
	overloaded
	timeout
	notFound
	internal
)

// Error is a failure that says what the host should do about it. Any other error counts as a refusal.
type Error struct {
	kind       kind
	Message    string            // what happened, in one sentence
	Hint       string            // the next step for a person, or ""
	Code       string            // the agent's own, for programs, or ""
	RetryAfter time.Duration     // zero means unknown
	Fields     map[string]string // what is wrong with which field
	Cause      error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// WithHint adds the next step for a person.
func (e *Error) WithHint(hint string) *Error {
	e.Hint = hint
	return e
}

// WithCode adds a code of the agent's own.
func (e *Error) WithCode(code string) *Error {
	e.Code = code
	return e
}

// WithField says what is wrong with one field.
func (e *Error) WithField(name, wrong string) *Error {
	if e.Fields == nil {
		e.Fields = make(map[string]string)
	}
	e.Fields[name] = wrong
	return e
}

func newError(k kind, format string, args []any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{kind: k, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// Refuse says that the agent understood and will not, or cannot, do it. Asking again does not help.
func Refuse(format string, args ...any) *Error { return newError(refused, format, args) }

// BadInput says that the input, or in Open the configuration, is wrong.
func BadInput(format string, args ...any) *Error { return newError(badInput, format, args) }

// NotFound says that something the input names does not exist.
func NotFound(format string, args ...any) *Error { return newError(notFound, format, args) }

// Unavailable says that something the agent needs is not there now; the call may be repeated after retryAfter (zero: unknown).
func Unavailable(retryAfter time.Duration, format string, args ...any) *Error {
	e := newError(unavailable, format, args)
	e.RetryAfter = retryAfter
	return e
}

// Overloaded says that a rate limit or quota is reached; the call may be repeated after retryAfter (zero: unknown).
func Overloaded(retryAfter time.Duration, format string, args ...any) *Error {
	e := newError(overloaded, format, args)
	e.RetryAfter = retryAfter
	return e
}

// TimedOut says that something the agent waited for did not answer in time.
func TimedOut(format string, args ...any) *Error { return newError(timeout, format, args) }

func (e *Error) grpcCode() codes.Code {
	switch e.kind {
	case badInput:
		return codes.InvalidArgument
	case unavailable:
		return codes.Unavailable
	case overloaded:
		return codes.ResourceExhausted
	case timeout:
		return codes.DeadlineExceeded
	case notFound:
		return codes.NotFound
	case internal:
		return codes.Internal
	case refused:
		return codes.FailedPrecondition
	}
	return codes.FailedPrecondition
}

// toStatus is the error as it travels.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return plainStatus(err)
	}
	retryable := e.kind == unavailable || e.kind == overloaded || e.kind == timeout
	details := []protoadapt.MessageV1{protoadapt.MessageV1Of(&agentpb.AgentError{
		Code: e.Code, Retryable: retryable, Hint: e.Hint, Fields: e.Fields,
	})}
	if e.RetryAfter > 0 {
		details = append(details, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)}))
	}
	st := status.New(e.grpcCode(), validUTF8(err.Error()))
	if with, derr := st.WithDetails(details...); derr == nil {
		st = with
	}
	return st.Err()
}

func plainStatus(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, validUTF8(err.Error()))
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, validUTF8(err.Error()))
	}
	if st, ok := status.FromError(err); ok {
		return st.Err()
	}
	return status.Error(codes.Unknown, validUTF8(err.Error()))
}

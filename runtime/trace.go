package runtime

import (
	"errors"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime/guard"
)

// explain turns whatever ended a branch's script into the error that leaves it: a *Error with the branch's frames in front
// of those of the branches below, or the host's error.
func (b *Branch) explain(err error) error {
	frames := b.frames(err)
	if host, ok := errors.AsType[*HostError](err); ok {
		return host.traced(frames)
	}
	if b.stop != nil {
		if host, ok := errors.AsType[*HostError](b.stop); ok {
			return host.traced(frames)
		}
		err = b.stop
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		if large, tooLarge := errors.AsType[*guard.TooLarge](err); tooLarge {
			return &Error{Code: Limit, Message: b.message(err), Trace: frames, Cause: large}
		}
		return &Error{Code: Script, Message: b.message(err), Hint: b.hint(err), Trace: frames, Cause: err}
	}
	traced := *e
	traced.Trace = append(frames, e.Trace...)
	return &traced
}

// frames is the stack at which err left Starlark code: that of the innermost EvalError.
func (b *Branch) frames(err error) []Frame {
	inner := innermost(err)
	if inner == nil {
		return nil
	}
	stack := inner.CallStack
	if _, _, ok := misbound(inner); ok {
		stack = stack[:len(stack)-1] // it is the call that is wrong
	}
	frames := make([]Frame, 0, len(stack))
	for _, f := range stack {
		if guard.Hidden(f.Name) {
			continue
		}
		frame := Frame{Func: f.Name, Branch: b.path}
		if f.Pos.Filename() != "<builtin>" {
			frame.Pos = f.Pos.String()
		}
		frames = append(frames, frame)
	}
	return frames
}

// innermost is the EvalError at which err left Starlark code, or nil.
func innermost(err error) *starlark.EvalError {
	var inner *starlark.EvalError
	for at := err; at != nil; at = errors.Unwrap(at) {
		if _, below := exactly[*Error](at); below {
			break // its own Trace tells the rest
		}
		if e, ok := exactly[*starlark.EvalError](at); ok {
			inner = e
		}
	}
	return inner
}

// exactly says whether err itself, not what it wraps, is a T.
func exactly[T error](err error) (T, bool) {
	e, ok := any(err).(T)
	return e, ok
}

// message is err's text without what Starlark puts around it.
func (b *Branch) message(err error) string {
	if e, ok := errors.AsType[*starlark.EvalError](err); ok {
		return clipText(e.Msg)
	}
	return clipText(err.Error())
}

// maxMessage bounds the text of an error in bytes.
const maxMessage = 8 << 10

func clipText(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + " ..."
}

// hint is the next step after an error that the interpreter found, or "".
func (b *Branch) hint(err error) string {
	if hint := b.frozenHint(err); hint != "" {
		return hint
	}
	if hint := b.misboundHint(err); hint != "" {
		return hint
	}
	return slipHint(b.message(err))
}

// frozenHint says what froze a value that a script tried to change, and what to do instead.
func (b *Branch) frozenHint(err error) string {
	if !strings.Contains(err.Error(), "frozen") {
		return ""
	}
	const copyIt = "change a copy instead: list(x), dict(x) or x + [y]"
	for at := b; at != nil; at = at.parent {
		if n := len(at.forks); n > 0 {
			return at.forks[n-1] + "; " + copyIt
		}
	}
	return "values made while a module is loaded are frozen afterwards; " + copyIt
}

// Caught gives the error that `attempt` may hand to the script as data, with its frames, or nil when err must go on.
func Caught(t *starlark.Thread, err error) *Error {
	b, ok := t.Local(branchKey).(*Branch)
	if !ok || b.stop != nil {
		return nil //nolint:nilerr // nil says that the error is not for the script
	}
	if e, ours := errors.AsType[*Error](b.explain(err)); ours && e.Catchable() {
		return e
	}
	return nil
}

// CallerPos is where the script called the builtin that runs on t: file:line:col.
func CallerPos(t *starlark.Thread) string {
	if t.CallStackDepth() < 2 {
		return ""
	}
	pos := t.CallFrame(1).Pos
	name := pos.Filename()
	b := make([]byte, 0, len(name)+16)
	b = strconv.AppendInt(append(append(b, name...), ':'), int64(pos.Line), 10)
	return string(strconv.AppendInt(append(b, ':'), int64(pos.Col), 10))
}

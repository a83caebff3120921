package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/edition"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// Excerpts shows a message with the place it is about, "file:line:col", and the line of source there.
type Excerpts func(pos, message string) string

// SourcedError is an error of a pattern together with the way to its source text.
type SourcedError struct {
	Err     error
	Excerpt Excerpts
}

func (e *SourcedError) Error() string { return e.Err.Error() }

func (e *SourcedError) Unwrap() error { return e.Err }

// SuspendedError says that a kept run was broken off and can go on.
type SuspendedError struct {
	Run   string
	State string // the store as it was given, "" where it need not be
	Err   error  // why
}

func (e *SuspendedError) Error() string { return "run " + e.Run + " is suspended: " + e.Err.Error() }

func (e *SuspendedError) Unwrap() error { return e.Err }

// Command is a command line about the run, which its id is put into at %s.
func (e *SuspendedError) Command(format string) string {
	command := "parallax " + fmt.Sprintf(format, e.Run)
	if e.State != "" {
		command += " --state " + e.State
	}
	return command
}

// ReplayError is what came of a replay, or of a new run that took over what another had recorded.
type ReplayError struct {
	Run     string // the run of the record
	Against string // file of another version of the pattern, "" where it is the run's own
	State   string // the store as it was given, "" where it need not be
	Err     error
}

func (e *ReplayError) Error() string { return e.Err.Error() }

func (e *ReplayError) Unwrap() error { return e.Err }

// anew is the command that begins a new run from a place of the record.
func (e *ReplayError) anew(from string) string {
	command := "parallax replay " + e.Run + " --from " + from
	if e.Against != "" {
		command += " --against " + e.Against
	}
	if e.State != "" {
		command += " --state " + e.State
	}
	return command
}

// Failure is an error as people see it: what happened, where, and the next step.
type Failure struct {
	Exit  Exit
	What  string // one sentence, or several lines that each stand for themselves
	Where string // excerpt and backtrace, or ""
	Hint  string // the next step, or ""
	More  string // the command that prints the manual page, or ""
}

// Tell writes what went wrong on app.Err and gives the exit code.
func Tell(app *App, err error) Exit {
	if told, ok := errors.AsType[*Told](err); ok {
		return told.Code
	}
	for _, f := range Explain(app.Dir, err) {
		fmt.Fprint(app.Err, f.from(app.Name()))
	}
	return ExitOf(err)
}

func (f Failure) String() string { return f.from("parallax") }

// from is what a program says of the failure.
func (f Failure) from(program string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", program, strings.TrimRight(f.What, "\n"))
	if f.Where != "" {
		b.WriteString(strings.TrimRight(f.Where, "\n") + "\n")
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", f.Hint)
	}
	if f.More != "" {
		fmt.Fprintf(&b, "  more: %s\n", f.More)
	}
	return b.String()
}

// ExitOf gives the exit code of an error by its kind, never by its text.
func ExitOf(err error) Exit {
	if err == nil {
		return Done
	}
	if told, ok := errors.AsType[*Told](err); ok {
		return told.Code
	}
	if advised, ok := errors.AsType[*Advised](err); ok {
		return advised.Exit
	}
	if is[*pattern.SourceError](err) {
		return Source
	}
	if needsPerson(err) {
		return NeedsPerson
	}
	if is[*SuspendedError](err) {
		return Suspended
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return exitOfCode(e.Code)
	}
	if e, ok := errors.AsType[*market.Error](err); ok {
		return exitOfPackage(e.Code)
	}
	if e, ok := errors.AsType[*index.Error](err); ok {
		return exitOfIndex(e.Code)
	}
	switch {
	case is[*UsageError](err), is[*runtime.InputError](err), is[*manifest.Error](err), is[*manifest.LimitError](err), is[*pattern.PathError](err), is[*pattern.PackageError](err), is[*manifest.EditError](err), is[index.Problems](err), notThere(err):
		return Usage
	case is[*runtime.SourceError](err):
		return Source
	case is[*host.StartError](err):
		return AgentStart
	case errors.Is(err, context.Canceled):
		return Stopped
	}
	return PatternFailed
}

func exitOfPackage(c market.Code) Exit {
	switch c {
	case market.BadName, market.NotFound, market.Conflict, market.Unlocked, market.NoBuild, market.Unready:
		return Usage
	case market.NotStarting:
		return AgentStart
	case market.Refused, market.Denied:
		return NeedsPerson
	case market.Network, market.RateLimited, market.BadSum, market.Moved, market.Unverified, market.Unsafe, market.BadPackage, market.NoRoom, market.Changed, market.Withdrawn:
		return PatternFailed
	}
	return PatternFailed
}

func exitOfIndex(c index.Code) Exit {
	switch c {
	case index.BadKey:
		return Usage
	case index.Malformed, index.Newer, index.Unsigned, index.Shrank, index.Older:
		return PatternFailed
	}
	return PatternFailed
}

func exitOfCode(c runtime.Code) Exit {
	switch c {
	case runtime.Limit, runtime.BudgetSpent:
		return OverLimit
	case runtime.Cancelled:
		return Stopped
	case runtime.Timeout, runtime.Unavailable, runtime.Refused, runtime.Schema, runtime.NotFound, runtime.Failed,
		runtime.UnknownOutcome, runtime.Conflict, runtime.Script:
		return PatternFailed
	}
	return PatternFailed
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// notThere says that a command named a run, or a store, that it cannot work with.
func notThere(err error) bool {
	return is[*badger.Held](err) || is[*badger.Ambiguous](err) || is[*badger.Newer](err) || is[*badger.Mixed](err) ||
		errors.Is(err, badger.ErrNotFound) || errors.Is(err, badger.ErrExists) || errors.Is(err, badger.ErrEnded)
}

func needsPerson(err error) bool {
	return is[*engine.NeedsPerson](err) || is[*host.NeedsPersonError](err) || is[*edition.ServerError](err)
}

// Explain gives what to tell about an error: one failure, or several where several things are wrong. dir is where paths
// are seen from.
func Explain(dir string, err error) []Failure {
	var excerpt Excerpts
	if sourced, ok := errors.AsType[*SourcedError](err); ok {
		excerpt = sourced.Excerpt
	}
	switch e := root(err).(type) { //nolint:errorlint // root unwraps
	case *UsageError:
		return one(Usage, e.Message, e.Hint)
	case *Advised:
		return one(e.Exit, e.Error(), e.Hint)
	case *SuspendedError:
		return []Failure{suspended(e, excerpt)}
	case *engine.Diverged:
		return []Failure{diverged(e, err, excerpt)}
	case *runtime.InputError:
		return one(Usage, e.Message, e.Hint)
	case *manifest.LimitError:
		return one(Usage, e.Message, e.Hint)
	case *pattern.PathError:
		return one(Usage, e.Message, e.Hint)
	case *manifest.Error:
		return manifestFailures(dir, e)
	case *manifest.EditError:
		return one(Usage, e.Error(), e.Hint)
	case *market.Error:
		return one(exitOfPackage(e.Code), e.Message, e.Hint)
	case *index.Error:
		return one(exitOfIndex(e.Code), e.Message, e.Hint)
	case index.Problems:
		return indexFailures(e)
	case *pattern.PackageError:
		return one(Usage, e.Message, e.Hint)
	case *pattern.SourceError:
		return excerptFailures(e)
	case *runtime.SourceError:
		return sourceFailures(e)
	case *runtime.Error:
		return []Failure{patternFailure(e, err, excerpt)}
	case *engine.NeedsPerson:
		return one(NeedsPerson, e.What, inTerminal)
	case *edition.ServerError:
		return one(NeedsPerson, e.Error(), e.Hint())
	case *host.StartError:
		return one(AgentStart, e.Error(), e.Hint)
	case *badger.Full:
		return one(ExitOf(err), err.Error(), "")
	case interface{ Unwrap() []error }:
		var all []Failure
		for _, each := range e.Unwrap() {
			all = append(all, Explain(dir, each)...)
		}
		return all
	}
	return one(ExitOf(err), err.Error(), keptHint(err))
}

// keptHint is the next step where a command named a run that it cannot work with, or "".
func keptHint(err error) string {
	if errors.Is(err, badger.ErrNotFound) {
		return "parallax runs lists those that are kept here; --state DIR names another store"
	}
	if silent, ok := errors.AsType[*badger.Silent](err); ok {
		return SilentHint(silent)
	}
	if held, ok := errors.AsType[*badger.Held](err); ok {
		return "parallax runs watch " + held.Run + " shows what it does"
	}
	return ""
}

// SilentHint is what to do about a process that owns the store and does not answer.
func SilentHint(e *badger.Silent) string {
	switch {
	case e.PID == 0:
		return "find the parallax that does nothing, and let it go on or end it; its runs can be resumed"
	case e.Stopped:
		return fmt.Sprintf("kill -CONT %d lets it go on, as fg does in its terminal; kill -KILL %d ends it, and its runs can be resumed", e.PID, e.PID)
	}
	return fmt.Sprintf("it may be busy; if it does nothing any more, end process %d, and its runs can be resumed", e.PID)
}

func one(exit Exit, what, hint string) []Failure {
	return []Failure{{Exit: exit, What: what, Hint: hint}}
}

// root gives the error that decides how err is told: the first of a known kind on the way down.
func root(err error) error {
	for at := err; at != nil; at = errors.Unwrap(at) {
		switch at.(type) { //nolint:errorlint // the loop unwraps
		case *UsageError, *Advised, *SuspendedError, *engine.Diverged, *runtime.InputError, *manifest.LimitError, *manifest.Error, *manifest.EditError, *market.Error, *index.Error, index.Problems, *pattern.PackageError, *pattern.PathError,
			*pattern.SourceError, *runtime.SourceError, *runtime.Error, *engine.NeedsPerson, *edition.ServerError, *host.StartError, *badger.Full, interface{ Unwrap() []error }:
			return at
		}
	}
	return err
}

// patternFailure tells the error of a script with the line that caused it and the way there.
func patternFailure(e *runtime.Error, err error, excerpt Excerpts) Failure {
	pos, message := e.Told()
	f := Failure{Exit: ExitOf(err), What: message, Hint: e.Hint}
	if e.Code != runtime.Script && e.Code != runtime.Failed && !strings.Contains(e.Message, string(e.Code)) {
		f.What = fmt.Sprintf("%s (%s)", message, e.Code)
	}
	if needsPerson(err) && f.Hint == "" {
		f.Hint = inTerminal
	}
	if e.Code == runtime.Cancelled {
		return f
	}
	if pos != "" && excerpt != nil {
		f.What = excerpt(pos, f.What)
	}
	f.Where = e.Backtrace()
	return f
}

// inTerminal is the next step where a person is needed.
const inTerminal = "run it in a terminal, where it can ask"

// innermost is the last place in the script on the way to an error.
func innermost(trace []runtime.Frame) string {
	for _, f := range slices.Backward(trace) {
		if f.Pos != "" {
			return f.Pos
		}
	}
	return ""
}

// suspended tells why a run was broken off and how it goes on.
func suspended(e *SuspendedError, excerpt Excerpts) Failure {
	f := Failure{Exit: ExitOf(e), What: e.Error(), Hint: e.Command("resume %s") + " goes on with it"}
	if person, ok := errors.AsType[*engine.NeedsPerson](e.Err); ok {
		if person.Signal != "" {
			f.What = fmt.Sprintf("run %s is suspended: it waits for the signal %q", e.Run, person.Signal)
		}
		if f.Hint = fmt.Sprintf("%s; then %s", e.Command(nextOf(person)), e.Command("resume %s")); person.Agent != "" {
			f.What, f.Hint = "run "+e.Run+" is suspended: "+person.What, e.Command("resume %s")+" in a terminal, where it can ask"
		}
	}
	if other, ok := errors.AsType[*engine.Diverged](e.Err); ok {
		if f = diverged(other, e.Err, excerpt); !is[*ReplayError](e.Err) {
			f.Hint = "the language has changed under it: " + e.Command("replay %s --from "+fromOf(other)) + " does what follows anew"
		}
		f.Exit = Suspended
	}
	if full, ok := errors.AsType[*badger.Full](e.Err); ok {
		f.What, f.Hint = fmt.Sprintf("run %s is suspended: there is no room to write to %s (%v)", e.Run, full.Path, full.Err), "make room there; then "+e.Command("resume %s")
	}
	return f
}

// nextOf is the command that gives a run what it waits for.
func nextOf(e *engine.NeedsPerson) string {
	if e.Signal != "" {
		return "signal %s " + e.Signal + " JSON"
	}
	return "approve %s CHOICE"
}

// PosOf is where the script was when trouble of the host, or a record that did not fit, ended the run: file:line:col, or "".
func PosOf(err error) string {
	if host, ok := errors.AsType[*runtime.HostError](err); ok {
		if at := innermost(host.Trace); at != "" {
			return at
		}
	}
	if e, ok := errors.AsType[*engine.Diverged](err); ok {
		return e.Pos
	}
	if e, ok := errors.AsType[*engine.Beyond](err); ok {
		return e.Pos
	}
	return ""
}

// diverged tells where a run asks for something else than its record has.
func diverged(e *engine.Diverged, err error, excerpt Excerpts) Failure {
	f := Failure{Exit: PatternFailed, What: "the run went another way than before"}
	replay, ok := errors.AsType[*ReplayError](err)
	if !ok {
		replay = &ReplayError{Run: rootOf(e.Run)}
	}
	f.Hint = replay.anew(fromOf(e)) + " begins a new run that does what follows anew"
	pos := PosOf(err)
	if pos != "" && excerpt != nil {
		f.What = excerpt(pos, f.What)
	}
	f.Where = fmt.Sprintf("  address   %s of run %s\n  recorded  %s\n  asked     %s", e.Addr, e.Run, e.Recorded, e.Asked)
	return f
}

// rootOf is the run that somebody started, of which a run is a child.
func rootOf(run string) string {
	root, _, _ := strings.Cut(run, "/")
	return root
}

// fromOf is where a new run has to begin that is not to meet a difference again, as --from takes it: its place, or the outermost fork around that,
// whose other branches may differ too.
func fromOf(e *engine.Diverged) string {
	var way []string
	for step := range strings.SplitSeq(strings.TrimPrefix(e.Run+"/"+e.Addr.String(), rootOf(e.Run)+"/"), "/") {
		n, _, forks := strings.Cut(step, ".")
		if way = append(way, n); forks {
			break
		}
	}
	return strings.Join(way, "/")
}

func sourceFailures(e *runtime.SourceError) []Failure {
	var all []Failure
	for _, f := range e.Findings {
		all = append(all, Failure{Exit: Source, What: f.String(), Hint: f.Hint})
	}
	return all
}

func indexFailures(list index.Problems) []Failure {
	var all []Failure
	for _, f := range list {
		all = append(all, Failure{Exit: Usage, What: f.String(), Hint: f.Hint})
	}
	return all
}

func excerptFailures(e *pattern.SourceError) []Failure {
	var all []Failure
	for _, f := range e.Findings {
		failure := Failure{Exit: Source, Hint: f.Hint, More: f.Manual()}
		f.Hint, f.Code = "", ""
		failure.What = pattern.Excerpt(f, e.Sources[f.File])
		all = append(all, failure)
	}
	return all
}

func manifestFailures(dir string, e *manifest.Error) []Failure {
	var all []Failure
	for _, p := range e.Problems {
		f := Failure{Exit: Usage, What: fmt.Sprintf("%s:%d:%d: %s", Short(dir, p.File), p.Pos.Line, p.Pos.Col, p.Message), Hint: p.Hint}
		if p.Source != "" {
			f.Where = Caret(p.Pos.Col, p.Source)
		}
		all = append(all, f)
	}
	return all
}

// Caret shows a source line and a caret below a column, counted in characters from 1.
func Caret(col int, text string) string {
	var pad strings.Builder
	for i, r := range []rune(text) {
		if i >= col-1 {
			break
		}
		if r == '\t' {
			pad.WriteRune('\t')
		} else {
			pad.WriteByte(' ')
		}
	}
	return fmt.Sprintf("    %s\n    %s^\n", text, pad.String())
}

// Short is a path as people see it from dir: relative where it is below.
func Short(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return rel
}

// JSON writes one value as one line on app.Out.
func JSON(app *App, v any) error {
	enc := json.NewEncoder(app.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

package conform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// endTime is how long a process may take to end when told to.
const endTime = 2 * time.Second

// workTime is how long a call may work before it is cancelled.
const workTime = 200 * time.Millisecond

type check struct {
	name, wants string
	run         func(context.Context, *subject) error
	ends        bool // the check ends the process
}

// checks are all of them, gentle ones first.
func checks() []check {
	return []check{
		{"handshake", "print one handshake line on stdout and serve", func(context.Context, *subject) error { return nil }, false},
		{"describe", "have a name, a version and a skill", describes, false},
		{"schemas", "describe configuration, input and output by valid JSON Schemas", schemas, false},
		{"health", "answer grpc.health.v1 for the service \"plugin\"", health, false},
		{"open", "open and close sessions, also twice", opens, false},
		{"bad-config", "refuse configuration that is not JSON as INVALID_ARGUMENT", badConfig, false},
		{"unknown-setting", "refuse a setting that its schema does not know as INVALID_ARGUMENT", unknownSetting, false},
		{"unknown-session", "refuse a call in a session that is not open as NOT_FOUND", unknownSession, false},
		{"run", "end a call with exactly one result, which is JSON, or a fitting status", runs, false},
		{"bad-input", "refuse input that is not JSON and live on", badInput, false},
		{"unknown-fields", "ignore parts of messages that it does not know", unknownFields, false},
		{"large-input", "take input of 1 MiB as a blob, and remove it; inline where it is served elsewhere", largeInput, false},
		{"concurrent", "carry out calls at the same time", concurrent, false},
		{"sessions", "hold 100 sessions", manySessions, false},
		{"wrong-input", "refuse input that does not fit the schema of its skill as INVALID_ARGUMENT", wrongInput, false},
		{"errors", "say what went wrong in an AgentError, as a detail of the status", detailed, false},
		{"bad-blob", "refuse a blob that is not what its sha256 says, or leads out of the blob directory", badBlobs, false},
		{"answer", "refuse an answer that nobody waits for as NOT_FOUND", strayAnswer, false},
		{"cancel", "stop a call that is cancelled, and live on", cancels, false},
		{"interrupt", "go on when it is interrupted: Ctrl-C is for the host", interrupted, false},
		{"stdout", "print nothing on stdout after the handshake", quiet, false},
		{"shutdown", "end within 2 s after GRPCController.Shutdown", shutsDown, true},
		{"orphan", "end within 2 s after stdin is closed when PARALLAX_STDIN_WATCH=1", orphan, true},
	}
}

func describes(_ context.Context, s *subject) error {
	d := s.proc.Offer()
	var errs []error
	if d.GetName() == "" {
		errs = append(errs, errors.New("it has no name"))
	}
	if d.GetVersion() == "" {
		errs = append(errs, errors.New("it has no version"))
	}
	if len(d.GetSkills()) == 0 {
		errs = append(errs, errors.New("it has no skills"))
	}
	for _, k := range d.GetSkills() {
		if k.GetName() == "" {
			errs = append(errs, errors.New("a skill has no name"))
		}
	}
	if c := d.GetCapabilities(); c.GetIdempotent() && c.GetAtMostOnce() {
		errs = append(errs, errors.New("it says both idempotent and at_most_once"))
	}
	return errors.Join(errs...)
}

func schemas(_ context.Context, s *subject) error {
	d := s.proc.Offer()
	errs := []error{valid("config_schema", d.GetConfigSchema())}
	for _, k := range d.GetSkills() {
		errs = append(errs,
			valid("input_schema of "+k.GetName(), k.GetInputSchema()),
			valid("output_schema of "+k.GetName(), k.GetOutputSchema()))
	}
	return errors.Join(errs...)
}

func valid(what string, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if _, err := schema.Resolve(nil); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func health(ctx context.Context, s *subject) error { return s.proc.Ping(ctx) }

func opens(ctx context.Context, s *subject) error {
	return s.session(ctx, func(id string) error {
		if err := s.openAs(ctx, id, s.config()); err != nil {
			return fmt.Errorf("opening it again: %w", err)
		}
		if err := s.closeSession(ctx, id); err != nil {
			return err
		}
		if _, err := s.call(ctx, id, s.input()); status.Code(err) != codes.NotFound {
			return fmt.Errorf("a call in a closed session ended with %s, not NOT_FOUND", describe(err))
		}
		return nil // and session closes it once more
	})
}

func badConfig(ctx context.Context, s *subject) error {
	return expect(s.openAs(ctx, "bad", []byte(`{"a":`)), codes.InvalidArgument)
}

func unknownSetting(ctx context.Context, s *subject) error {
	var schema jsonschema.Schema
	text := s.proc.Offer().GetConfigSchema()
	if len(text) == 0 || json.Unmarshal(text, &schema) != nil || schema.AdditionalProperties == nil {
		return errSkip("its configuration may hold anything")
	}
	return expect(s.openAs(ctx, "bad", []byte(`{"no_such_setting":1}`)), codes.InvalidArgument)
}

func unknownSession(ctx context.Context, s *subject) error {
	_, err := s.call(ctx, "never-opened", s.input())
	return expect(err, codes.NotFound)
}

func expect(err error, want codes.Code) error {
	if status.Code(err) == want {
		return nil
	}
	return fmt.Errorf("it ended with %s, not %s", describe(err), want)
}

func describe(err error) string {
	if err == nil {
		return "success"
	}
	st := status.Convert(err)
	return fmt.Sprintf("%s (%s)", st.Code(), st.Message())
}

func runs(ctx context.Context, s *subject) error {
	return s.session(ctx, func(id string) error {
		_, err := s.call(ctx, id, s.input())
		return fitting(err)
	})
}

// fitting accepts success and the statuses an agent may end with.
func fitting(err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch st.Code() {
	case codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.Unavailable, codes.ResourceExhausted,
		codes.DeadlineExceeded:
		return nil
	default:
		return fmt.Errorf("it ended with %s", describe(err))
	}
}

func badInput(ctx context.Context, s *subject) error {
	return s.session(ctx, func(id string) error {
		if _, err := s.call(ctx, id, jsonValue(`{"a":`)); err == nil {
			return errors.New("it took input that is not JSON")
		}
		return s.proc.Ping(ctx)
	})
}

func unknownFields(ctx context.Context, s *subject) error {
	return s.session(ctx, func(id string) error {
		req := s.request(id, s.input())
		// Field 1000 of the wire type "length-delimited", with four bytes: something from a later version.
		req.ProtoReflect().SetUnknown([]byte{0xc2, 0x3e, 0x04, 'n', 'e', 'x', 't'})
		_, err := s.run(ctx, req)
		return fitting(err)
	})
}

func largeInput(ctx context.Context, s *subject) error {
	text := []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`)
	if s.opts.Remote != nil {
		return s.session(ctx, func(id string) error {
			_, err := s.call(ctx, id, jsonValue(string(text)))
			return fitting(err)
		})
	}
	name := "conform-large"
	path := filepath.Join(s.proc.BlobDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	blob := &agentpb.Value{Kind: &agentpb.Value_Blob{Blob: &agentpb.Blob{
		Sha256: hex.EncodeToString(sum[:]), Size: uint64(len(text)), MediaType: "application/json", Path: name,
	}}}
	return s.session(ctx, func(id string) error {
		if _, err := s.call(ctx, id, blob); fitting(err) != nil {
			return fitting(err)
		}
		if _, err := os.Stat(path); err == nil {
			return errors.New("it did not remove the blob")
		}
		return nil
	})
}

// wrongInput leaves out what a skill requires, or gives it in another type.
func wrongInput(ctx context.Context, s *subject) error {
	skills := s.proc.Offer().GetSkills()
	var schema jsonschema.Schema
	if len(skills) == 0 || len(skills[0].GetInputSchema()) == 0 || json.Unmarshal(skills[0].GetInputSchema(), &schema) != nil || len(schema.Required) == 0 {
		return errSkip("its input may be anything")
	}
	return s.session(ctx, func(id string) error {
		req := s.request(id, jsonValue("{}"))
		req.Skill = skills[0].GetName()
		_, err := s.run(ctx, req)
		return expect(err, codes.InvalidArgument)
	})
}

// detailed looks at a failure of Open and at one of Run.
func detailed(ctx context.Context, s *subject) error {
	failures := map[string]error{"a configuration that is not JSON": s.openAs(ctx, "bad", []byte(`{"a":`))}
	_, failures["a call in no session"] = s.call(ctx, "never-opened", s.input())
	var errs []error
	for what, err := range failures {
		has := slices.ContainsFunc(status.Convert(err).Details(), func(d any) bool {
			_, ok := d.(*agentpb.AgentError)
			return ok
		})
		if err != nil && !has {
			errs = append(errs, fmt.Errorf("its answer to %s has no AgentError: %s", what, describe(err)))
		}
	}
	return errors.Join(errs...)
}

// badBlobs hands over a blob with another checksum, and one that is a file of somebody else.
func badBlobs(ctx context.Context, s *subject) error {
	text := []byte(`{"text":"x"}`)
	sum := sha256.Sum256(text)
	blob := func(path, sum string) *agentpb.Value {
		return &agentpb.Value{Kind: &agentpb.Value_Blob{Blob: &agentpb.Blob{Sha256: sum, Size: uint64(len(text)), MediaType: "application/json", Path: path}}}
	}
	if err := os.WriteFile(filepath.Join(s.proc.BlobDir(), "conform-spoiled"), text, 0o600); err != nil {
		return err
	}
	beside, err := os.CreateTemp(filepath.Dir(s.proc.BlobDir()), "conform-beside-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(beside.Name()) }()
	if _, err := beside.Write(text); err != nil {
		return err
	}
	if err := beside.Close(); err != nil {
		return err
	}
	return s.session(ctx, func(id string) error {
		if _, err := s.call(ctx, id, blob("conform-spoiled", strings.Repeat("0", 64))); status.Code(err) != codes.InvalidArgument {
			return fmt.Errorf("a blob with another sha256 ended with %s, not INVALID_ARGUMENT", describe(err))
		}
		_, err := s.call(ctx, id, blob("../"+filepath.Base(beside.Name()), hex.EncodeToString(sum[:])))
		if _, gone := os.Stat(beside.Name()); gone != nil {
			return errors.New("it removed a file outside of the blob directory")
		}
		if status.Code(err) != codes.InvalidArgument {
			return fmt.Errorf("a blob that is outside of the blob directory ended with %s, not INVALID_ARGUMENT", describe(err))
		}
		return s.proc.Ping(ctx)
	})
}

func strayAnswer(ctx context.Context, s *subject) error {
	return s.session(ctx, func(id string) error {
		_, err := s.proc.RPC().Answer(ctx, &agentpb.AnswerRequest{SessionId: id, CallId: "call-none", QuestionId: "1", Json: []byte(`"yes"`)})
		return expect(err, codes.NotFound)
	})
}

// interrupted sends what the terminal sends to all of its processes when somebody types Ctrl-C.
func interrupted(ctx context.Context, s *subject) error {
	if err := s.proc.Interrupt(); err != nil {
		return errSkip("it cannot be interrupted here: " + err.Error())
	}
	t := time.NewTimer(workTime)
	defer t.Stop()
	select {
	case <-s.proc.Exited():
		return errors.New("it ended")
	case <-t.C:
	}
	return s.session(ctx, func(id string) error {
		_, err := s.call(ctx, id, s.input())
		return fitting(err)
	})
}

func concurrent(ctx context.Context, s *subject) error {
	n := 16
	if limit := int(s.proc.Offer().GetCapabilities().GetMaxConcurrency()); limit > 0 {
		n = min(n, limit)
	}
	return s.session(ctx, func(id string) error {
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			req := s.request(id, s.input())
			wg.Go(func() {
				_, err := s.run(ctx, req)
				errs[i] = fitting(err)
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
}

func manySessions(ctx context.Context, s *subject) error {
	for i := range 100 {
		if err := s.openAs(ctx, fmt.Sprintf("many-%d", i), s.config()); err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
	}
	for i := range 100 {
		if err := s.closeSession(ctx, fmt.Sprintf("many-%d", i)); err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
	}
	return nil
}

func cancels(ctx context.Context, s *subject) error {
	return s.session(ctx, func(id string) error {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		defer time.AfterFunc(workTime, cancel).Stop()
		stream, err := s.proc.RPC().Run(inner, s.request(id, s.input()))
		for err == nil {
			_, err = stream.Recv()
		}
		// A session ends when its calls have: so this shows that the call was stopped.
		short, stop := context.WithTimeout(ctx, endTime)
		defer stop()
		if err := s.closeSession(short, id); err != nil {
			return fmt.Errorf("its session does not close within %s: %w", endTime, err)
		}
		return s.proc.Ping(ctx)
	})
}

func quiet(_ context.Context, s *subject) error {
	if noise := s.proc.Noise(); noise != "" {
		return fmt.Errorf("it printed %q", noise)
	}
	return nil
}

func shutsDown(ctx context.Context, s *subject) error {
	err := s.proc.Shutdown(ctx)
	if status.Code(err) == codes.Unimplemented {
		return errors.New("it has no service plugin.GRPCController")
	}
	return s.endsSoon()
}

func orphan(_ context.Context, s *subject) error {
	if err := s.proc.CloseStdin(); err != nil {
		return err
	}
	return s.endsSoon()
}

func (s *subject) endsSoon() error {
	t := time.NewTimer(endTime)
	defer t.Stop()
	select {
	case <-s.proc.Exited():
		return nil
	case <-t.C:
		return fmt.Errorf("it still runs after %s", endTime)
	}
}

// session opens a session, uses it and closes it.
func (s *subject) session(ctx context.Context, use func(id string) error) error {
	s.count++
	id := fmt.Sprintf("session-%d", s.count)
	if err := s.openAs(ctx, id, s.config()); err != nil {
		return fmt.Errorf("no session opens: %s; if it needs settings, give them with --config", describe(err))
	}
	err := use(id)
	return errors.Join(err, s.closeSession(ctx, id))
}

func (s *subject) config() []byte {
	if len(s.opts.Config) == 0 {
		return []byte("{}")
	}
	return s.opts.Config
}

func (s *subject) openAs(ctx context.Context, id string, config []byte) error {
	secrets := make(map[string]string)
	for _, name := range s.opts.Secrets {
		secrets[name] = os.Getenv(name)
	}
	_, err := s.proc.RPC().Open(ctx, &agentpb.OpenRequest{
		SessionId: id, Agent: agentName, Config: config, Secrets: secrets, Workdir: s.opts.Dir, BlobDir: s.proc.BlobDir(),
	})
	return err
}

func (s *subject) closeSession(ctx context.Context, id string) error {
	_, err := s.proc.RPC().Close(ctx, &agentpb.CloseRequest{SessionId: id})
	return err
}

func jsonValue(text string) *agentpb.Value {
	return &agentpb.Value{Kind: &agentpb.Value_Json{Json: []byte(text)}}
}

func (s *subject) request(session string, input *agentpb.Value) *agentpb.RunRequest {
	s.count++
	return &agentpb.RunRequest{
		SessionId: session, CallId: fmt.Sprintf("call-%d", s.count), Attempt: 1, Task: s.opts.Task, Input: input,
	}
}

func (s *subject) call(ctx context.Context, session string, input *agentpb.Value) ([]byte, error) {
	return s.run(ctx, s.request(session, input))
}

// run makes a call and checks the shape of what comes. A question ends the call: there is nobody to ask.
func (s *subject) run(ctx context.Context, req *agentpb.RunRequest) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.proc.RPC().Run(ctx, req)
	if err != nil {
		return nil, err
	}
	var result *agentpb.Result
	for {
		ev, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && result == nil:
			return nil, errors.New("the stream ended without a result")
		case errors.Is(err, io.EOF):
			return s.output(result)
		case err != nil:
			return nil, err
		case result != nil:
			return nil, fmt.Errorf("something came after the result: %s", ev)
		case ev.GetQuestion() != nil:
			if !s.proc.Offer().GetCapabilities().GetInteractive() {
				return nil, errors.New("it asks a question and does not say that it is interactive")
			}
			return nil, nil
		}
		result = ev.GetResult()
	}
}

// output checks a result and gives its JSON.
func (s *subject) output(r *agentpb.Result) ([]byte, error) {
	text := r.GetOutput().GetJson()
	if b := r.GetOutput().GetBlob(); b != nil && s.opts.Remote != nil {
		return nil, errors.New("the result is a blob, and there is no directory to share")
	} else if b != nil {
		var err error
		if text, err = os.ReadFile(filepath.Join(s.proc.BlobDir(), filepath.Base(b.GetPath()))); err != nil {
			return nil, fmt.Errorf("the result's blob: %w", err)
		}
		sum := sha256.Sum256(text)
		if hex.EncodeToString(sum[:]) != b.GetSha256() || uint64(len(text)) != b.GetSize() {
			return nil, errors.New("the result's blob is not what its size and sha256 say")
		}
	} else if len(text) > agentpb.InlineBytes && s.opts.Remote == nil {
		return nil, fmt.Errorf("a result of %d bytes is inline; over %d it must be a blob", len(text), agentpb.InlineBytes)
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("the result is not JSON: %.80q", text)
	}
	if c := r.Confidence; c != nil && !(*c >= 0 && *c <= 1) {
		return nil, fmt.Errorf("its confidence is %v, not between 0 and 1", *c)
	}
	return text, nil
}

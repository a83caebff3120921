package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Opener is a configuration with something to do when a session opens, such as check itself and make a client, which it
// keeps in an unexported field. An error refuses the session; BadInput(...).WithField names the field at fault.
type Opener interface {
	Open(ctx context.Context, s *Session) error
}

// Closer is a configuration with something to undo when its session ends. No call runs any more.
type Closer interface {
	Close() error
}

// Session is a configured agent: many share one process. The fields are set before Open and not changed afterwards.
type Session struct {
	Agent   string // the name that the project gave this agent
	Workdir string // where the agent may work; "" means its current directory

	id      string
	from    *connection // whose session it is; nil where there is only one
	secrets map[string]string
	blobDir string
	log     *slog.Logger
	config  any // pointer to the configuration's type
	detail  string
	skills  []*agentpb.Skill

	promises *agentpb.Capabilities

	ctx    context.Context // ends with the session
	cancel context.CancelCauseFunc
	calls  sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	questions map[string]chan json.RawMessage
}

// Secret is the value of a secret that the project's configuration grants to this agent, or "".
func (s *Session) Secret(name string) string { return s.secrets[name] }

// Secrets are the names of the secrets that this session has, sorted.
func (s *Session) Secrets() []string { return slices.Sorted(maps.Keys(s.secrets)) }

// Log writes to the host's log.
func (s *Session) Log() *slog.Logger { return s.log }

// Describe tells people what the session is bound to, such as a model and an address. It is used in Open.
func (s *Session) Describe(detail string) { s.detail = validUTF8(detail) }

// Offer says what this session can do when its configuration decides that and not the agent's types. It is used in Open.
// Schemas may be nil: any object in, anything out.
func (s *Session) Offer(skill, description string, input, output json.RawMessage) {
	s.skills = append(s.skills, &agentpb.Skill{
		Name: validUTF8(skill), Description: validUTF8(description), InputSchema: input, OutputSchema: output,
	})
}

// Promise says what this session promises when its configuration decides that: the capabilities of an Info take the place of the agent's own. It is
// used in Open.
func (s *Session) Promise(i Info) { s.promises = i.promises() }

// enter counts a call in; it is false when the session is closed.
func (s *Session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.calls.Add(1)
	return true
}

// end cancels the calls of the session, waits for them, and closes the configuration.
func (s *Session) end() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel(Unavailable(0, "the session was closed"))
	s.calls.Wait()
	if c, ok := s.config.(Closer); ok {
		return c.Close()
	}
	return nil
}

func (s *Session) expect(callID, question string) <-chan json.RawMessage {
	ch := make(chan json.RawMessage, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.questions == nil {
		s.questions = make(map[string]chan json.RawMessage)
	}
	s.questions[callID+"\x00"+question] = ch
	return ch
}

func (s *Session) forget(callID, question string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.questions, callID+"\x00"+question)
}

// answer hands an answer to the call that waits for it.
func (s *Session) answer(callID, question string, text json.RawMessage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := callID + "\x00" + question
	ch, ok := s.questions[key]
	if ok {
		delete(s.questions, key)
		ch <- text
	}
	return ok
}

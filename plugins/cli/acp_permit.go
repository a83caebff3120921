package cli

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coder/acp-go-sdk"

	"github.com/parallax-run/parallax/plugins/agent"
)

// kinds are those of tools, as the protocol names them.
func kinds() []string {
	return []string{
		string(acp.ToolKindRead), string(acp.ToolKindEdit), string(acp.ToolKindDelete), string(acp.ToolKindMove),
		string(acp.ToolKindSearch), string(acp.ToolKindExecute), string(acp.ToolKindThink), string(acp.ToolKindFetch),
		string(acp.ToolKindSwitchMode), string(acp.ToolKindOther), "*",
	}
}

// checkKinds checks the keys of mode acp.
func (c *Config) checkKinds() error {
	if c.Allow == nil {
		c.Allow = []string{string(acp.ToolKindRead), string(acp.ToolKindSearch), string(acp.ToolKindThink)}
	}
	for _, key := range []struct {
		name string
		list []string
	}{{"allow", c.Allow}, {"ask", c.Ask}} {
		for _, kind := range key.list {
			if !slices.Contains(kinds(), kind) {
				return agent.BadInput("%s: there is no kind of tools %q; there are %s", key.name, kind, strings.Join(kinds(), ", ")).
					WithField(key.name, "unknown kind")
			}
		}
	}
	for _, key := range []struct {
		name string
		set  bool
	}{{"lines", c.Lines != nil}, {"output", c.Output != "text"}, {"ok_codes", c.OKCodes != nil}} {
		if key.set {
			return agent.BadInput(`%s is for mode = "jsonl"`, key.name).WithField(key.name, "of another mode")
		}
	}
	return nil
}

func has(list []string, kind acp.ToolKind) bool {
	return slices.Contains(list, string(kind)) || slices.Contains(list, "*")
}

// may says whether a kind of tools can be had at all.
func (c *Config) may(kind acp.ToolKind) bool { return has(c.Allow, kind) || has(c.Ask, kind) }

// permit decides whether the tool may do what it asks for.
func (t *talk) permit(ctx context.Context, p acp.RequestPermissionRequest) (acp.RequestPermissionResponse, *acp.RequestError) {
	kind := t.kindOf(p.ToolCall)
	title := value(p.ToolCall.Title)
	if title == "" {
		title = string(p.ToolCall.ToolCallId)
	}
	var chosen *acp.PermissionOption
	switch {
	case has(t.config.Allow, kind):
		chosen = option(p.Options, acp.PermissionOptionKindAllowOnce, acp.PermissionOptionKindAllowAlways)
		t.note("allowed (" + string(kind) + "): " + title)
	case has(t.config.Ask, kind):
		var err error
		if chosen, err = t.ask(ctx, kind, title, p); err != nil {
			return permission(nil), nil //nolint:nilerr // the call is over, and says so itself
		}
	default:
		chosen = option(p.Options, acp.PermissionOptionKindRejectOnce, acp.PermissionOptionKindRejectAlways)
		t.note("refused (" + string(kind) + "): " + title)
	}
	return permission(chosen), nil
}

// permission is the answer to a request: an option, or that there is none.
func permission(o *acp.PermissionOption) acp.RequestPermissionResponse {
	if o == nil {
		return acp.RequestPermissionResponse{Outcome: acp.NewRequestPermissionOutcomeCancelled()}
	}
	return acp.RequestPermissionResponse{Outcome: acp.NewRequestPermissionOutcomeSelected(o.OptionId)}
}

// kindOf is the kind of a use of a tool, which may have been said before.
func (t *talk) kindOf(c acp.ToolCallUpdate) acp.ToolKind {
	if c.Kind != nil && *c.Kind != "" {
		return *c.Kind
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if kind := t.kinds[string(c.ToolCallId)]; kind != "" {
		return kind
	}
	return acp.ToolKindOther
}

func (t *talk) note(note string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.transcript.note(note)
}

// option is the first option of the kinds, in their order.
func option(options []acp.PermissionOption, kinds ...acp.PermissionOptionKind) *acp.PermissionOption {
	for _, kind := range kinds {
		for i := range options {
			if options[i].Kind == kind {
				return &options[i]
			}
		}
	}
	return nil
}

// ask lets a person choose among the tool's options.
func (t *talk) ask(ctx context.Context, kind acp.ToolKind, title string, p acp.RequestPermissionRequest) (*acp.PermissionOption, error) {
	var names, paths []string
	for _, o := range p.Options {
		names = append(names, o.Name)
	}
	for _, l := range p.ToolCall.Locations {
		paths = append(paths, l.Path)
	}
	i, err := t.choose(ctx, title, names, map[string]any{"kind": kind, "paths": paths, "input": p.ToolCall.RawInput})
	if err != nil {
		return nil, err
	}
	chosen := &p.Options[i]
	if chosen.Kind == acp.PermissionOptionKindAllowOnce || chosen.Kind == acp.PermissionOptionKindAllowAlways {
		t.mu.Lock()
		for _, path := range paths {
			t.granted[filepath.Clean(path)] = true
		}
		t.mu.Unlock()
	}
	return chosen, nil
}

// choose asks a person until the answer is one of the options, and gives its index.
func (t *talk) choose(ctx context.Context, title string, options []string, about map[string]any) (int, error) {
	shown, err := json.Marshal(about)
	if err != nil {
		return 0, err
	}
	secrets := t.config.secrets
	q := agent.Question{Prompt: secrets.Clean(t.call.Agent() + " wants to: " + title), Options: options, Context: t.transcript.clean(shown)}
	for prompt := q.Prompt; ; q.Prompt = prompt + "\n(answer with one of the options)" {
		answer, err := t.call.Ask(ctx, q)
		if err != nil {
			return 0, err
		}
		var said string
		_ = json.Unmarshal(answer, &said) // what is no text is no option
		for i, name := range options {
			if strings.EqualFold(strings.TrimSpace(said), strings.TrimSpace(name)) {
				return i, nil
			}
		}
	}
}

// consent asks a person for something that is not asked for with options of the tool's own.
func (t *talk) consent(ctx context.Context, title string, about map[string]any) bool {
	i, err := t.choose(ctx, title, []string{"yes", "no"}, about)
	return err == nil && i == 0
}

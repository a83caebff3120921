package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/agent"
)

// config is the configuration of the agent.
type config struct {
	Log string `json:"log" jsonschema:"file to which each call adds a line when it starts and one when it is done"`
}

// Serve is an agent that keeps a log of its own, which outlives host and agent alike. A task "x after 5ms" takes so long; one that begins with
// "flaky" fails when it is tried first, one that begins with "refuse" always.
func Serve(once bool) {
	info := agent.Info{Name: "ledger", Version: "1.0.0", Description: "Writes down its calls.", AtMostOnce: once, Idempotent: !once}
	type input struct {
		Task string `json:"task"`
	}
	agent.Serve(info, func(ctx context.Context, c *agent.Call[config], in input) (string, error) {
		if err := enter(c.Config.Log, "start", c.ID(), c.Attempt()); err != nil {
			return "", err
		}
		task, rest, _ := strings.Cut(in.Task, " after ")
		wait, _ := time.ParseDuration(rest)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if strings.HasPrefix(task, "flaky") && c.Attempt() == 1 {
			return "", agent.Unavailable(0, "not at the first attempt")
		}
		if strings.HasPrefix(task, "refuse") {
			return "", agent.Refuse("not that")
		}
		return "did " + task, enter(c.Config.Log, "done", c.ID(), c.Attempt())
	})
}

// enter adds one line with one write, so that it is whole or not there.
func enter(path, what, id string, attempt int) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, "%s %s %d %d\n", what, id, attempt, time.Now().UnixNano()); err != nil {
		return err
	}
	return f.Close()
}

// Entry is a line of the agents' log.
type Entry struct {
	What    string // start or done
	ID      string // of the call
	Attempt int
	At      time.Time
}

// Entries reads the agents' log, which may not be there yet.
func Entries(log string) ([]Entry, error) {
	text, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var list []Entry
	for line := range strings.Lines(string(text)) {
		var e Entry
		var nanos int64
		if _, err := fmt.Sscan(line, &e.What, &e.ID, &e.Attempt, &nanos); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", log, line, err)
		}
		e.At = time.Unix(0, nanos)
		list = append(list, e)
	}
	return list, nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/agent"
)

// ledgerConfig is the configuration of an agent that writes down every call.
type ledgerConfig struct {
	Log string `json:"log" jsonschema:"file to which each call adds a line when it starts and one when it is done"`
}

// serveLedger is an agent that keeps a log of its own, which outlives host and agent alike. A task "x after 5ms" takes so long; one that begins with
// "flaky" fails when it is tried first.
func serveLedger(once bool) {
	info := agent.Info{Name: "ledger", Version: "1.0.0", Description: "Writes down its calls.", AtMostOnce: once}
	type input struct {
		Task string `json:"task"`
	}
	agent.Serve(info, func(ctx context.Context, c *agent.Call[ledgerConfig], in input) (string, error) {
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
	if _, err := fmt.Fprintf(f, "%s %s %d\n", what, id, attempt); err != nil {
		return err
	}
	return f.Close()
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// serveFaulty is an agent that does wrong what its task says.
func serveFaulty() {
	agent.Serve(agent.Info{Name: "faulty", Version: "1.0.0", Description: "Does wrong what it is told."}, misbehave)
}

func misbehave(ctx context.Context, c *agent.Call[agent.NoConfig], _ json.RawMessage) (json.RawMessage, error) {
	verb, arg, _ := strings.Cut(c.Task(), " ")
	if verb != "answer" {
		litter()
	}
	fmt.Fprintln(os.Stderr, "last words before", verb)
	c.Progress(0, "at work")
	switch verb {
	case "answer":
		return json.Marshal(arg)
	case "crash":
		os.Exit(7)
	case "panic":
		panic("the agent has a bug")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "deaf":
		select {}
	case "huge":
		return json.RawMessage(`"` + strings.Repeat("x", 100<<20) + `"`), nil
	case "raw":
		return json.RawMessage(arg), nil
	case "utf8":
		return json.RawMessage("\"a\xffb\""), nil
	}
	return nil, agent.BadInput("no verb %q", verb)
}

// litter leaves two children behind that would live for ever: one in the agent's process group and one that fled from it.
func litter() {
	for _, command := range [][]string{{"sleep", "1000"}, {"setsid", "sleep", "1000"}} {
		if err := exec.Command(command[0], command[1:]...).Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

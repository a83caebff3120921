//go:build unix

package main

import (
	"context"
	"os"
	"syscall"

	"github.com/parallax-run/parallax/plugins/agent"
)

// serveHanging is an agent whose process hangs as soon as it is called: it stops itself, and so hears nothing any more.
func serveHanging() {
	type in struct {
		Task string `json:"task"`
	}
	agent.Serve(agent.Info{Name: "hangs", Version: "1.0.0", Description: "Hangs."},
		func(context.Context, *agent.Call[agent.NoConfig], in) (string, error) {
			if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
				return "", err
			}
			select {} // the other threads stop a moment later
		})
}

package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/trace"
)

// patience is how long the end of a run waits for a receiver of traces.
const patience = 3 * time.Second

// traces exports the run as spans where the environment asks for it. That it cannot be done is said, and no reason not to run.
func (o *Options) traces(ctx context.Context, p *project.Project, kept bool) *trace.Session {
	s, err := trace.Start(ctx, trace.Source{
		Run: o.ID, Kept: kept, Version: o.App.Version, LookupEnv: o.App.LookupEnv,
		Model: func(agent string) (provider, model string) { return modelOf(p, agent) },
	})
	if err != nil {
		untraced(o.App, err)
	}
	return s
}

// endTraces sends what was not sent yet.
func endTraces(ctx context.Context, app *cli.App, s *trace.Session) {
	if err := s.Close(ctx, patience); err != nil {
		untraced(app, err)
	}
}

func untraced(app *cli.App, err error) { fmt.Fprintf(app.Err, "traces: %v\n", err) }

// modelOf is what is configured of the model behind an agent.
func modelOf(p *project.Project, agent string) (provider, model string) {
	a, ok := p.Manifest.Agent(agent)
	if !ok {
		return "", ""
	}
	var config struct {
		Model string `json:"model"`
	}
	if json.Unmarshal([]byte(a.Config), &config) != nil || config.Model == "" {
		return "", ""
	}
	return a.Use, config.Model
}

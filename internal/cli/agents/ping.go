package agents

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
)

func pingCmd(o *Options) *cobra.Command {
	return &cobra.Command{
		Use: "ping [NAME...]", Short: "Start agents, all by default, and see whether they are alive",
		Example: "  parallax agents ping\n  parallax agents ping reviewer vet --json",
		RunE:    func(cmd *cobra.Command, args []string) error { return o.ping(cmd.Context(), args) },
	}
}

// pong is what became of one ping.
type pong struct {
	Agent   string  `json:"agent"`
	Alive   bool    `json:"alive"`
	Millis  float64 `json:"ms,omitempty"` // until it answered, once it had started
	Started float64 `json:"start_ms,omitempty"`
	Problem string  `json:"problem,omitempty"`
	err     error
}

func (o *Options) ping(ctx context.Context, names []string) error {
	h, m, err := o.open(names)
	if err != nil {
		return err
	}
	defer h.Close()
	if len(names) == 0 {
		names = m.AgentNames()
	}
	if len(names) == 0 && !o.JSON {
		return o.none()
	}
	pongs := make([]pong, len(names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i, name := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			start := time.Now()
			d, err := h.Ping(ctx, name)
			pongs[i] = pong{Agent: name, Alive: err == nil, Millis: millis(d), err: err}
			if err != nil {
				pongs[i].Problem = err.Error()
			} else {
				pongs[i].Started = millis(time.Since(start) - d)
			}
		})
	}
	wg.Wait()
	return o.tell(pongs)
}

func (o *Options) tell(pongs []pong) error {
	var errs []error
	for _, p := range pongs {
		switch {
		case o.JSON:
			if err := cli.JSON(o.App, p); err != nil {
				return err
			}
		case p.Alive:
			fmt.Fprintf(o.App.Out, "%s is alive (started in %.1f ms, answered in %.2f ms)\n", p.Agent, p.Started, p.Millis)
		default:
			fmt.Fprintf(o.App.Out, "%s is not there\n", p.Agent)
		}
		if p.err != nil {
			errs = append(errs, p.err)
		}
	}
	return errors.Join(errs...)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

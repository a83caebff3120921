package host

import (
	"context"
	"os"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Process is an agent's running process without the Host's protections, for tests of agents. It belongs to its Host.
type Process struct{ inst *instance }

// Dial starts the process of an agent if need be, without opening a session. Errors are *StartError.
func (h *Host) Dial(ctx context.Context, name string) (*Process, error) {
	m, ok := h.agents[name]
	if !ok {
		return nil, &StartError{Agent: name, Problem: "is not configured"}
	}
	leave, err := h.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	cmd, err := h.commandOf(m.cfg)
	if err != nil {
		return nil, err
	}
	inst, err := h.process(cmd).instance(ctx)
	if err != nil {
		return nil, m.own(err)
	}
	return &Process{inst}, nil
}

// RPC speaks the protocol with the process.
func (p *Process) RPC() agentpb.AgentServiceClient { return p.inst.rpc }

// Offer is what the process said that it offers.
func (p *Process) Offer() *agentpb.DescribeResponse { return p.inst.offer }

// BlobDir is the directory that it shares with the host.
func (p *Process) BlobDir() string { return p.inst.blobDir }

// Ping asks whether the process is alive.
func (p *Process) Ping(ctx context.Context) error { return p.inst.ping(ctx, pingDeadline) }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.inst.runner.exited }

// How says how an ended process ended, such as "exit status 1".
func (p *Process) How() string {
	<-p.inst.runner.done
	return p.inst.runner.state
}

// CloseStdin does what happens when a host dies.
func (p *Process) CloseStdin() error { return p.inst.runner.stdin.Close() }

// Interrupt does what happens when somebody types Ctrl-C at the host.
func (p *Process) Interrupt() error { return p.inst.runner.cmd.Process.Signal(os.Interrupt) }

// Shutdown asks the process to end, as a host does first.
func (p *Process) Shutdown(ctx context.Context) error { return p.inst.shutdown(ctx) }

// Noise is what the process printed on stdout after the handshake, from the start.
func (p *Process) Noise() string { return p.inst.runner.noise.text() }

// Stderr is the end of what it wrote there.
func (p *Process) Stderr() string { return p.inst.lastWords() }

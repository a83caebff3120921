package program

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/parallax-run/parallax/internal/cli"
)

// interruptible gives a context that ends at the first Ctrl-C or SIGTERM, or when the terminal is closed. The second ends the process as if nobody listened,
// however soon it comes; where Ctrl-C was to be ignored, as in a background job of a script, it ends the process as cancelled. stop ends the listening.
func interruptible() (ctx context.Context, stop func()) {
	deadly := map[os.Signal]bool{os.Interrupt: !signal.Ignored(os.Interrupt), syscall.SIGTERM: true, syscall.SIGHUP: true}
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		signal.Notify(signals, syscall.SIGHUP)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for first := true; ; first = false {
			select {
			case sig := <-signals:
				if !first && deadly[sig] {
					die(sig)
				} else if !first {
					os.Exit(int(cli.Stopped))
				}
				cancel(fmt.Errorf("%s signal received", sig))
			case <-quit:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-done
		cancel(nil)
	}
}

// die ends the process by a signal, so that whoever started it sees that.
func die(sig os.Signal) {
	signal.Reset(sig)
	self, err := os.FindProcess(os.Getpid())
	if err != nil || self.Signal(sig) != nil {
		os.Exit(int(cli.Stopped))
	}
	select {} // the signal is on its way
}

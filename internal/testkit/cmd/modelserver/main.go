// Modelserver runs the model provider of the tests as a program, for demonstrations and end-to-end tests.
//
//	modelserver [-addr 127.0.0.1:0] [-key-env NAME] [-seed N] [FILE...]
//
// It learns from the files, or from its built-in text, prints its base URL ("http://127.0.0.1:PORT/v1") as the first line
// of its output and serves until its input ends or it is told to stop by SIGINT or SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/parallax-run/parallax/internal/testkit/modelserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "modelserver:", err)
		os.Exit(1)
	}
}

// run serves until ctx or in ends.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("modelserver", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on")
	keyEnv := flags.String("key-env", "", "environment variable with the API key to ask for")
	seed := flags.Uint64("seed", 0, "where answers without a seed begin")
	if err := flags.Parse(args); err != nil {
		return err
	}
	texts, err := read(flags.Args())
	if err != nil {
		return err
	}
	srv := modelserver.New(modelserver.Options{Texts: texts, Key: os.Getenv(*keyEnv), Seed: *seed})
	lis, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "http://%s/v1\n", lis.Addr()); err != nil {
		return errors.Join(err, lis.Close())
	}
	return serve(ctx, lis, srv, in)
}

func read(files []string) ([]string, error) {
	var texts []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(b))
	}
	return texts, nil
}

// serve ends when ctx or in does. The reader of in may outlive it, for a read cannot be interrupted; the process ends with it.
func serve(ctx context.Context, lis net.Listener, h http.Handler, in io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	web := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- web.Serve(lis) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		err := web.Close()
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}
}

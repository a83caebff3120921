// Command parallax-verify says who built a file that somebody published: it reads a question on its standard input and answers in JSON, see package
// provenance. parallax asks it when it installs a package.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/parallax-run/parallax/internal/origin"
	"github.com/parallax-run/parallax/internal/provenance"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); code != 0 {
		os.Exit(code) //nolint:gocritic // what is deferred ends with the process
	}
}

const (
	usage = `parallax-verify says who built a file. parallax asks it; it reads one question as JSON on its standard input:

  {"digest": "sha256:...", "repo": "owner/repo", "tag": "v1.0.0", "bundles": ["base64 of a sigstore bundle", ...], "root": "trusted_root.json"}

and writes {"version": ..., "verdict": "verified" | "none" | "refused" | "not checked", "identity": ..., "why": ...}.
`
	maxQuestion = 64 << 20
)

// run answers one question and gives the exit code: 0 with any verdict, 2 if it was not asked properly.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == "--version":
		fmt.Fprintln(out, version)
		return 0
	case len(args) > 0:
		fmt.Fprint(errs, usage)
		return 2
	}
	var q origin.Question
	if err := json.NewDecoder(io.LimitReader(in, maxQuestion)).Decode(&q); err != nil { // what a newer parallax asks besides, its version tells
		fmt.Fprintf(errs, "parallax-verify: that is no question: %v\n\n%s", err, usage)
		return 2
	}
	a := answer(ctx, q)
	a.Version = version
	if err := json.NewEncoder(out).Encode(a); err != nil {
		fmt.Fprintln(errs, "parallax-verify:", err)
		return 1
	}
	return 0
}

func answer(ctx context.Context, q origin.Question) origin.Answer {
	trusted, err := provenance.Trusted(ctx, q.Root, q.Cache)
	if err != nil {
		return origin.Unable("%v", err)
	}
	return provenance.Answer(q, trusted)
}

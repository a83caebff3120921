package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	_ "github.com/parallax-run/parallax/cmd/first" // is the shim of agents that are tried
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/packages"
	"github.com/parallax-run/parallax/internal/cli/plugin"
	"github.com/parallax-run/parallax/internal/cli/program"
	"github.com/parallax-run/parallax/internal/origin"
	"github.com/parallax-run/parallax/internal/testkit/attest"
	"github.com/parallax-run/parallax/internal/testkit/github"
)

// TestMain makes this test binary be both programs, side by side as they are installed.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); len(os.Args) > 1 && name != "parallax" && name != origin.ProgramName && !strings.HasPrefix(os.Args[1], "-test.") {
		os.Exit(2) // never the tests: they would start themselves again and again
	}
	testscript.Main(m, map[string]func(){
		origin.ProgramName: main,
		"parallax": func() {
			os.Exit(program.Main(cli.Program{}, version, os.Args[1:], packages.NewInstallCmd, packages.NewAddCmd, packages.NewUpgradeCmd, packages.NewListCmd, plugin.NewCmd))
		},
	})
}

// worlds is the key under which a script keeps its world.
type worlds struct{}

// world is a server of packages and two sigstore services, of which one is trusted.
type world struct {
	hub            *github.Server
	trusted, other *attest.Service
}

// TestScript installs agents whose origin is checked, through both programs.
func TestScript(t *testing.T) {
	t.Parallel()
	sdk, err := filepath.Abs("../../plugins/agent")
	require.NoError(t, err)
	toolchain := goEnv(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "publish": publish},
		Setup: func(e *testscript.Env) error {
			w, err := newWorld(e)
			if err != nil {
				return err
			}
			e.Values[worlds{}] = w
			e.Setenv("SDK", sdk)
			e.Setenv("HOME", filepath.Join(e.WorkDir, ".home"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, ".cache"))
			e.Setenv("PARALLAX_HOSTS", w.hub.Hosts("github.com"))
			e.Setenv("PARALLAX_TRUSTED_ROOT", filepath.Join(e.WorkDir, "root.json"))
			e.Setenv("PARALLAX_ATTEMPTS", "1")
			for name, value := range toolchain {
				e.Setenv(name, value)
			}
			return nil
		},
	})
}

func newWorld(e *testscript.Env) (*world, error) {
	dir := filepath.Join(e.WorkDir, ".hub")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	w := &world{}
	var err error
	if w.hub, err = github.Start(dir); err != nil {
		return nil, err
	}
	e.Defer(w.hub.Close)
	if w.trusted, err = attest.New(); err != nil {
		return nil, err
	}
	if w.other, err = attest.New(); err != nil {
		return nil, err
	}
	for name, root := range map[string]func() ([]byte, error){"root.json": w.trusted.Root, "expired.json": w.trusted.Expired, "logged.json": w.trusted.Logged} {
		text, err := root()
		if err == nil {
			err = os.WriteFile(filepath.Join(e.WorkDir, name), text, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

func goEnv(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "-json", "GOARCH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GONOSUMDB", "GOTOOLCHAIN").Output()
	require.NoError(t, err)
	vars := make(map[string]string)
	require.NoError(t, json.Unmarshal(out, &vars))
	return vars
}

// exits runs a program and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s exited with %d, want %s", args[1], got, args[0])
	}
}

// publish tags and releases an agent, with one attestation or none:
//
//	publish OWNER/NAME VERSION PROGRAM good|none|owner|tag|digest|service|workflow|cut|kept
func publish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: publish OWNER/NAME VERSION PROGRAM ATTESTATION")
	}
	w := ts.Value(worlds{}).(*world)
	repo, version, how := args[0], args[1], args[3]
	_, name, _ := strings.Cut(repo, "/")
	run, err := os.ReadFile(ts.MkAbs(args[2]))
	ts.Check(err)
	text := fmt.Sprintf("[package]\nname = %q\nkind = \"agent\"\nversion = %q\n\n[agent]\ncommand = [\"run\"]\n", repo, version)
	_, err = w.hub.Tag(context.Background(), repo, "v"+version, map[string]string{"parallax.toml": text})
	ts.Check(err)
	asset := fmt.Sprintf("%s_%s_x1_linux_%s.zip", name, version, runtime.GOARCH)
	files := map[string][]byte{asset: github.Zip(map[string]string{"parallax.toml": text, "run*": string(run)})}
	sum := sha256.Sum256(files[asset])
	bundle, err := w.attestation(how, repo, "v"+version, asset, hex.EncodeToString(sum[:]))
	ts.Check(err)
	w.hub.Fail(nil)
	switch how {
	case "none":
	case "kept":
		w.hub.Fail(w.keeps(bundle, hex.EncodeToString(sum[:])))
	default:
		files[asset+".sigstore.json"] = bundle
	}
	w.hub.Release(repo, "v"+version, files)
}

// attestation is one that fits, or that is wrong in one way.
func (w *world) attestation(how, repo, tag, asset, sum string) ([]byte, error) {
	service, identity := w.trusted, attest.Workflow(repo, tag)
	switch how {
	case "owner":
		identity = attest.Workflow("mallory/words", tag)
	case "tag":
		identity = attest.Workflow(repo, "v0.9.0")
	case "workflow":
		identity = "https://github.com/" + repo + "/.github/workflows/other.yml@refs/tags/" + tag
	case "service":
		service = w.other
	case "digest":
		sum = strings.Repeat("00", 32)
	}
	b, err := service.Attest(identity, attest.Issuer, attest.Provenance, map[string]string{asset: sum})
	if how == "cut" {
		b = b[:len(b)/2]
	}
	return b, err
}

// keeps answers as GitHub does that keeps an attestation, packed, at another address.
func (w *world) keeps(bundle []byte, sum string) func(rw http.ResponseWriter, r *http.Request) bool {
	return func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/attestations/sha256:"+sum):
			_, _ = fmt.Fprintf(rw, `{"attestations":[{"bundle":null,"repository_id":1,"bundle_url":"%s/blobs/1.json.sn"}]}`, w.hub.URL)
		case r.URL.Path == "/blobs/1.json.sn":
			rw.Header().Set("Content-Type", "application/x-snappy")
			_, _ = rw.Write(snappy.Encode(nil, bundle))
		default:
			return false
		}
		return true
	}
}

func TestWhatIsNoQuestion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		in   string
		code int
		out  string
	}{
		"nothing":             {nil, "", 2, "that is no question"},
		"no JSON":             {nil, "hello", 2, "that is no question"},
		"half a question":     {nil, `{"digest":"sha256`, 2, "that is no question"},
		"a flag":              {[]string{"--what"}, "", 2, "reads one question as JSON"},
		"its version":         {[]string{"--version"}, "", 0, "dev\n"},
		"no root":             {nil, `{"root":"/nowhere/root.json"}`, 0, `"verdict":"not checked","why":"what is trusted cannot be read from /nowhere/root.json`},
		"of a later parallax": {nil, `{"later":1,"root":"/nowhere/root.json"}`, 0, `"version":"dev"`},
	} {
		var out bytes.Buffer
		require.Equal(t, c.code, run(t.Context(), c.args, strings.NewReader(c.in), &out, &out), name)
		require.Contains(t, out.String(), c.out, name)
	}
}

package main

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/parallax-run/parallax/internal/testkit/github"
)

// hubs is the key under which a script keeps its server of packages.
type hubs struct{}

// hub is the server of packages of a script, which stands for github.com:
//
//	hub start                               begins it; parallax knows of it by PARALLAX_HOSTS
//	hub tag OWNER/REPO TAG DIR              commits a folder and tags it, or moves the tag
//	hub release OWNER/REPO TAG NAME=DIR...  publishes folders as zip archives, with their checksums
//	hub spoil OWNER/REPO TAG NAME=DIR...    the same, with the checksums of others
//	hub private OWNER/REPO
//	hub fail network | down | limit | truncated | nothing
//	hub asked                               fails if it was asked for anything; ! hub asked if it was not
func hub(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: hub start|tag|release|spoil|private|fail|asked ...")
	}
	holder := ts.Value(hubs{}).(**github.Server)
	if args[0] == "start" {
		dir := ts.MkAbs(".hub")
		ts.Check(os.MkdirAll(dir, 0o755))
		s, err := github.Start(dir)
		ts.Check(err)
		ts.Defer(s.Close)
		*holder = s
		ts.Setenv("PARALLAX_HOSTS", s.Hosts("github.com"))
		return
	}
	s := *holder
	switch args[0] {
	case "tag":
		_, err := s.Tag(context.Background(), args[1], args[2], filesIn(ts, args[3]))
		ts.Check(err)
	case "release", "spoil":
		files := make(map[string][]byte)
		for _, arg := range args[3:] {
			name, dir, _ := strings.Cut(arg, "=")
			files[name] = github.Zip(filesIn(ts, dir))
		}
		if args[0] == "spoil" {
			files["SHA256SUMS"] = []byte(strings.Repeat("0", 64) + "  " + strings.Join(keys(files), "\n"+strings.Repeat("0", 64)+"  ") + "\n")
		}
		s.Release(args[1], args[2], files)
	case "private":
		s.Private(args[1])
	case "fail":
		s.Fail(failure(ts, args[1]))
	case "asked":
		if asked := s.Asked(); len(asked) > 0 != neg {
			ts.Fatalf("asked for %q", asked)
		}
	default:
		ts.Fatalf("there is no hub %s", args[0])
	}
}

func keys(files map[string][]byte) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	return names
}

// filesIn reads a folder. Programs get a * at the end of their names, as github.Zip wants it.
func filesIn(ts *testscript.TestScript, dir string) map[string]string {
	files := make(map[string]string)
	dir = ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if info, _ := d.Info(); info.Mode()&0o111 != 0 {
			name += "*"
		}
		files[filepath.ToSlash(name)] = string(text)
		return err
	}))
	return files
}

// failure is a way in which the server answers badly.
func failure(ts *testscript.TestScript, kind string) func(w http.ResponseWriter, r *http.Request) bool {
	switch kind {
	case "nothing":
		return nil
	case "network":
		return func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	case "down":
		return func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "down", http.StatusBadGateway)
			return true
		}
	case "limit":
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
			w.WriteHeader(http.StatusForbidden)
			return true
		}
	case "truncated":
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, ".zip") {
				return false
			}
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte("PK"))
			return true
		}
	}
	ts.Fatalf("there is no failure %s", kind)
	return nil
}

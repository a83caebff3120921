package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/parallax-run/parallax/internal/testkit/github"
)

// hubs is the key under which a script keeps its server of packages.
type hubs struct{}

// scriptT is the key under which a script keeps its test.
type scriptT struct{}

// hub is the server of packages of a script, which stands for github.com:
//
//	hub start                               begins it; parallax knows of it by PARALLAX_HOSTS
//	hub tag OWNER/REPO TAG DIR              commits a folder and tags it, or moves the tag
//	hub release OWNER/REPO TAG NAME=DIR...  publishes folders as zip archives, with their checksums
//	hub spoil OWNER/REPO TAG NAME=DIR...    the same, with the checksums of others
//	hub zip FILE DIR                        packs a folder
//	hub private OWNER/REPO
//	hub create OWNER/REPO                   an empty repository
//	hub commit OWNER/REPO DIR               commits a folder to main
//	hub user LOGIN [OWNER...]               lets somebody push to the repositories of owners; GITHUB_TOKEN and git's settings are theirs
//	hub show OWNER/REPO REF PATH FILE       writes what a file is at a ref
//	hub pulls OWNER/REPO FILE               writes the pull requests, "NUMBER STATE LOGIN TITLE" each
//	hub merge OWNER/REPO NUMBER             merges a pull request
//	hub releases OWNER/REPO FILE            writes the releases, "TAG draft|public ASSET..." each
//	hub fail network | down | limit | secondary | truncated | nothing
//	hub fail REGEXP STATUS TIMES            answers the next requests "METHOD PATH" that fit with a status
//	hub stars OWNER/REPO N                  gives a repository stars
//	hub limit N                             requests of the API an hour
//	hub break N                             ends the next uploads in the middle
//	hub asked                               fails if it was asked for anything; ! hub asked if it was not
//
// A request that GitHub would not understand, or an answer that it would not give, fails the script.
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
		ts.Defer(func() {
			s.Close()
			if problems := s.Problems(); len(problems) > 0 {
				t, _ := ts.Value(scriptT{}).(testscript.T)
				t.Log("the server was asked, or answered, as GitHub would not:\n", strings.Join(problems, "\n"))
				t.FailNow()
			}
		})
		*holder = s
		ts.Setenv("PARALLAX_HOSTS", s.Hosts("github.com"))
		ts.Setenv("HUB", s.URL)
		return
	}
	s := *holder
	switch args[0] {
	case "zip":
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), github.Zip(filesIn(ts, args[2])), 0o600))
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
	case "create":
		ts.Check(s.Create(context.Background(), args[1]))
	case "commit":
		_, err := s.Commit(context.Background(), args[1], "change", filesIn(ts, args[2]))
		ts.Check(err)
	case "user":
		beUser(ts, s, args[1], args[2:])
	case "show":
		text, err := s.Show(context.Background(), args[1], args[2], args[3])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[4]), []byte(text), 0o600))
	case "pulls":
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Join(append(s.Pulls(args[1]), ""), "\n")), 0o600))
	case "releases":
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Join(append(s.Releases(args[1]), ""), "\n")), 0o600))
	case "merge":
		n, err := strconv.ParseInt(args[2], 10, 64)
		ts.Check(err)
		ts.Check(s.Merge(context.Background(), args[1], n))
	case "stars":
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		s.Stars(args[1], n)
	case "limit":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		s.Limit(n)
	case "break":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		s.Break(n)
	case "fail":
		s.Fail(failure(ts, args[1:]))
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
func failure(ts *testscript.TestScript, args []string) func(w http.ResponseWriter, r *http.Request) bool {
	if len(args) == 3 {
		return failing(ts, args[0], args[1], args[2])
	}
	switch args[0] {
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
	case "secondary":
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
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
	ts.Fatalf("there is no failure %s", args[0])
	return nil
}

// failing answers the next requests that fit with a status.
func failing(ts *testscript.TestScript, fits, code, times string) func(w http.ResponseWriter, r *http.Request) bool {
	form, err := regexp.Compile(fits)
	ts.Check(err)
	status, err := strconv.Atoi(code)
	ts.Check(err)
	n, err := strconv.Atoi(times)
	ts.Check(err)
	var left atomic.Int64
	left.Store(int64(n))
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !form.MatchString(r.Method+" "+r.URL.Path) || left.Add(-1) < 0 {
			return false
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"message":"as the test wants it","status":"%d"}`, status)
		return true
	}
}

// beUser makes the script somebody who has a token, for parallax and for git.
func beUser(ts *testscript.TestScript, s *github.Server, login string, owners []string) {
	token := login + "s-token"
	s.User(login, token, []string{"repo"}, owners...)
	ts.Setenv("GITHUB_TOKEN", token)
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
	text := fmt.Sprintf("[user]\n\tname = %[1]s\n\temail = %[1]s@example.com\n[init]\n\tdefaultBranch = main\n[http %[2]q]\n\textraHeader = Authorization: Basic %[3]s\n[url %[4]q]\n\tinsteadOf = https://github.com/\n",
		login, s.URL, basic, s.URL+"/")
	ts.Check(os.MkdirAll(ts.Getenv("HOME"), 0o755))
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("HOME"), ".gitconfig"), []byte(text), 0o600))
}

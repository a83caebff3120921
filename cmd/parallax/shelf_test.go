package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/internal/testkit/github"
)

// shelves is the key under which a script keeps its index.
type shelves struct{}

// shelf is a server of one index, as a host of static files serves it.
type shelf struct {
	http *httptest.Server
	key  ed25519.PrivateKey

	mu    sync.Mutex
	text  []byte
	fail  func(w http.ResponseWriter, r *http.Request) bool
	asked []string // how requests were answered
}

// serveIndex is the command index of scripts:
//
//	index add OWNER/REPO TAG... [KEY=VALUE...]
//	                             writes index/packages/OWNER/REPO.json, by what the hub has of these versions; KEY is keywords, capabilities, verified, identity or yanked
//	index serve [BUILT]          publishes the folder index; parallax knows of it by PARALLAX_INDEX
//	index fail network | down | limit | cut | forged | nothing
//	index asked STATUS...        how it answered last, since that was asked before
func serveIndex(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || neg {
		ts.Fatalf("usage: index add|serve|fail|asked ...")
	}
	switch args[0] {
	case "add":
		addToIndex(ts, args[1], args[2:])
	case "serve":
		s := shelfOf(ts)
		built := time.Now()
		if len(args) > 1 {
			var err error
			built, err = time.Parse(time.RFC3339, args[1])
			ts.Check(err)
		}
		doc, err := index.Build(os.DirFS(ts.MkAbs("index")), nil, built, true)
		ts.Check(err)
		text, err := doc.Sign(s.key)
		ts.Check(err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.text = text
	case "fail":
		s := shelfOf(ts)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fail = s.failure(ts, args[1])
	case "asked":
		s := shelfOf(ts)
		s.mu.Lock()
		defer s.mu.Unlock()
		if want := args[1:]; len(s.asked) < len(want) || !slices.Equal(s.asked[len(s.asked)-len(want):], want) {
			ts.Fatalf("the index answered %q", s.asked)
		}
		s.asked = nil
	default:
		ts.Fatalf("there is no index %s", args[0])
	}
}

func shelfOf(ts *testscript.TestScript) *shelf {
	holder := ts.Value(shelves{}).(**shelf)
	if *holder != nil {
		return *holder
	}
	s := &shelf{key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))}
	s.http = httptest.NewServer(s)
	ts.Defer(s.http.Close)
	ts.Setenv("PARALLAX_INDEX", s.http.URL+"/index.ndjson#"+index.KeyText(s.key.Public().(ed25519.PublicKey)))
	ts.Setenv("INDEX", s.http.URL)
	*holder = s
	return s
}

// ServeHTTP implements http.Handler.
func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil && s.fail(w, r) {
		s.asked = append(s.asked, "failed")
		return
	}
	sum := sha256.Sum256(s.text)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", etag)
	switch {
	case path.Base(r.URL.Path) != "index.ndjson" || r.Header.Get("Authorization") != "":
		http.NotFound(w, r)
	case r.Header.Get("If-None-Match") == etag:
		w.WriteHeader(http.StatusNotModified)
		s.asked = append(s.asked, "304")
	default:
		_, _ = w.Write(s.text)
		s.asked = append(s.asked, "200")
	}
}

// failure is a way in which the index comes badly.
func (s *shelf) failure(ts *testscript.TestScript, kind string) func(w http.ResponseWriter, r *http.Request) bool {
	send := func(text []byte) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(text)
			return true
		}
	}
	switch kind {
	case "cut":
		return send(s.text[:len(s.text)-20])
	case "forged":
		return send(bytes.Replace(s.text, []byte(`"stars":`), []byte(`"stars":9`), 1))
	}
	return failure(ts, []string{kind})
}

// addToIndex writes an entry by installing each version as anybody would.
func addToIndex(ts *testscript.TestScript, repo string, tags []string) {
	hub := *ts.Value(hubs{}).(**github.Server)
	cache, err := os.MkdirTemp("", "shelf-")
	ts.Check(err)
	ts.Defer(func() { removeSealed(cache) })
	m := &market.Market{
		Cache: &market.Cache{Dir: cache}, Platform: goruntime.GOOS + "/" + goruntime.GOARCH,
		Client: &market.Client{HTTP: market.NewHTTP(), Bases: map[string]string{"github.com": hub.URL}},
	}
	defer m.Client.HTTP.CloseIdleConnections()
	e := &index.Entry{Name: strings.ToLower(repo), Source: "github.com/" + repo}
	set := make(map[string]string)
	tags = slices.DeleteFunc(slices.Clone(tags), func(arg string) bool {
		key, value, ok := strings.Cut(arg, "=")
		if ok {
			set[key] = value
		}
		return ok
	})
	if set["keywords"] != "" {
		e.Keywords = strings.Split(set["keywords"], ",")
	}
	if set["capabilities"] != "" {
		e.Capabilities = strings.Split(set["capabilities"], ",")
	}
	e.Verified = set["verified"]
	for _, tag := range tags {
		tree, lock, err := m.Add(context.Background(), market.Ref{Source: e.Source, Version: tag})
		ts.Check(err)
		text, err := os.ReadFile(filepath.Join(tree.Dir, manifest.FileName))
		ts.Check(err)
		mf, err := manifest.ParsePackage(manifest.FileName, text, index.Workspace)
		ts.Check(err)
		locked, _ := lock.Package(e.Source)
		e.Kind, e.Description, e.License = mf.Package.Kind, mf.Package.Description, mf.Package.License
		v := index.Version{Version: strings.TrimPrefix(tag, "v"), Commit: locked.Commit, H1: locked.Hash, Hashes: locked.Assets, Released: time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)}
		v.Permissions, err = index.PermissionsOf(mf.Asks)
		ts.Check(err)
		if v.Identity = set["identity"]; set["yanked"] == tag {
			v.Yanked = "it loses votes"
		}
		e.Put(v)
	}
	text, err := e.Text()
	ts.Check(err)
	file := filepath.Join(ts.MkAbs("index"), filepath.FromSlash(index.Path(e.Name)))
	ts.Check(errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, text, 0o644)))
}

// removeSealed removes a cache, which is read-only.
func removeSealed(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o755)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}

// Package github is a server that behaves like GitHub where packages are concerned: real git repositories, cloned, listed and pushed to through
// `git http-backend`, archives of commits, releases with their files at the addresses that GitHub has, and the part of the REST API by which
// one publishes. Each request and answer of the API is checked against GitHub's own description of it. The server can be told to fail.
package github

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is one host of packages. Its methods may be called at the same time.
type Server struct {
	URL   string
	dir   string // of the repositories: OWNER/REPO.git
	git   string
	http  *httptest.Server
	Token string // of somebody who may read all private repositories, and nothing else

	mu       sync.Mutex
	repos    map[string]*repository // by owner/repo
	users    map[string]*user       // by token
	members  map[string][]string    // logins that may push, by owner
	next     int64                  // number of a release, an asset, a pull request
	asked    []string
	problems []string
	used     map[string]int // requests of the API, by token
	limit    int            // of them; zero means GitHub's
	breaks   int            // uploads that are still to break
	fail     func(w http.ResponseWriter, r *http.Request) bool
	gitLock  sync.Mutex // around what changes a repository
}

// user is somebody who has a token.
type user struct {
	login   string
	scopes  []string
	readAll bool
}

// repository is what there is besides git's own.
type repository struct {
	private      bool
	parent       string // that it was forked from, or ""
	releases     []*release
	pulls        []*pull
	stars        map[string]bool // by login
	attestations map[string][]any
}

// Start begins to serve repositories that are made below dir.
func Start(dir string) (*Server, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("tests of packages need git: %w", err)
	}
	s := &Server{
		dir: dir, git: git, Token: "good-token", repos: make(map[string]*repository), users: make(map[string]*user), members: make(map[string][]string),
		used: make(map[string]int),
	}
	s.users[s.Token] = &user{login: "reader", readAll: true}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	return s, nil
}

// Close ends the server.
func (s *Server) Close() { s.http.Close() }

// Hosts is the value of PARALLAX_HOSTS by which the server stands for host.
func (s *Server) Hosts(host string) string { return host + "=" + s.URL }

// Fail lets f answer in place of the server where it gives true. Nil ends that.
func (s *Server) Fail(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// Break lets the next n uploads end in the middle, which leaves an asset that is none.
func (s *Server) Break(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks = n
}

// Limit allows n requests of the API to each token, and none after these.
func (s *Server) Limit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = n
	clear(s.used)
}

// Asked gives the requests so far, as "GET /path", and forgets them.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// Private makes a repository private.
func (s *Server) Private(repo string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repository(repo).private = true
}

// User gives somebody a token with scopes, of which "repo" and "public_repo" allow changes, and lets them push to the repositories of owners besides their own.
func (s *Server) User(login, token string, scopes []string, owners ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[token] = &user{login: login, scopes: scopes}
	for _, owner := range owners {
		s.members[owner] = append(s.members[owner], login)
	}
}

// repository gives what there is of a repository, which is made when it is new. The caller holds mu.
func (s *Server) repository(repo string) *repository {
	if s.repos[repo] == nil {
		s.repos[repo] = &repository{stars: make(map[string]bool), attestations: make(map[string][]any)}
	}
	return s.repos[repo]
}

// repoOf gives a copy of what there is, if the repository is there.
func (s *Server) repoOf(repo string) (repository, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[repo]
	if r == nil {
		return repository{}, false
	}
	return *r, true
}

func (s *Server) mayPush(u *user, repo string) bool {
	owner, _, _ := strings.Cut(repo, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	return u != nil && (u.login == owner || slices.Contains(s.members[owner], u.login))
}

func (s *Server) mayRead(u *user, repo string) bool {
	return u != nil && u.readAll || s.mayPush(u, repo)
}

// number gives a number that nothing has. The caller holds mu.
func (s *Server) number() int64 {
	s.next++
	return s.next
}

// Release publishes files with a tag, and SHA256SUMS over them unless that is among them.
func (s *Server) Release(repo, tag string, files map[string][]byte) {
	files = maps.Clone(files)
	if _, ok := files["SHA256SUMS"]; !ok {
		files["SHA256SUMS"] = []byte(Sums(files))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repository(repo)
	r.releases = slices.DeleteFunc(r.releases, func(rel *release) bool { return rel.tag == tag })
	rel := &release{id: s.number(), tag: tag, name: tag}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		rel.assets = append(rel.assets, &asset{id: s.number(), name: name, data: files[name]})
	}
	r.releases = append(r.releases, rel)
}

// Attest makes the API give a sigstore bundle for a file by its digest, "sha256:" and hex.
func (s *Server) Attest(repo, digest string, bundle map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repository(repo)
	r.attestations[digest] = append(r.attestations[digest], object{"bundle": bundle, "repository_id": 1, "bundle_url": s.URL})
}

// Sums is the text of SHA256SUMS for files.
func Sums(files map[string][]byte) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[name])
		fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(sum[:]), name)
	}
	return b.String()
}

// Zip packs files. Names that end in * are programs, without it.
func Zip(files map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: strings.TrimSuffix(name, "*"), Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasSuffix(name, "*") {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			panic(err) // a buffer takes all
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	fail := s.fail
	s.mu.Unlock()
	if fail != nil && fail(w, r) {
		return
	}
	for _, prefix := range []string{apiPath, uploadsPath} {
		if path, ok := strings.CutPrefix(r.URL.Path, prefix+"/"); ok {
			s.api(w, r, "/"+path)
			return
		}
	}
	if s.stored(w, r) {
		return
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	if len(parts) < 3 {
		http.NotFound(w, r)
		return
	}
	repo := parts[0] + "/" + strings.TrimSuffix(parts[1], ".git")
	switch {
	case strings.HasSuffix(parts[1], ".git"), parts[2] == "info/refs", strings.HasPrefix(parts[2], "git-"):
		r.URL.Path = "/" + repo + ".git/" + parts[2]
		s.smart(w, r, repo, parts[2])
	case s.isPrivate(repo):
		http.NotFound(w, r) // these addresses know no token
	default:
		s.download(w, r, repo, parts[2])
	}
}

func (s *Server) isPrivate(repo string) bool {
	r, _ := s.repoOf(repo)
	return r.private
}

// smart serves clones, and pushes of those who may. GitHub asks for a password where there is no repository.
func (s *Server) smart(w http.ResponseWriter, r *http.Request, repo, what string) {
	token, _ := tokenOf(r)
	s.mu.Lock()
	u := s.users[token]
	s.mu.Unlock()
	push := what == "git-receive-pack" || r.URL.Query().Get("service") == "git-receive-pack"
	has, ok := s.repoOf(repo)
	switch {
	case !ok, has.private && !s.mayRead(u, repo), push && u == nil:
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Repository not found.", http.StatusUnauthorized)
		return
	case push && !s.mayPush(u, repo):
		http.Error(w, fmt.Sprintf("Permission to %s.git denied to %s.", repo, u.login), http.StatusForbidden)
		return
	}
	if push {
		s.gitLock.Lock()
		defer s.gitLock.Unlock()
	}
	h := &cgi.Handler{
		Path: s.git, Args: []string{"http-backend"}, Dir: s.dir,
		Env: append(s.env(), "GIT_PROJECT_ROOT="+s.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.receivepack", "GIT_CONFIG_VALUE_0="+strconv.FormatBool(push)),
	}
	h.ServeHTTP(w, r)
}

// download serves what a browser could download.
func (s *Server) download(w http.ResponseWriter, r *http.Request, repo, rest string) {
	if file, ok := strings.CutPrefix(rest, "releases/download/"); ok {
		tag, name, _ := strings.Cut(file, "/")
		if data, ok := s.file(repo, tag, name); ok {
			send(w, r, data)
			return
		}
	}
	if name, ok := strings.CutPrefix(rest, "archive/"); ok {
		s.archive(w, r, repo, strings.TrimSuffix(name, ".zip"))
		return
	}
	http.NotFound(w, r)
}

// file gives a file of a release that is public, and counts the download.
func (s *Server) file(repo, tag, name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[repo]
	if r == nil {
		return nil, false
	}
	for _, rel := range r.releases {
		for _, a := range rel.assets {
			if rel.tag == tag && !rel.draft && a.name == name && !a.starter {
				a.downloads++
				return a.data, true
			}
		}
	}
	return nil, false
}

// send sends a file, or the part of it that is asked for.
func send(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(data)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// archive packs a commit, in a folder of its own as GitHub does.
func (s *Server) archive(w http.ResponseWriter, r *http.Request, repo, commit string) {
	name := repo[strings.LastIndexByte(repo, '/')+1:] + "-" + commit
	out, err := s.run(r.Context(), "", "-C", s.bare(repo), "archive", "--format=zip", "--prefix="+name+"/", commit)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	_, _ = w.Write([]byte(out))
}

func published() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// storagePath is where the API sends those who want a file's bytes: an address that nobody can guess.
const storagePath = "/storage/"

// secret is the part of such an address that cannot be guessed.
func secret(what string) string {
	sum := sha256.Sum256([]byte("a test needs no better secret: " + what))
	return hex.EncodeToString(sum[:])
}

// stored serves those addresses: /storage/SECRET/asset/ID and /storage/SECRET/zip/OWNER/REPO/COMMIT.
func (s *Server) stored(w http.ResponseWriter, r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, storagePath)
	if !ok {
		return false
	}
	sum, what, _ := strings.Cut(rest, "/")
	kind, what, _ := strings.Cut(what, "/")
	switch {
	case sum != secret(kind+"/"+what):
		http.Error(w, "the signature does not match", http.StatusForbidden)
	case kind == "zip":
		i := strings.LastIndexByte(what, '/')
		s.archive(w, r, what[:i], what[i+1:])
	default:
		id, _ := strconv.ParseInt(what, 10, 64)
		if _, a := s.assetOf(id); a != nil {
			send(w, r, a.data)
		}
	}
	return true
}

// elsewhere sends the caller to such an address.
func (s *Server) elsewhere(w http.ResponseWriter, what string) {
	w.Header().Set("Location", s.URL+storagePath+secret(what)+"/"+what)
	w.WriteHeader(http.StatusFound)
}

// run runs git as nobody in particular.
func (s *Server) run(ctx context.Context, dir string, args ...string) (string, error) {
	return s.runWith(ctx, dir, "", nil, args...)
}

// Package github is a server that behaves like GitHub where packages are concerned: real git repositories, cloned and listed through
// `git http-backend`, archives of commits, releases with their files at the addresses that GitHub has, and the few endpoints of the REST API
// that private repositories need. It can be told to fail.
package github

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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
	Token string // that private repositories want

	mu       sync.Mutex
	releases map[string]map[string][]byte // files, by owner/repo@tag
	private  map[string]bool
	asked    []string
	fail     func(w http.ResponseWriter, r *http.Request) bool
}

// Start begins to serve repositories that are made below dir.
func Start(dir string) (*Server, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("tests of packages need git: %w", err)
	}
	s := &Server{dir: dir, git: git, Token: "good-token", releases: make(map[string]map[string][]byte), private: make(map[string]bool)}
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
	s.private[repo] = true
}

// Tag commits files as the whole content of a repository, which is made when it is new, and tags that. A tag that is there is moved. It
// gives the commit.
func (s *Server) Tag(ctx context.Context, repo, tag string, files map[string]string) (commit string, err error) {
	bare := filepath.Join(s.dir, filepath.FromSlash(repo)+".git")
	if _, err := os.Stat(bare); errors.Is(err, os.ErrNotExist) {
		if _, err := s.run(ctx, "", "init", "--quiet", "--bare", "--initial-branch=main", bare); err != nil {
			return "", err
		}
	}
	work, err := os.MkdirTemp(s.dir, "work-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }()
	for name, text := range files {
		file := filepath.Join(work, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			return "", err
		}
	}
	git := func(args ...string) {
		if err == nil {
			commit, err = s.run(ctx, work, append([]string{"--git-dir=" + bare, "--work-tree=" + work}, args...)...)
		}
	}
	git("add", "--all", "--force", ".")
	git("commit", "--quiet", "--allow-empty", "--message", tag)
	git("tag", "--force", "--annotate", "--message", tag, tag)
	git("rev-parse", "HEAD")
	return strings.TrimSpace(commit), err
}

// run runs git as nobody in particular.
func (s *Server) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.git, args...)
	cmd.Dir = dir
	cmd.Env = append(s.env(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("git %s: %s", strings.Join(args, " "), e.Stderr)
	}
	return string(out), err
}

func (s *Server) env() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C"}
}

// Release publishes files with a tag, and SHA256SUMS over them unless that is among them.
func (s *Server) Release(repo, tag string, files map[string][]byte) {
	files = maps.Clone(files)
	if _, ok := files["SHA256SUMS"]; !ok {
		files["SHA256SUMS"] = []byte(Sums(files))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releases[repo+"@"+tag] = files
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
	rest, isAPI := strings.CutPrefix(r.URL.Path, "/api/v3/repos/")
	if !isAPI {
		rest = strings.TrimPrefix(r.URL.Path, "/")
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 3 {
		http.NotFound(w, r)
		return
	}
	repo := parts[0] + "/" + strings.TrimSuffix(parts[1], ".git")
	switch {
	case isAPI:
		s.api(w, r, repo, parts[2])
	case strings.HasSuffix(parts[1], ".git"):
		s.smart(w, r, repo)
	case s.isPrivate(repo):
		http.NotFound(w, r) // these addresses know no token
	default:
		s.page(w, r, repo, parts[2])
	}
}

func (s *Server) isPrivate(repo string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.private[repo]
}

// smart serves clones. GitHub asks for a password where there is no repository.
func (s *Server) smart(w http.ResponseWriter, r *http.Request, repo string) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+s.Token))
	_, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(repo)+".git"))
	if err != nil || s.isPrivate(repo) && r.Header.Get("Authorization") != basic {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Repository not found.", http.StatusUnauthorized)
		return
	}
	h := &cgi.Handler{
		Path: s.git, Args: []string{"http-backend"}, Dir: s.dir,
		Env: append(s.env(), "GIT_PROJECT_ROOT="+s.dir, "GIT_HTTP_EXPORT_ALL=1"),
	}
	h.ServeHTTP(w, r)
}

// page serves what a browser could download.
func (s *Server) page(w http.ResponseWriter, r *http.Request, repo, rest string) {
	if file, ok := strings.CutPrefix(rest, "releases/download/"); ok {
		tag, name, _ := strings.Cut(file, "/")
		if data, ok := s.file(repo, tag, name); ok {
			send(w, data)
			return
		}
	}
	if name, ok := strings.CutPrefix(rest, "archive/"); ok {
		s.archive(w, r, repo, strings.TrimSuffix(name, ".zip"))
		return
	}
	http.NotFound(w, r)
}

func (s *Server) file(repo, tag, name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.releases[repo+"@"+tag][name]
	return data, ok
}

func send(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

// archive packs a commit, in a folder of its own as GitHub does.
func (s *Server) archive(w http.ResponseWriter, r *http.Request, repo, commit string) {
	bare := filepath.Join(s.dir, filepath.FromSlash(repo)+".git")
	name := repo[strings.LastIndexByte(repo, '/')+1:] + "-" + commit
	out, err := s.run(r.Context(), "", "-C", bare, "archive", "--format=zip", "--prefix="+name+"/", commit)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	_, _ = w.Write([]byte(out))
}

// asset is a file of a release as the API shows it.
type asset struct {
	URL         string    `json:"url"`
	ID          int64     `json:"id"`
	NodeID      string    `json:"node_id"`
	Name        string    `json:"name"`
	Label       *string   `json:"label"`
	State       string    `json:"state"`
	ContentType string    `json:"content_type"`
	Size        int       `json:"size"`
	Digest      *string   `json:"digest"`
	Downloads   int       `json:"download_count"`
	Created     time.Time `json:"created_at"`
	Updated     time.Time `json:"updated_at"`
	Download    string    `json:"browser_download_url"`
}

// api serves the endpoints that private repositories need: a release by its tag, one of its files, the archive of a commit.
func (s *Server) api(w http.ResponseWriter, r *http.Request, repo, rest string) {
	if s.isPrivate(repo) && r.Header.Get("Authorization") != "Bearer "+s.Token {
		notFound(w)
		return
	}
	switch kind, what, _ := strings.Cut(rest, "/"); {
	case kind == "zipball":
		s.archive(w, r, repo, what)
	case strings.HasPrefix(rest, "releases/tags/"):
		s.tagged(w, repo, strings.TrimPrefix(rest, "releases/tags/"))
	case strings.HasPrefix(rest, "releases/assets/"):
		s.asset(w, r, repo, strings.TrimPrefix(rest, "releases/assets/"))
	default:
		notFound(w)
	}
}

// notFound is how the API says that there is nothing, or nothing for us.
func notFound(w http.ResponseWriter) {
	answer(w, http.StatusNotFound, map[string]string{"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// assetsOf lists the files of a release. Their numbers are made of their names.
func (s *Server) assetsOf(repo, tag string) ([]asset, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files, ok := s.releases[repo+"@"+tag]
	var list []asset
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[name])
		digest := "sha256:" + hex.EncodeToString(sum[:])
		id := number(repo, tag, name)
		list = append(list, asset{
			URL: fmt.Sprintf("%s/api/v3/repos/%s/releases/assets/%d", s.URL, repo, id), ID: id, NodeID: "A", Name: name, State: "uploaded",
			ContentType: "application/octet-stream", Size: len(files[name]), Digest: &digest, Created: published(), Updated: published(),
			Download: fmt.Sprintf("%s/%s/releases/download/%s/%s", s.URL, repo, tag, name),
		})
	}
	return list, ok
}

func published() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func number(repo, tag, name string) int64 {
	sum := sha256.Sum256([]byte(repo + "@" + tag + "/" + name))
	return int64(sum[0])<<24 | int64(sum[1])<<16 | int64(sum[2])<<8 | int64(sum[3])
}

func (s *Server) tagged(w http.ResponseWriter, repo, tag string) {
	assets, ok := s.assetsOf(repo, tag)
	if !ok {
		notFound(w)
		return
	}
	answer(w, http.StatusOK, map[string]any{"id": number(repo, tag, ""), "tag_name": tag, "name": tag, "draft": false, "prerelease": false, "assets": assets})
}

// asset gives a file's bytes to who asks for them, and else says what it is.
func (s *Server) asset(w http.ResponseWriter, r *http.Request, repo, id string) {
	for _, tag := range s.tagsOf(repo) {
		assets, _ := s.assetsOf(repo, tag)
		for _, a := range assets {
			if strconv.FormatInt(a.ID, 10) != id {
				continue
			}
			if r.Header.Get("Accept") != "application/octet-stream" {
				answer(w, http.StatusOK, a)
				return
			}
			data, _ := s.file(repo, tag, a.Name)
			send(w, data)
			return
		}
	}
	notFound(w)
}

func (s *Server) tagsOf(repo string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tags []string
	for key := range s.releases {
		if tag, ok := strings.CutPrefix(key, repo+"@"); ok {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags
}

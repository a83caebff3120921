package github

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bare is the folder of a repository.
func (s *Server) bare(repo string) string {
	return filepath.Join(s.dir, filepath.FromSlash(repo)+".git")
}

// Create makes an empty repository, unless it is there.
func (s *Server) Create(ctx context.Context, repo string) error {
	s.mu.Lock()
	s.repository(repo)
	s.mu.Unlock()
	if _, err := os.Stat(s.bare(repo)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_, err := s.run(ctx, "", "init", "--quiet", "--bare", "--initial-branch=main", s.bare(repo))
	return err
}

// Commit commits files as the whole content of a repository, which is made when it is new, to main. It gives the commit.
func (s *Server) Commit(ctx context.Context, repo, message string, files map[string]string) (commit string, err error) {
	s.gitLock.Lock()
	defer s.gitLock.Unlock()
	if err := s.Create(ctx, repo); err != nil {
		return "", err
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
			commit, err = s.run(ctx, work, append([]string{"--git-dir=" + s.bare(repo), "--work-tree=" + work}, args...)...)
		}
	}
	git("add", "--all", "--force", ".")
	git("commit", "--quiet", "--allow-empty", "--message", message)
	git("rev-parse", "HEAD")
	return strings.TrimSpace(commit), err
}

// Tag is Commit, and tags that. A tag that is there is moved.
func (s *Server) Tag(ctx context.Context, repo, tag string, files map[string]string) (commit string, err error) {
	if commit, err = s.Commit(ctx, repo, tag, files); err == nil {
		_, err = s.run(ctx, "", "-C", s.bare(repo), "tag", "--force", "--annotate", "--message", tag, tag, commit)
	}
	return commit, err
}

// Show gives a file as it is at a branch, tag or commit.
func (s *Server) Show(ctx context.Context, repo, ref, path string) (string, error) {
	return s.run(ctx, "", "-C", s.bare(repo), "cat-file", "blob", ref+":"+path)
}

// runWith runs git with an input and more variables.
func (s *Server) runWith(ctx context.Context, dir, stdin string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.git, args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(append(s.env(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com"), env...)
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("git %s: %s", strings.Join(args, " "), e.Stderr)
	}
	return string(out), err
}

func (s *Server) env() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C"}
}

// resolve gives the object of a revision, "" when there is none.
func (s *Server) resolve(ctx context.Context, repo, rev string) string {
	out, err := s.run(ctx, "", "-C", s.bare(repo), "rev-parse", "--verify", "--quiet", rev)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// ref is a ref as the API shows it, or nil.
func (s *Server) ref(ctx context.Context, repo, name string) object {
	id := s.resolve(ctx, repo, "refs/"+name)
	if id == "" {
		return nil
	}
	kind, _ := s.run(ctx, "", "-C", s.bare(repo), "cat-file", "-t", id)
	u := s.URL + apiPath + "/repos/" + repo + "/git/"
	return object{"ref": "refs/" + name, "url": u + "refs/" + name, "object": object{"type": strings.TrimSpace(kind), "sha": id, "url": u + "commits/" + id}}
}

func (s *Server) getRef(w http.ResponseWriter, c *call) {
	ref := s.ref(c.Context(), c.repo(), c.params["ref"])
	if ref == nil {
		fault(w, http.StatusNotFound, "Not Found")
		return
	}
	c.answer(w, http.StatusOK, ref)
}

func (s *Server) createRef(w http.ResponseWriter, c *call) {
	var in struct{ Ref, SHA string }
	c.read(&in)
	s.gitLock.Lock()
	defer s.gitLock.Unlock()
	name, ok := strings.CutPrefix(in.Ref, "refs/")
	switch {
	case !ok:
		fault(w, http.StatusUnprocessableEntity, "Reference name must start with 'refs/'.")
	case s.resolve(c.Context(), c.repo(), in.Ref) != "":
		fault(w, http.StatusUnprocessableEntity, "Reference already exists")
	default:
		s.setRef(w, c, name, in.SHA, http.StatusCreated)
	}
}

// setRef moves a ref and answers with it.
func (s *Server) setRef(w http.ResponseWriter, c *call, name, id string, status int) {
	if s.resolve(c.Context(), c.repo(), id+"^{commit}") == "" {
		fault(w, http.StatusUnprocessableEntity, "Object does not exist")
		return
	}
	if _, err := s.run(c.Context(), "", "-C", s.bare(c.repo()), "update-ref", "refs/"+name, id); err != nil {
		fault(w, http.StatusUnprocessableEntity, "Reference cannot be updated")
		return
	}
	c.answer(w, status, s.ref(c.Context(), c.repo(), name))
}

func (s *Server) updateRef(w http.ResponseWriter, c *call) {
	var in struct {
		SHA   string
		Force bool
	}
	c.read(&in)
	s.gitLock.Lock()
	defer s.gitLock.Unlock()
	name := c.params["ref"]
	old := s.resolve(c.Context(), c.repo(), "refs/"+name)
	if old == "" {
		fault(w, http.StatusUnprocessableEntity, "Reference does not exist")
		return
	}
	if _, err := s.run(c.Context(), "", "-C", s.bare(c.repo()), "merge-base", "--is-ancestor", old, in.SHA); err != nil && !in.Force {
		fault(w, http.StatusUnprocessableEntity, "Update is not a fast forward")
		return
	}
	s.setRef(w, c, name, in.SHA, http.StatusOK)
}

func (s *Server) deleteRef(w http.ResponseWriter, c *call) {
	s.gitLock.Lock()
	defer s.gitLock.Unlock()
	name := "refs/" + c.params["ref"]
	if s.resolve(c.Context(), c.repo(), name) == "" {
		fault(w, http.StatusUnprocessableEntity, "Reference does not exist")
		return
	}
	_, _ = s.run(c.Context(), "", "-C", s.bare(c.repo()), "update-ref", "-d", name)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) listTags(w http.ResponseWriter, c *call) {
	out, _ := s.run(c.Context(), "", "-C", s.bare(c.repo()), "for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "--sort=-refname", "refs/tags")
	u := s.URL + apiPath + "/repos/" + c.repo()
	var list []any
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		id := words[len(words)-1]
		list = append(list, object{
			"name": words[0], "commit": object{"sha": id, "url": u + "/commits/" + id},
			"zipball_url": u + "/zipball/refs/tags/" + words[0], "tarball_url": u + "/tarball/refs/tags/" + words[0], "node_id": "R",
		})
	}
	c.answer(w, http.StatusOK, append([]any{}, c.page(w, s, list)...))
}

func (s *Server) zipball(w http.ResponseWriter, c *call) {
	commit := s.resolve(c.Context(), c.repo(), c.params["ref"]+"^{commit}")
	if commit == "" {
		fault(w, http.StatusNotFound, "Not Found")
		return
	}
	s.elsewhere(w, "zip/"+c.repo()+"/"+commit)
}

// branchOr is a branch, or the default one.
func branchOr(name string) string {
	if name == "" {
		return "main"
	}
	return strings.TrimPrefix(name, "refs/heads/")
}

func (s *Server) getContents(w http.ResponseWriter, c *call) {
	path, ref := c.params["path"], branchOr(c.URL.Query().Get("ref"))
	id := s.resolve(c.Context(), c.repo(), ref+":"+path)
	text, err := s.run(c.Context(), "", "-C", s.bare(c.repo()), "cat-file", "blob", id)
	if id == "" || err != nil {
		fault(w, http.StatusNotFound, "Not Found")
		return
	}
	c.answer(w, http.StatusOK, s.content(c.repo(), ref, path, id, text))
}

// content is a file as the API shows it.
func (s *Server) content(repo, ref, path, id, text string) object {
	u := s.URL + apiPath + "/repos/" + repo + "/contents/" + path + "?ref=" + ref
	return object{
		"type": "file", "encoding": "base64", "size": len(text), "name": path[strings.LastIndexByte(path, '/')+1:], "path": path, "sha": id,
		"content": wrapped(base64.StdEncoding.EncodeToString([]byte(text))), "url": u, "git_url": u, "html_url": u, "download_url": u,
		"_links": object{"self": u, "git": u, "html": u},
	}
}

// wrapped breaks base64 into lines, as the API does.
func wrapped(s string) string {
	var b strings.Builder
	for ; len(s) > 60; s = s[60:] {
		b.WriteString(s[:60] + "\n")
	}
	b.WriteString(s + "\n")
	return b.String()
}

func (s *Server) putContents(w http.ResponseWriter, c *call) {
	var in struct{ Message, Content, SHA, Branch string }
	c.read(&in)
	path, branch := c.params["path"], branchOr(in.Branch)
	text, err := base64.StdEncoding.DecodeString(in.Content)
	if err != nil {
		fault(w, http.StatusUnprocessableEntity, "content is not valid Base64.")
		return
	}
	s.gitLock.Lock()
	defer s.gitLock.Unlock()
	ctx, repo := c.Context(), c.repo()
	parent := s.resolve(ctx, repo, "refs/heads/"+branch)
	old := s.resolve(ctx, repo, "refs/heads/"+branch+":"+path)
	switch {
	case parent == "":
		fault(w, http.StatusNotFound, "Branch "+branch+" not found")
		return
	case old != "" && in.SHA == "":
		fault(w, http.StatusUnprocessableEntity, `Invalid request.\n\n"sha" wasn't supplied.`)
		return
	case in.SHA != old:
		fault(w, http.StatusConflict, path+" does not match "+in.SHA)
		return
	}
	id, commit, err := s.commitFile(ctx, repo, branch, parent, path, string(text), in.Message)
	if err != nil {
		fault(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	status := http.StatusOK
	if old == "" {
		status = http.StatusCreated
	}
	c.answer(w, status, object{"content": s.content(repo, branch, path, id, string(text)), "commit": object{"sha": commit, "message": in.Message}})
}

// commitFile puts one file on a branch.
func (s *Server) commitFile(ctx context.Context, repo, branch, parent, path, text, message string) (id, commit string, err error) {
	dir, err := os.MkdirTemp(s.dir, "index-")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	git := func(stdin string, args ...string) (out string) {
		if err == nil {
			out, err = s.runWith(ctx, "", stdin, env, append([]string{"-C", s.bare(repo)}, args...)...)
		}
		return strings.TrimSpace(out)
	}
	id = git(text, "hash-object", "-w", "--stdin")
	git("", "read-tree", parent)
	git("", "update-index", "--add", "--cacheinfo", "100644,"+id+","+path)
	tree := git("", "write-tree")
	commit = git(message, "commit-tree", tree, "-p", parent)
	git("", "update-ref", "refs/heads/"+branch, commit, parent)
	return id, commit, err
}

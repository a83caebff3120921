package github

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// pull is a pull request.
type pull struct {
	number      int64
	title, body string
	head        string // owner/repo of the branch
	branch      string
	base        string // branch
	login       string // of who made it
	closed      bool
	merged      bool
}

// account is a user as the API shows one.
func (s *Server) account(login string) object {
	u := s.URL + apiPath + "/users/" + login
	return object{"login": login, "id": 1, "type": "User", "url": u, "html_url": s.URL + "/" + login}
}

func (s *Server) getUser(w http.ResponseWriter, c *call) {
	if c.user == nil {
		fault(w, http.StatusUnauthorized, "Requires authentication")
		return
	}
	me := s.account(c.user.login)
	me["user_view_type"] = "private" // as one sees oneself
	c.answer(w, http.StatusOK, me)
}

// starred answers whether a user starred a repository, and changes that.
func (s *Server) starred(w http.ResponseWriter, c *call) {
	switch {
	case c.user == nil:
		fault(w, http.StatusUnauthorized, "Requires authentication")
		return
	case c.Method != http.MethodGet && len(c.user.scopes) == 0:
		fault(w, http.StatusForbidden, "Resource not accessible by personal access token")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stars := s.repository(c.repo()).stars
	switch c.Method {
	case http.MethodPut:
		stars[c.user.login] = true
	case http.MethodDelete:
		delete(stars, c.user.login)
	default:
		if !stars[c.user.login] {
			fault(w, http.StatusNotFound, "Not Found")
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// repoShown is a repository as the API shows it to somebody.
func (s *Server) repoShown(repo string, u *user) object {
	owner, name, _ := strings.Cut(repo, "/")
	push := s.mayPush(u, repo)
	r, _ := s.repoOf(repo)
	visibility := "public"
	if r.private {
		visibility = "private"
	}
	shown := object{
		"id": 1, "name": name, "full_name": repo, "owner": s.account(owner), "private": r.private, "fork": r.parent != "", "default_branch": "main",
		"url": s.URL + apiPath + "/repos/" + repo, "html_url": s.URL + "/" + repo, "clone_url": s.URL + "/" + repo + ".git", "visibility": visibility,
		"stargazers_count": len(r.stars), "archived": false, "disabled": false,
	}
	if u != nil {
		shown["permissions"] = object{"admin": push, "maintain": push, "push": push, "triage": push, "pull": true}
	}
	return shown
}

func (s *Server) getRepo(w http.ResponseWriter, c *call) {
	shown := s.repoShown(c.repo(), c.user)
	if r, _ := s.repoOf(c.repo()); r.parent != "" {
		shown["parent"] = s.repoShown(r.parent, c.user)
		shown["source"] = s.repoShown(r.parent, c.user)
	}
	c.answer(w, http.StatusOK, shown)
}

// fork copies a repository to the one who asks, unless they have it already.
func (s *Server) fork(w http.ResponseWriter, c *call) {
	_, name, _ := strings.Cut(c.repo(), "/")
	to := c.user.login + "/" + name
	if to == c.repo() {
		fault(w, http.StatusForbidden, "You cannot fork your own repository")
		return
	}
	if _, ok := s.repoOf(to); !ok {
		if _, err := s.run(c.Context(), "", "clone", "--quiet", "--bare", s.bare(c.repo()), s.bare(to)); err != nil {
			fault(w, http.StatusForbidden, "The repository exists, but it contains no Git content. Empty repositories cannot be forked.")
			return
		}
		s.mu.Lock()
		s.repository(to).parent = c.repo()
		s.mu.Unlock()
	}
	c.answer(w, http.StatusAccepted, s.repoShown(to, c.user))
}

func (s *Server) mergeUpstream(w http.ResponseWriter, c *call) {
	var in struct{ Branch string }
	c.read(&in)
	r, _ := s.repoOf(c.repo())
	if r.parent == "" {
		fault(w, http.StatusUnprocessableEntity, "The repository is not a fork")
		return
	}
	s.gitLock.Lock()
	defer s.gitLock.Unlock()
	ref := "refs/heads/" + in.Branch
	if _, err := s.run(c.Context(), "", "-C", s.bare(c.repo()), "fetch", "--quiet", s.bare(r.parent), ref+":"+ref); err != nil {
		fault(w, http.StatusConflict, "There are merge conflicts")
		return
	}
	c.answer(w, http.StatusOK, object{"message": "Successfully fetched and fast-forwarded from upstream " + r.parent, "merge_type": "fast-forward", "base_branch": in.Branch})
}

// pullShown is a pull request as the API shows it.
func (s *Server) pullShown(ctx context.Context, repo string, p pull) object {
	state := "open"
	var merged any
	if p.closed {
		state = "closed"
	}
	if p.merged {
		merged = publishedText()
	}
	end := func(of, branch string) object {
		owner, _, _ := strings.Cut(of, "/")
		return object{"label": owner + ":" + branch, "ref": branch, "sha": s.resolve(ctx, of, "refs/heads/"+branch), "repo": s.repoShown(of, nil), "user": s.account(owner)}
	}
	u := fmt.Sprintf("%s%s/repos/%s/pulls/%d", s.URL, apiPath, repo, p.number)
	return object{
		"number": p.number, "id": p.number, "title": p.title, "body": p.body, "state": state, "merged_at": merged, "user": s.account(p.login), "url": u,
		"html_url": fmt.Sprintf("%s/%s/pull/%d", s.URL, repo, p.number), "head": end(p.head, p.branch), "base": end(repo, p.base),
	}
}

// pullsOf lists the pull requests of a repository, the newest first.
func (s *Server) pullsOf(repo string) []pull {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []pull
	for _, p := range s.repository(repo).pulls {
		list = append(list, *p)
	}
	slices.Reverse(list)
	return list
}

func (s *Server) listPulls(w http.ResponseWriter, c *call) {
	q := c.URL.Query()
	list := []any{}
	for _, p := range s.pullsOf(c.repo()) {
		owner, _, _ := strings.Cut(p.head, "/")
		closed := q.Get("state") == "closed"
		switch {
		case q.Get("state") != "all" && p.closed != closed,
			q.Get("head") != "" && q.Get("head") != owner+":"+p.branch,
			q.Get("base") != "" && q.Get("base") != p.base:
			continue
		}
		list = append(list, s.pullShown(c.Context(), c.repo(), p))
	}
	c.answer(w, http.StatusOK, append([]any{}, c.page(w, s, list)...))
}

func (s *Server) createPull(w http.ResponseWriter, c *call) {
	var in struct{ Title, Body, Head, Base string }
	c.read(&in)
	owner, branch, ok := strings.Cut(in.Head, ":")
	if !ok {
		owner, _, _ = strings.Cut(c.repo(), "/")
		branch = in.Head
	}
	_, name, _ := strings.Cut(c.repo(), "/")
	p := pull{title: in.Title, body: in.Body, head: owner + "/" + name, branch: branch, base: in.Base, login: c.user.login}
	head, base := s.resolve(c.Context(), p.head, "refs/heads/"+branch), s.resolve(c.Context(), c.repo(), "refs/heads/"+in.Base)
	switch {
	case head == "":
		invalid(w, "PullRequest", "head", "invalid")
		return
	case base == "":
		invalid(w, "PullRequest", "base", "invalid")
		return
	case head == base:
		fault(w, http.StatusUnprocessableEntity, "Validation Failed", object{"resource": "PullRequest", "code": "custom", "message": "No commits between " + in.Base + " and " + in.Head})
		return
	}
	for _, other := range s.pullsOf(c.repo()) {
		if !other.closed && other.head == p.head && other.branch == p.branch && other.base == p.base {
			fault(w, http.StatusUnprocessableEntity, "Validation Failed", object{"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for " + in.Head + "."})
			return
		}
	}
	s.mu.Lock()
	r := s.repository(c.repo())
	p.number = int64(len(r.pulls) + 1)
	r.pulls = append(r.pulls, &p)
	s.mu.Unlock()
	c.answer(w, http.StatusCreated, s.pullShown(c.Context(), c.repo(), p))
}

func (s *Server) updatePull(w http.ResponseWriter, c *call) {
	var in struct {
		Title, Body *string
		State       string
	}
	c.read(&in)
	push := s.mayPush(c.user, c.repo())
	p, ok := s.changePull(c.repo(), c.number("pull_number"), func(p *pull) {
		if p.login != c.user.login && !push { // its author may
			return
		}
		if in.Title != nil {
			p.title = *in.Title
		}
		if in.Body != nil {
			p.body = *in.Body
		}
		p.closed = in.State == "closed" || in.State == "" && p.closed
	})
	if !ok {
		fault(w, http.StatusNotFound, "Not Found")
		return
	}
	c.answer(w, http.StatusOK, s.pullShown(c.Context(), c.repo(), p))
}

func (s *Server) changePull(repo string, number int64, f func(*pull)) (pull, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.repository(repo).pulls {
		if p.number == number {
			f(p)
			return *p, true
		}
	}
	return pull{}, false
}

// Merge merges a pull request, as its reviewer would.
func (s *Server) Merge(ctx context.Context, repo string, number int64) error {
	p, ok := s.changePull(repo, number, func(*pull) {})
	if !ok || p.closed {
		return fmt.Errorf("%s has no open pull request %d", repo, number)
	}
	s.gitLock.Lock()
	defer s.gitLock.Unlock()
	pulled := fmt.Sprintf("refs/pull/%d/head", number)
	if _, err := s.run(ctx, "", "-C", s.bare(repo), "fetch", "--quiet", s.bare(p.head), "+refs/heads/"+p.branch+":"+pulled); err != nil {
		return err
	}
	base := "refs/heads/" + p.base
	tree, err := s.run(ctx, "", "-C", s.bare(repo), "merge-tree", "--write-tree", base, pulled)
	if err != nil {
		return fmt.Errorf("pull request %d cannot be merged: %w", number, err)
	}
	commit, err := s.run(ctx, "", "-C", s.bare(repo), "commit-tree", strings.TrimSpace(tree), "-p", s.resolve(ctx, repo, base), "-p", s.resolve(ctx, repo, pulled), "-m", p.title)
	if err == nil {
		_, err = s.run(ctx, "", "-C", s.bare(repo), "update-ref", base, strings.TrimSpace(commit))
	}
	if err == nil {
		s.changePull(repo, number, func(p *pull) { p.closed, p.merged = true, true })
	}
	return err
}

// Pulls lists the pull requests of a repository as "NUMBER STATE LOGIN TITLE".
func (s *Server) Pulls(repo string) []string {
	var list []string
	for _, p := range s.pullsOf(repo) {
		state := "open"
		if p.merged {
			state = "merged"
		} else if p.closed {
			state = "closed"
		}
		list = append(list, fmt.Sprintf("%d %s %s %s", p.number, state, p.login, p.title))
	}
	return list
}

func (s *Server) attestations(w http.ResponseWriter, c *call) {
	s.mu.Lock()
	list := append([]any{}, s.repository(c.repo()).attestations[c.params["subject_digest"]]...)
	s.mu.Unlock()
	c.answer(w, http.StatusOK, object{"attestations": list})
}

package github

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// release is what was published with a tag, or is about to be.
type release struct {
	id               int64
	tag, name, body  string
	target           string // branch or commit of a tag that is not there yet
	draft, preceding bool
	assets           []*asset
}

// asset is a file of a release.
type asset struct {
	id        int64
	name      string
	data      []byte
	starter   bool // its upload did not end
	downloads int
}

// shown is a release as the API shows it.
func (s *Server) shown(repo string, r *release) object {
	u := fmt.Sprintf("%s%s/repos/%s/releases/%d", s.URL, apiPath, repo, r.id)
	assets := []any{}
	for _, a := range r.assets {
		assets = append(assets, s.shownAsset(repo, r, a))
	}
	var published any
	if !r.draft {
		published = publishedText()
	}
	return object{
		"id": r.id, "tag_name": r.tag, "name": r.name, "body": r.body, "draft": r.draft, "prerelease": r.preceding, "target_commitish": branchOr(r.target), "assets": assets,
		"url": u, "assets_url": u + "/assets", "html_url": s.URL + "/" + repo + "/releases/tag/" + r.tag, "published_at": published,
		"upload_url": fmt.Sprintf("%s%s/repos/%s/releases/%d/assets{?name,label}", s.URL, uploadsPath, repo, r.id),
	}
}

func publishedText() string { return published().Format(time.RFC3339) }

func (s *Server) shownAsset(repo string, r *release, a *asset) object {
	state, digest, size := "uploaded", any(nil), len(a.data)
	if a.starter {
		state, size = "open", 0 // where its prose says "starter", which its schema does not know
	} else {
		sum := sha256.Sum256(a.data)
		digest = "sha256:" + hex.EncodeToString(sum[:])
	}
	return object{
		"id": a.id, "name": a.name, "state": state, "size": size, "digest": digest, "download_count": a.downloads, "content_type": "application/octet-stream",
		"url":                  fmt.Sprintf("%s%s/repos/%s/releases/assets/%d", s.URL, apiPath, repo, a.id),
		"browser_download_url": fmt.Sprintf("%s/%s/releases/download/%s/%s", s.URL, repo, r.tag, a.name),
	}
}

// releasesOf lists the releases that the caller may see, the newest first: drafts are for those who may push.
func (s *Server) releasesOf(c *call) []*release {
	push := s.mayPush(c.user, c.repo())
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*release
	for _, r := range s.repository(c.repo()).releases {
		if push || !r.draft {
			list = append(list, r)
		}
	}
	slices.Reverse(list)
	return list
}

// releaseOf finds the first release that fits, or answers that there is none.
func (s *Server) releaseOf(w http.ResponseWriter, c *call, fits func(*release) bool) *release {
	list := s.releasesOf(c)
	i := slices.IndexFunc(list, fits)
	if i < 0 {
		fault(w, http.StatusNotFound, "Not Found")
		return nil
	}
	return list[i]
}

func byID(c *call) func(*release) bool {
	return func(r *release) bool { return r.id == c.number("release_id") }
}

// show answers with a release, if there is one.
func (s *Server) show(w http.ResponseWriter, c *call, status int, r *release) {
	if r == nil {
		return
	}
	s.mu.Lock()
	body := s.shown(c.repo(), r)
	s.mu.Unlock()
	c.answer(w, status, body)
}

func (s *Server) getRelease(w http.ResponseWriter, c *call) {
	s.show(w, c, http.StatusOK, s.releaseOf(w, c, byID(c)))
}

func (s *Server) taggedRelease(w http.ResponseWriter, c *call) {
	s.show(w, c, http.StatusOK, s.releaseOf(w, c, func(r *release) bool { return !r.draft && r.tag == c.params["tag"] }))
}

func (s *Server) latestRelease(w http.ResponseWriter, c *call) {
	s.show(w, c, http.StatusOK, s.releaseOf(w, c, func(r *release) bool { return !r.draft && !r.preceding }))
}

func (s *Server) listReleases(w http.ResponseWriter, c *call) {
	all := s.releasesOf(c)
	s.mu.Lock()
	var list []any
	for _, r := range all {
		list = append(list, s.shown(c.repo(), r))
	}
	s.mu.Unlock()
	c.answer(w, http.StatusOK, append([]any{}, c.page(w, s, list)...))
}

// change is what may be said of a release.
type change struct {
	Tag        *string `json:"tag_name"`
	Name       *string `json:"name"`
	Body       *string `json:"body"`
	Target     *string `json:"target_commitish"`
	Draft      *bool   `json:"draft"`
	Prerelease *bool   `json:"prerelease"`
}

func (ch change) apply(r *release) {
	for _, f := range []struct{ to, from *string }{{&r.tag, ch.Tag}, {&r.name, ch.Name}, {&r.body, ch.Body}, {&r.target, ch.Target}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	for _, f := range []struct{ to, from *bool }{{&r.draft, ch.Draft}, {&r.preceding, ch.Prerelease}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
}

func (s *Server) createRelease(w http.ResponseWriter, c *call) {
	var in change
	c.read(&in)
	s.mu.Lock()
	r := &release{id: s.number()}
	s.mu.Unlock()
	in.apply(r)
	if !s.releasable(w, c, r) {
		return
	}
	s.mu.Lock()
	repo := s.repository(c.repo())
	repo.releases = append(repo.releases, r)
	s.mu.Unlock()
	s.show(w, c, http.StatusCreated, r)
}

// releasable says whether a release can be as it is to be, and makes its tag when it is public; if not it has been answered.
func (s *Server) releasable(w http.ResponseWriter, c *call, r *release) bool {
	ctx, repo := c.Context(), c.repo()
	if s.resolve(ctx, repo, "HEAD") == "" {
		fault(w, http.StatusUnprocessableEntity, "Validation Failed", object{"resource": "Release", "code": "custom", "message": "Repository is empty."})
		return false
	}
	target := s.resolve(ctx, repo, branchOr(r.target)+"^{commit}")
	if target == "" {
		invalid(w, "Release", "target_commitish", "invalid")
		return false
	}
	if r.draft {
		return true
	}
	for _, other := range s.releasesOf(c) {
		if other != r && !other.draft && other.tag == r.tag && other.id != r.id {
			invalid(w, "Release", "tag_name", "already_exists")
			return false
		}
	}
	if s.resolve(ctx, repo, "refs/tags/"+r.tag) == "" {
		_, _ = s.run(ctx, "", "-C", s.bare(repo), "tag", r.tag, target)
	}
	return true
}

func (s *Server) updateRelease(w http.ResponseWriter, c *call) {
	r := s.releaseOf(w, c, byID(c))
	if r == nil {
		return
	}
	var in change
	c.read(&in)
	s.mu.Lock()
	to := *r
	s.mu.Unlock()
	in.apply(&to)
	if !s.releasable(w, c, &to) {
		return
	}
	s.mu.Lock()
	in.apply(r)
	s.mu.Unlock()
	s.show(w, c, http.StatusOK, r)
}

func (s *Server) deleteRelease(w http.ResponseWriter, c *call) {
	r := s.releaseOf(w, c, byID(c))
	if r == nil {
		return
	}
	s.mu.Lock()
	repo := s.repository(c.repo())
	repo.releases = slices.DeleteFunc(repo.releases, func(other *release) bool { return other == r })
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) listAssets(w http.ResponseWriter, c *call) {
	r := s.releaseOf(w, c, byID(c))
	if r == nil {
		return
	}
	s.mu.Lock()
	list, _ := s.shown(c.repo(), r)["assets"].([]any)
	s.mu.Unlock()
	c.answer(w, http.StatusOK, append([]any{}, c.page(w, s, list)...))
}

// assetName is what the names of assets may be; GitHub changes others silently.
var assetName = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// uploadAsset takes a file. One whose upload breaks is there all the same, and has to be deleted before the next attempt.
func (s *Server) uploadAsset(w http.ResponseWriter, c *call) {
	r := s.releaseOf(w, c, byID(c))
	if r == nil {
		return
	}
	name := assetName.ReplaceAllString(c.URL.Query().Get("name"), ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(r.assets, func(a *asset) bool { return a.name == name }) {
		invalid(w, "ReleaseAsset", "name", "already_exists")
		return
	}
	a := &asset{id: s.number(), name: name, data: c.body}
	r.assets = append(r.assets, a)
	if s.breaks > 0 {
		s.breaks--
		a.starter = true
		fault(w, http.StatusBadGateway, "Server Error")
		return
	}
	c.answer(w, http.StatusCreated, s.shownAsset(c.repo(), r, a))
}

// assetOf finds a file of a release by its number.
func (s *Server) assetOf(id int64) (*release, *asset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, repo := range s.repos {
		for _, r := range repo.releases {
			for _, a := range r.assets {
				if a.id == id {
					return r, a
				}
			}
		}
	}
	return nil, nil
}

// getAsset says what a file is, and sends who asks for its bytes to where they are.
func (s *Server) getAsset(w http.ResponseWriter, c *call) {
	r, a := s.assetOf(c.number("asset_id"))
	if a == nil || r.draft && !s.mayPush(c.user, c.repo()) {
		fault(w, http.StatusNotFound, "Not Found")
		return
	}
	if c.Header.Get("Accept") == "application/octet-stream" {
		s.mu.Lock()
		a.downloads++
		s.mu.Unlock()
		s.elsewhere(w, fmt.Sprintf("asset/%d", a.id))
		return
	}
	s.mu.Lock()
	body := s.shownAsset(c.repo(), r, a)
	s.mu.Unlock()
	c.answer(w, http.StatusOK, body)
}

func (s *Server) deleteAsset(w http.ResponseWriter, c *call) {
	r, a := s.assetOf(c.number("asset_id"))
	if a == nil {
		fault(w, http.StatusNotFound, "Not Found")
		return
	}
	s.mu.Lock()
	r.assets = slices.DeleteFunc(r.assets, func(other *asset) bool { return other == a })
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// Releases lists the releases of a repository, drafts too, as "TAG draft|public ASSET..." in the order in which they were made.
func (s *Server) Releases(repo string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, r := range s.repository(repo).releases {
		words := []string{r.tag, map[bool]string{true: "draft", false: "public"}[r.draft]}
		for _, a := range r.assets {
			words = append(words, a.name)
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

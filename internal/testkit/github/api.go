package github

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"
)

// operations are those of the API that there are here.
func operations() []*operation {
	const repo = "/repos/{owner}/{repo}"
	return []*operation{
		{method: "GET", path: "/user", do: (*Server).getUser},
		{method: "GET", path: "/user/starred/{owner}/{repo}", do: (*Server).starred},
		{method: "PUT", path: "/user/starred/{owner}/{repo}", do: (*Server).starred},
		{method: "DELETE", path: "/user/starred/{owner}/{repo}", do: (*Server).starred},
		{method: "GET", path: repo, do: (*Server).getRepo},
		{method: "GET", path: repo + "/tags", do: (*Server).listTags},
		{method: "GET", path: repo + "/git/ref/{ref}", do: (*Server).getRef},
		{method: "POST", path: repo + "/git/refs", do: (*Server).createRef},
		{method: "PATCH", path: repo + "/git/refs/{ref}", do: (*Server).updateRef},
		{method: "DELETE", path: repo + "/git/refs/{ref}", do: (*Server).deleteRef},
		{method: "GET", path: repo + "/zipball/{ref}", do: (*Server).zipball},
		{method: "GET", path: repo + "/contents/{path}", do: (*Server).getContents},
		{method: "PUT", path: repo + "/contents/{path}", do: (*Server).putContents},
		{method: "POST", path: repo + "/forks", do: (*Server).fork},
		{method: "POST", path: repo + "/merge-upstream", do: (*Server).mergeUpstream},
		{method: "GET", path: repo + "/pulls", do: (*Server).listPulls},
		{method: "POST", path: repo + "/pulls", do: (*Server).createPull},
		{method: "PATCH", path: repo + "/pulls/{pull_number}", do: (*Server).updatePull},
		{method: "GET", path: repo + "/releases", do: (*Server).listReleases},
		{method: "POST", path: repo + "/releases", do: (*Server).createRelease},
		{method: "GET", path: repo + "/releases/latest", do: (*Server).latestRelease},
		{method: "GET", path: repo + "/releases/tags/{tag}", do: (*Server).taggedRelease},
		{method: "GET", path: repo + "/releases/assets/{asset_id}", do: (*Server).getAsset},
		{method: "DELETE", path: repo + "/releases/assets/{asset_id}", do: (*Server).deleteAsset},
		{method: "GET", path: repo + "/releases/{release_id}", do: (*Server).getRelease},
		{method: "PATCH", path: repo + "/releases/{release_id}", do: (*Server).updateRelease},
		{method: "DELETE", path: repo + "/releases/{release_id}", do: (*Server).deleteRelease},
		{method: "GET", path: repo + "/releases/{release_id}/assets", do: (*Server).listAssets},
		{method: "POST", path: repo + "/releases/{release_id}/assets", do: (*Server).uploadAsset},
		{method: "GET", path: repo + "/attestations/{subject_digest}", do: (*Server).attestations},
	}
}

// Where the API is, as on a GitHub Enterprise host.
const (
	apiPath     = "/api/v3"
	uploadsPath = "/api/uploads"
)

// call is one request of the API.
type call struct {
	*http.Request
	op     *operation
	params map[string]string
	body   []byte
	user   *user // nil without a token
}

// repo is what the call is about: owner/repo.
func (c *call) repo() string { return c.params["owner"] + "/" + c.params["repo"] }

// read gives the body, which has been checked.
func (c *call) read(into any) { _ = json.Unmarshal(c.body, into) }

// number is a part of the path.
func (c *call) number(name string) int64 {
	n, _ := strconv.ParseInt(c.params[name], 10, 64)
	return n
}

// api answers a request of the API: what was asked and what is answered must both be as GitHub says, or it is a problem of the test.
func (s *Server) api(w http.ResponseWriter, r *http.Request, path string) {
	list, err := api()
	if err != nil {
		s.problem(w, err)
		return
	}
	op, params := find(list, r.Method, path)
	if op == nil {
		s.problem(w, fmt.Errorf("%s %s is not implemented", r.Method, path))
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asked is gone
	}
	r = r.WithContext(context.WithoutCancel(r.Context())) // what was asked for is done, even if whoever asked has been killed
	r.Body = io.NopCloser(bytes.NewReader(body))
	in, err := op.asks(r.Context(), r, params)
	if err != nil {
		s.problem(w, fmt.Errorf("%s %s asks what GitHub does not know: %w", r.Method, path, err))
		return
	}
	res := httptest.NewRecorder()
	s.limited(res, r, func(user *user) { s.do(res, &call{r, op, params, body, user}) })
	answer := bytes.Clone(res.Body.Bytes())
	if err := op.answers(r.Context(), in, res); err != nil {
		s.problem(w, fmt.Errorf("%s %s is answered with %d as GitHub would not: %w\n%.2000s", r.Method, path, res.Code, err, answer))
		return
	}
	s.conditional(w, r, res, answer)
}

// do finds out who asks, and lets the operation answer.
func (s *Server) do(w http.ResponseWriter, c *call) {
	if c.params["owner"] != "" {
		repo, ok := s.repoOf(c.repo())
		if !ok || repo.private && !s.mayRead(c.user, c.repo()) {
			fault(w, http.StatusNotFound, "Not Found")
			return
		}
		if c.Method != http.MethodGet && !strings.HasPrefix(c.op.path, "/user") && !s.mayChange(w, c) {
			return
		}
	}
	c.op.do(s, w, c)
}

// mayChange says whether the caller may change the repository; if not it has been answered.
func (s *Server) mayChange(w http.ResponseWriter, c *call) bool {
	anybody := strings.HasSuffix(c.op.path, "/forks") || strings.Contains(c.op.path, "/pulls")
	switch {
	case c.user == nil:
		fault(w, http.StatusUnauthorized, "Requires authentication")
	case !slices.Contains(c.user.scopes, "repo") && !slices.Contains(c.user.scopes, "public_repo"):
		fault(w, http.StatusForbidden, "Resource not accessible by personal access token")
	case !anybody && !s.mayPush(c.user, c.repo()):
		fault(w, http.StatusNotFound, "Not Found") // that is how GitHub says it
	default:
		return true
	}
	return false
}

// problem ends a request that no server of GitHub's would get or answer, and notes it for the test.
func (s *Server) problem(w http.ResponseWriter, err error) {
	s.mu.Lock()
	s.problems = append(s.problems, err.Error())
	s.mu.Unlock()
	http.Error(w, "the server of tests: "+err.Error(), http.StatusNotImplemented)
}

// Problems are requests and answers so far that GitHub would not get or give. A test fails that finds one.
func (s *Server) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// limits of requests an hour.
const (
	anonymousLimit = 60
	userLimit      = 5000
)

// limited counts a request, unless there were too many, and lets next answer it. A token that nobody has is refused.
func (s *Server) limited(w http.ResponseWriter, r *http.Request, next func(*user)) {
	token, named := tokenOf(r)
	s.mu.Lock()
	user := s.users[token]
	limit := anonymousLimit
	if user != nil {
		limit = userLimit
	}
	if s.limit > 0 {
		limit = s.limit
	}
	s.used[token]++
	used := s.used[token]
	s.mu.Unlock()
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, limit-used)))
	h.Set("X-RateLimit-Used", strconv.Itoa(used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
	h.Set("X-RateLimit-Resource", "core")
	h.Set("X-GitHub-Request-Id", "0000:0000")
	if user != nil {
		h.Set("X-OAuth-Scopes", strings.Join(user.scopes, ", "))
	}
	switch {
	case named && user == nil:
		fault(w, http.StatusUnauthorized, "Bad credentials")
	case used > limit:
		fault(w, http.StatusForbidden, "API rate limit exceeded")
	default:
		next(user)
	}
}

// tokenOf gives the token of a request, as the API takes it or as git gives it.
func tokenOf(r *http.Request) (token string, named bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	for _, kind := range []string{"Bearer ", "token "} {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), kind); ok {
			return token, true
		}
	}
	return "", r.Header.Get("Authorization") != ""
}

// conditional sends an answer, or that it has not changed, which does not count against the limit.
func (s *Server) conditional(w http.ResponseWriter, r *http.Request, res *httptest.ResponseRecorder, answer []byte) {
	maps.Copy(w.Header(), res.Header())
	code := res.Code
	if r.Method == http.MethodGet && code == http.StatusOK {
		sum := sha256.Sum256(answer)
		tag := `W/"` + hex.EncodeToString(sum[:]) + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			code, answer = http.StatusNotModified, nil
			token, _ := tokenOf(r)
			s.mu.Lock()
			s.used[token]--
			s.mu.Unlock()
			w.Header().Del("Content-Type")
		}
	}
	w.WriteHeader(code)
	_, _ = w.Write(answer)
}

// fault answers with what went wrong, in the API's form.
func fault(w http.ResponseWriter, status int, message string, details ...object) {
	body := object{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)}
	if len(details) > 0 {
		body["errors"] = details
	}
	write(w, status, body)
}

// invalid answers 422.
func invalid(w http.ResponseWriter, resource, field, code string) {
	fault(w, http.StatusUnprocessableEntity, "Validation Failed", object{"resource": resource, "field": field, "code": code})
}

// answer sends what the operation gives, with all that GitHub always says beside it.
func (c *call) answer(w http.ResponseWriter, status int, v any) {
	write(w, status, c.op.complete(status, v))
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// page gives the part of a list that was asked for, and says where the next one is.
func (c *call) page(w http.ResponseWriter, s *Server, list []any) []any {
	q := c.URL.Query()
	per, page := 30, 1
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && n > 0 {
		per = min(n, 100)
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 {
		page = n
	}
	from, to := min(len(list), (page-1)*per), min(len(list), page*per)
	if to < len(list) {
		q.Set("page", strconv.Itoa(page+1))
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, s.URL, c.URL.Path, q.Encode()))
	}
	return list[from:to]
}

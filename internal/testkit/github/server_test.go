package github

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gogithub "github.com/google/go-github/v92/github"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hub begins a server with a repository acme/debate, to which alice may push.
func hub(t *testing.T) *Server {
	t.Helper()
	s, err := Start(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(s.Close)
	s.User("alice", "alices-token", []string{"repo"}, "acme")
	s.User("bob", "bobs-token", []string{"public_repo"})
	_, err = s.Tag(t.Context(), "acme/debate", "v1.0.0", map[string]string{"a.star": "x = 1\n"})
	require.NoError(t, err)
	return s
}

// client is one that others wrote.
func client(t *testing.T, s *Server, token string) *gogithub.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := gogithub.NewClient(gogithub.WithTransport(transport), gogithub.WithEnterpriseURLs(s.URL, s.URL), gogithub.WithAuthToken(token))
	require.NoError(t, err)
	return c
}

func TestAClientOfOthersPublishes(t *testing.T) {
	t.Parallel()
	s, ctx := hub(t), t.Context()
	c := client(t, s, "alices-token")
	draft, yes, no := "v1.1.0", true, false
	rel, _, err := c.Repositories.CreateRelease(ctx, "acme", "debate", gogithub.CreateReleaseRequest{TagName: draft, Draft: &yes})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "debate_1.1.0.zip")
	require.NoError(t, os.WriteFile(file, []byte("PK"), 0o600))
	upload := func() (*gogithub.ReleaseAsset, error) {
		f, err := os.Open(file)
		require.NoError(t, err)
		defer f.Close()
		a, _, err := c.Repositories.UploadReleaseAsset(ctx, "acme", "debate", rel.GetID(), &gogithub.UploadOptions{Name: filepath.Base(file)}, f)
		return a, err
	}

	// An upload that breaks leaves something that is in the way.
	s.Break(1)
	_, err = upload()
	require.Error(t, err)
	_, err = upload()
	require.ErrorContains(t, err, "already_exists")
	list, _, err := c.Repositories.ListReleases(ctx, "acme", "debate", nil)
	require.NoError(t, err)
	require.Equal(t, "open", list[0].Assets[0].GetState())
	_, err = c.Repositories.DeleteReleaseAsset(ctx, "acme", "debate", list[0].Assets[0].GetID())
	require.NoError(t, err)
	a, err := upload()
	require.NoError(t, err)
	require.Equal(t, "uploaded", a.GetState())
	body, _, err := c.Repositories.DownloadReleaseAsset(ctx, "acme", "debate", a.GetID(), c.Client())
	require.NoError(t, err)
	defer body.Close()
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Equal(t, "PK", string(text))

	// Nobody else sees a draft; then it is public, with its tag.
	others, _, err := client(t, s, "bobs-token").Repositories.ListReleases(ctx, "acme", "debate", nil)
	require.NoError(t, err)
	require.Empty(t, others)
	require.Empty(t, s.resolve(ctx, "acme/debate", "refs/tags/v1.1.0"))
	_, _, err = c.Repositories.UpdateRelease(ctx, "acme", "debate", rel.GetID(), gogithub.UpdateReleaseRequest{Draft: &no})
	require.NoError(t, err)
	require.NotEmpty(t, s.resolve(ctx, "acme/debate", "refs/tags/v1.1.0"))
	require.Empty(t, s.Problems())
}

func TestAPullRequestFromAFork(t *testing.T) {
	t.Parallel()
	s, ctx := hub(t), t.Context()
	c := client(t, s, "bobs-token")
	_, _, err := c.Repositories.CreateFork(ctx, "acme", "debate", nil)
	accepted := new(gogithub.AcceptedError)
	require.ErrorAs(t, err, &accepted)
	ref, _, err := c.Git.GetRef(ctx, "bob", "debate", "heads/main")
	require.NoError(t, err)
	_, _, err = c.Git.CreateRef(ctx, "bob", "debate", gogithub.CreateRef{Ref: "refs/heads/fix", SHA: ref.GetObject().GetSHA()})
	require.NoError(t, err)
	_, _, err = c.Git.CreateRef(ctx, "bob", "debate", gogithub.CreateRef{Ref: "refs/heads/fix", SHA: ref.GetObject().GetSHA()})
	require.ErrorContains(t, err, "already exists")
	pull := gogithub.CreatePullRequest{Title: new("fix"), Head: "bob:fix", Base: "main"}
	_, _, err = c.PullRequests.Create(ctx, "acme", "debate", pull)
	require.ErrorContains(t, err, "No commits between main and bob:fix")

	put := &gogithub.RepositoryContentFileOptions{Message: new("change"), Content: []byte("x = 2\n"), Branch: new("fix")}
	_, _, err = c.Repositories.CreateFile(ctx, "bob", "debate", "a.star", put)
	require.ErrorContains(t, err, "wasn't supplied")
	old, _, _, err := c.Repositories.GetContents(ctx, "bob", "debate", "a.star", nil)
	require.NoError(t, err)
	text, err := old.GetContent()
	require.NoError(t, err)
	require.Equal(t, "x = 1\n", text)
	put.SHA = old.SHA
	_, _, err = c.Repositories.CreateFile(ctx, "bob", "debate", "a.star", put)
	require.NoError(t, err)
	_, _, err = c.Repositories.CreateFile(ctx, "bob", "debate", "a.star", put)
	require.ErrorContains(t, err, "409", s.Problems())
	_, _, err = c.Repositories.CreateFile(ctx, "acme", "debate", "a.star", put)
	require.ErrorContains(t, err, "404")

	p, _, err := c.PullRequests.Create(ctx, "acme", "debate", pull)
	require.NoError(t, err)
	_, _, err = c.PullRequests.Create(ctx, "acme", "debate", pull)
	require.ErrorContains(t, err, "already exists for bob:fix")
	open, _, err := c.PullRequests.List(ctx, "acme", "debate", &gogithub.PullRequestListOptions{Head: "bob:fix"})
	require.NoError(t, err)
	require.Len(t, open, 1)
	require.NoError(t, s.Merge(ctx, "acme/debate", int64(p.GetNumber())))
	merged, err := s.Show(ctx, "acme/debate", "main", "a.star")
	require.NoError(t, err)
	require.Equal(t, "x = 2\n", merged)
	_, _, err = c.Repositories.MergeUpstream(ctx, "bob", "debate", gogithub.RepoMergeUpstreamRequest{Branch: "main"})
	require.NoError(t, err)
	require.Empty(t, s.Problems())
}

func TestStarsAreCounted(t *testing.T) {
	t.Parallel()
	s, ctx := hub(t), t.Context()
	c := client(t, s, "bobs-token")
	starred, _, err := c.Activity.IsStarred(ctx, "acme", "debate")
	require.NoError(t, err)
	require.False(t, starred)
	_, err = c.Activity.Star(ctx, "acme", "debate")
	require.NoError(t, err)
	starred, _, err = c.Activity.IsStarred(ctx, "acme", "debate")
	require.NoError(t, err)
	require.True(t, starred)
	me, _, err := c.Users.Get(ctx, "")
	require.NoError(t, err)
	require.Equal(t, "bob", me.GetLogin())
	repo, _, err := c.Repositories.Get(ctx, "acme", "debate")
	require.NoError(t, err)
	require.Equal(t, 1, repo.GetStargazersCount())
	require.False(t, repo.GetPermissions().GetPush())
	require.Empty(t, s.Problems())
}

func TestWhoMayNotIsTold(t *testing.T) {
	t.Parallel()
	s, ctx := hub(t), t.Context()
	s.User("carol", "carols-token", nil)
	s.Private("acme/debate")
	for token, want := range map[string]string{"nobodys-token": "401 Bad credentials", "bobs-token": "404 Not Found", "carols-token": "404"} {
		_, _, err := client(t, s, token).Repositories.Get(ctx, "acme", "debate")
		require.ErrorContains(t, err, want)
	}
	_, _, err := client(t, s, "carols-token").Repositories.CreateRelease(ctx, "carol", "x", gogithub.CreateReleaseRequest{TagName: "v1.0.0"})
	require.ErrorContains(t, err, "404")
	require.NoError(t, s.Create(ctx, "carol/x"))
	_, _, err = client(t, s, "carols-token").Repositories.CreateRelease(ctx, "carol", "x", gogithub.CreateReleaseRequest{TagName: "v1.0.0"})
	require.ErrorContains(t, err, "403 Resource not accessible by personal access token")
	s.User("carol", "carols-token", []string{"repo"})
	_, _, err = client(t, s, "carols-token").Repositories.CreateRelease(ctx, "carol", "x", gogithub.CreateReleaseRequest{TagName: "v1.0.0"})
	require.ErrorContains(t, err, "Repository is empty")
	require.Empty(t, s.Problems())
}

func TestRequestsAreLimitedAndConditional(t *testing.T) {
	t.Parallel()
	s, ctx := hub(t), t.Context()
	s.Limit(2)
	c := client(t, s, "bobs-token")
	_, res, err := c.Repositories.Get(ctx, "acme", "debate")
	require.NoError(t, err)
	require.Equal(t, 1, res.Rate.Remaining)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v3/repos/acme/debate", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer bobs-token")
	req.Header.Set("If-None-Match", res.Header.Get("ETag"))
	for range 3 { // which cost nothing
		same, err := c.Client().Transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, same.Body.Close())
		require.Equal(t, http.StatusNotModified, same.StatusCode)
	}
	_, _, err = c.Repositories.Get(ctx, "acme", "debate")
	require.NoError(t, err)
	_, _, err = c.Repositories.ListTags(ctx, "acme", "debate", nil)
	limited := new(gogithub.RateLimitError)
	require.ErrorAs(t, err, &limited)
}

func TestPushesNeedWhoMay(t *testing.T) {
	t.Parallel()
	s := hub(t)
	dir := t.TempDir()
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
		cmd.Env = append(s.env(), "GIT_TERMINAL_PROMPT=0")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	_, err := git("clone", "--quiet", s.URL+"/acme/debate.git", ".")
	require.NoError(t, err)
	_, err = git("tag", "v1.1.0")
	require.NoError(t, err)
	out, err := git("push", "origin", "v1.1.0")
	require.Error(t, err, out)
	for token, want := range map[string]string{"bobs-token": "403", "nobodys-token": "401"} {
		out, err := git("push", strings.Replace(s.URL, "http://", "http://x:"+token+"@", 1)+"/acme/debate.git", "v1.1.0")
		require.Error(t, err)
		if want == "403" {
			require.Contains(t, out, want)
		}
	}
	require.Empty(t, s.resolve(t.Context(), "acme/debate", "refs/tags/v1.1.0"))
	out, err = git("push", strings.Replace(s.URL, "http://", "http://x:alices-token@", 1)+"/acme/debate.git", "v1.1.0")
	require.NoError(t, err, out)
	require.NotEmpty(t, s.resolve(t.Context(), "acme/debate", "refs/tags/v1.1.0"))
}

// A server that answers with a wrong type, leaves out what must be there or uses a status that GitHub does not, is found out; and so is who asks wrongly.
func TestWhatGitHubWouldNotSayIsAProblem(t *testing.T) {
	t.Parallel()
	list, err := api()
	require.NoError(t, err)
	op, params := find(list, http.MethodGet, "/repos/acme/debate/releases/7")
	require.Equal(t, map[string]string{"owner": "acme", "repo": "debate", "release_id": "7"}, params)
	s := hub(t)
	right := op.complete(http.StatusOK, s.shown("acme/debate", &release{id: 7, tag: "v1.0.0"})).(object)
	say := func(status int, change func(object)) error {
		body := make(object)
		maps.Copy(body, right)
		change(body)
		in, err := op.asks(t.Context(), httptest.NewRequest(http.MethodGet, "/repos/acme/debate/releases/7", nil), params)
		require.NoError(t, err)
		res := httptest.NewRecorder()
		write(res, status, body)
		return op.answers(t.Context(), in, res)
	}
	require.NoError(t, say(http.StatusOK, func(object) {}))
	require.ErrorContains(t, say(http.StatusOK, func(o object) { o["draft"] = "no" }), "draft")
	require.ErrorContains(t, say(http.StatusOK, func(o object) { o["id"] = "7" }), "id")
	require.ErrorContains(t, say(http.StatusOK, func(o object) { delete(o, "upload_url") }), "upload_url")
	require.ErrorContains(t, say(http.StatusAccepted, func(object) {}), "status is not supported")

	ask := func(method, path, body string) (int, string) {
		req := httptest.NewRequest(method, "/api/v3"+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer alices-token")
		req.Header.Set("Content-Type", "application/json")
		res := httptest.NewRecorder()
		s.serve(res, req)
		return res.Code, res.Body.String()
	}
	for _, wrong := range []struct{ method, path, body, why string }{
		{"POST", "/repos/acme/debate/releases", `{"tag_name":1}`, "tag_name"},
		{"POST", "/repos/acme/debate/releases", `{"draft":true}`, "tag_name"},
		{"GET", "/repos/acme/debate/releases/latests", ``, "release_id"},
		{"GET", "/repos/acme/debate/pulls?state=opened", ``, "state"},
		{"GET", "/repos/acme/debate/branches", ``, "not implemented"},
	} {
		before := len(s.Problems())
		code, said := ask(wrong.method, wrong.path, wrong.body)
		require.Equal(t, http.StatusNotImplemented, code, wrong)
		require.Contains(t, said, wrong.why)
		require.Len(t, s.Problems(), before+1)
	}
}

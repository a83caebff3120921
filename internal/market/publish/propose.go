package publish

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
)

// Proposal is a change of one entry of an index, proposed as a pull request.
type Proposal struct {
	API    market.API
	Index  string // owner/repo
	Name   string // of the package in the index: owner/name in lower case
	Title  string
	Body   string
	Change func(old *index.Entry) (*index.Entry, error) // old is nil when there is no entry
}

// hub is the repository of an index and how it is changed.
type hub struct {
	Branch      string `json:"default_branch"`
	Permissions struct {
		Push bool `json:"push"`
	} `json:"permissions"`
}

// pull is a pull request.
type pull struct {
	Number int    `json:"number"`
	URL    string `json:"html_url"`
}

// content is a file as the API has it.
type content struct {
	SHA      string `json:"sha"`
	Encoding string `json:"encoding"`
	Content  string `json:"content"`
}

// Diff gives the text of the entry before and after the change, the same when there is nothing to change.
func (p *Proposal) Diff(ctx context.Context) (before, after []byte, err error) {
	h, err := p.hub(ctx)
	if err != nil {
		return nil, nil, err
	}
	_, before, after, err = p.changed(ctx, p.Index, h.Branch)
	return before, after, err
}

func (p *Proposal) hub(ctx context.Context) (*hub, error) {
	h := &hub{}
	err := p.API.Get(ctx, "/repos/"+p.Index, h)
	if status(err) == http.StatusNotFound {
		return nil, wrong(market.NotFound, "--index OWNER/REPO names another; --no-index proposes nothing", "there is no index %s/%s: %w", p.API.Host, p.Index, err)
	}
	return h, err
}

// changed reads the entry of a branch of a repository and makes the change.
func (p *Proposal) changed(ctx context.Context, repo, branch string) (sha string, before, after []byte, err error) {
	var file content
	path := "/repos/" + repo + "/contents/" + index.Path(p.Name)
	err = p.API.Get(ctx, path+"?ref="+url.QueryEscape(branch), &file)
	var old *index.Entry
	switch {
	case status(err) == http.StatusNotFound:
	case err != nil:
		return "", nil, nil, err
	default:
		if before, err = decoded(file); err != nil {
			return "", nil, nil, fmt.Errorf("%s of %s cannot be read: %w", index.Path(p.Name), repo, err)
		}
		if old, err = index.ParseEntry(index.Path(p.Name), before); err != nil {
			return "", nil, nil, wrong(market.BadPackage, "tell who runs the index", "the entry in %s is wrong: %w", repo, err)
		}
	}
	e, err := p.Change(old)
	if err != nil {
		return "", nil, nil, err
	}
	if after, err = e.Text(); err == nil {
		_, err = index.ParseEntry(index.Path(p.Name), after)
	}
	if problems, ok := errors.AsType[index.Problems](err); ok {
		return "", nil, nil, unready(problems[0].Hint, "no index would take this entry: %w", err)
	}
	return file.SHA, before, after, err
}

func decoded(file content) ([]byte, error) {
	if file.Encoding != "base64" {
		return nil, fmt.Errorf("it comes as %q", file.Encoding)
	}
	return base64.StdEncoding.DecodeString(strings.ReplaceAll(file.Content, "\n", ""))
}

// Open proposes the change, in a pull request that is open for the package already or in a new one. It gives its address, "" when the
// index has the change.
func (p *Proposal) Open(ctx context.Context) (address string, err error) {
	h, err := p.hub(ctx)
	if err != nil {
		return "", err
	}
	from, err := p.from(ctx, h)
	if err != nil {
		return "", err
	}
	branch := "publish/" + p.Name
	open, err := p.open(ctx, from, branch, h.Branch)
	if err != nil {
		return "", err
	}
	read, at := p.Index, h.Branch
	if open != nil {
		read, at = from, branch
	}
	sha, before, after, err := p.changed(ctx, read, at)
	switch {
	case err != nil:
		return "", err
	case bytes.Equal(before, after) && open != nil:
		return open.URL, nil
	case bytes.Equal(before, after):
		return "", nil
	}
	if open == nil {
		if err := p.branch(ctx, from, branch, h.Branch); err != nil {
			return "", err
		}
	}
	if err := p.put(ctx, from, branch, sha, after); err != nil {
		return "", err
	}
	return p.pull(ctx, from, branch, h.Branch, open)
}

// from is the repository in which the change is made: the index itself for those who may, else a fork of it.
func (p *Proposal) from(ctx context.Context, h *hub) (string, error) {
	if h.Permissions.Push {
		return p.Index, nil
	}
	var fork struct {
		Name string `json:"full_name"`
	}
	if err := p.API.Send(ctx, http.MethodPost, "/repos/"+p.Index+"/forks", map[string]any{"default_branch_only": true}, &fork); err != nil {
		return "", fmt.Errorf("%s cannot be forked: %w", p.Index, err)
	}
	for attempt := 0; ; attempt++ { // the host makes it in its own time
		err := p.API.Get(ctx, "/repos/"+fork.Name+"/git/ref/heads/"+h.Branch, nil)
		if err == nil {
			break
		}
		if s := status(err); s != http.StatusNotFound && s != http.StatusConflict || attempt == forkWaits {
			return "", fmt.Errorf("the fork %s is not there: %w", fork.Name, err)
		}
		if err := p.API.Client.Pause(ctx, time.Duration(attempt+1)*time.Second); err != nil {
			return "", err
		}
	}
	err := p.API.Send(ctx, http.MethodPost, "/repos/"+fork.Name+"/merge-upstream", map[string]any{"branch": h.Branch}, nil)
	if status(err) == http.StatusConflict {
		return "", wrong(market.Conflict, "sync it on "+p.API.Host+", discarding its commits, or delete it", "your fork %s has commits of its own on %s", fork.Name, h.Branch)
	}
	return fork.Name, err
}

// forkWaits is how often a fork is looked for.
const forkWaits = 8

// open finds the pull request of a branch that is open, or nil.
func (p *Proposal) open(ctx context.Context, from, branch, base string) (*pull, error) {
	owner, _, _ := strings.Cut(from, "/")
	q := url.Values{"state": {"open"}, "head": {owner + ":" + branch}, "base": {base}}
	var list []pull
	if err := p.API.Get(ctx, "/repos/"+p.Index+"/pulls?"+q.Encode(), &list); err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// branch makes a branch of what the index has now; one that an earlier pull request left is moved there.
func (p *Proposal) branch(ctx context.Context, from, branch, base string) error {
	var ref struct {
		Object struct {
			SHA string `json:"sha"`
		} `json:"object"`
	}
	if err := p.API.Get(ctx, "/repos/"+from+"/git/ref/heads/"+base, &ref); err != nil {
		return err
	}
	err := p.API.Send(ctx, http.MethodPost, "/repos/"+from+"/git/refs", map[string]any{"ref": "refs/heads/" + branch, "sha": ref.Object.SHA}, nil)
	if status(err) == http.StatusUnprocessableEntity {
		err = p.API.Send(ctx, http.MethodPatch, "/repos/"+from+"/git/refs/heads/"+branch, map[string]any{"sha": ref.Object.SHA, "force": true}, nil)
	}
	return err
}

func (p *Proposal) put(ctx context.Context, from, branch, sha string, text []byte) error {
	in := map[string]any{"message": p.Title, "content": base64.StdEncoding.EncodeToString(text), "branch": branch}
	if sha != "" {
		in["sha"] = sha
	}
	err := p.API.Send(ctx, http.MethodPut, "/repos/"+from+"/contents/"+index.Path(p.Name), in, nil)
	if status(err) == http.StatusConflict {
		return wrong(market.Conflict, "run it again", "the entry of %s was changed in the meantime: %w", p.Name, err)
	}
	return err
}

// pull opens a pull request, or gives the one that is open the title of what came last.
func (p *Proposal) pull(ctx context.Context, from, branch, base string, open *pull) (string, error) {
	if open != nil {
		err := p.API.Send(ctx, http.MethodPatch, "/repos/"+p.Index+"/pulls/"+strconv.Itoa(open.Number), map[string]any{"title": p.Title, "body": p.Body}, nil)
		return open.URL, err
	}
	owner, _, _ := strings.Cut(from, "/")
	made := &pull{}
	err := p.API.Send(ctx, http.MethodPost, "/repos/"+p.Index+"/pulls", map[string]any{"title": p.Title, "body": p.Body, "head": owner + ":" + branch, "base": base}, made)
	if status(err) == http.StatusUnprocessableEntity { // another process was faster
		if other, found := p.open(ctx, from, branch, base); found == nil && other != nil {
			return other.URL, nil
		}
	}
	return made.URL, err
}

package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/market"
)

// git is the user's own, with the user's settings, in a folder.
type git struct{ dir string }

// run gives what git writes. Its error is what git says is wrong.
func (g git) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = g.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch said := strings.TrimSpace(stderr.String()); {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", unready("install git", "there is no git")
	case err != nil && said != "":
		return "", errors.New(said)
	}
	return string(out), err
}

// line is run for what is one line.
func (g git) line(ctx context.Context, args ...string) (string, error) {
	out, err := g.run(ctx, args...)
	return strings.TrimSpace(out), err
}

// remote is where the repository is published: origin, or the only one there is.
func (g git) remote(ctx context.Context) (string, error) {
	out, err := g.run(ctx, "remote")
	list := strings.Fields(out)
	switch {
	case err != nil:
		return "", err
	case slices.Contains(list, "origin"):
		return "origin", nil
	case len(list) == 1:
		return list[0], nil
	case len(list) == 0:
		return "", unready("git remote add origin https://github.com/OWNER/REPO", "the repository has no remote")
	}
	return "", unready("git remote rename "+list[0]+" origin", "none of the remotes is called origin: %s", strings.Join(list, ", "))
}

// source gives host and owner/repo of a remote: by the address as it was written, else as git's settings make it.
func (g git) source(ctx context.Context, remote string) (host, repo string, err error) {
	written, err := g.line(ctx, "config", "--get", "remote."+remote+".url")
	if err != nil {
		return "", "", unready("git remote add "+remote+" https://github.com/OWNER/REPO", "the remote %s has no address", remote)
	}
	if host, repo, ok := parseAddress(written); ok {
		return host, repo, nil
	}
	address, err := g.line(ctx, "remote", "get-url", remote)
	if err != nil {
		return "", "", err
	}
	host, repo, ok := parseAddress(address)
	if !ok {
		return "", "", unready("git remote set-url "+remote+" https://github.com/OWNER/REPO", "the remote %s is no repository of GitHub or the like: %s", remote, redacted(address))
	}
	return host, repo, nil
}

// redacted is an address without a password.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}

var scp = regexp.MustCompile(`^(?:[^@/]+@)?([^/:@]+):([^/].*)$`) // git@github.com:owner/repo.git

// parseAddress reads the address of a repository in one of the forms that git has.
func parseAddress(s string) (host, repo string, ok bool) {
	var path string
	if u, err := url.Parse(s); err == nil && u.Host != "" && slices.Contains([]string{"https", "ssh", "git"}, u.Scheme) {
		host, path = u.Hostname(), u.Path
	} else if m := scp.FindStringSubmatch(s); m != nil {
		host, path = m[1], m[2]
	}
	if host = strings.ToLower(host); host == "ssh.github.com" {
		host = "github.com" // its port 443 for SSH
	}
	repo = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	return host, repo, strings.Contains(host, ".") && strings.Count(repo, "/") == 1
}

// refs lists the tags and branches of a remote with their commits.
func (g git) refs(ctx context.Context, remote string) (tags, heads map[string]string, err error) {
	out, err := g.run(ctx, "ls-remote", "--tags", "--heads", remote)
	if err != nil {
		return nil, nil, wrong(market.Network, "git ls-remote "+remote+" must work", "the remote %s does not answer: %w", remote, err)
	}
	tags, heads = make(map[string]string), make(map[string]string)
	for line := range strings.Lines(out) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok {
			tag, peeled := strings.CutSuffix(tag, "^{}")
			if peeled || tags[tag] == "" {
				tags[tag] = id
			}
		} else if head, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			heads[head] = id
		}
	}
	return tags, heads, nil
}

// reaches says whether a commit is on one of the branches of a remote, as far as is known here.
func (g git) reaches(ctx context.Context, heads map[string]string, commit string) bool {
	for _, head := range heads {
		if head == commit {
			return true
		}
	}
	for _, head := range heads {
		if _, err := g.run(ctx, "merge-base", "--is-ancestor", commit, head); err == nil {
			return true
		}
	}
	return false
}

// at gives a file of a commit that a ref of a remote is at, "" when it has no such file.
func (g git) at(ctx context.Context, remote, ref, commit, file string) (string, error) {
	if _, err := g.run(ctx, "cat-file", "-e", commit+"^{commit}"); err != nil {
		if _, err := g.run(ctx, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, ref); err != nil {
			return "", fmt.Errorf("%s of %s cannot be fetched: %w", ref, remote, err)
		}
	}
	text, err := g.run(ctx, "cat-file", "blob", commit+":"+file)
	if err != nil {
		return "", nil //nolint:nilerr // it is not there
	}
	return text, nil
}

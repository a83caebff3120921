package market

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// archived fetches the files of a commit as its host packs them; file is the archive to write, dir a place for git to work in.
func (c *Client) archived(ctx context.Context, r Ref, commit, file, dir string) error {
	err := c.download(ctx, request{url: c.base(r.Host()) + "/" + r.Repo() + "/archive/" + commit + ".zip", host: r.Host(), max: maxPattern}, file)
	token := c.token(r.Host())
	if absent(err) && token != "" {
		err = c.download(ctx, request{
			url: c.api(r.Host()) + "/repos/" + r.Repo() + "/zipball/" + commit, host: r.Host(), max: maxPattern, auth: "Bearer " + token,
		}, file)
	}
	if absent(err) {
		return c.cloned(ctx, r, commit, file, dir)
	}
	return err
}

// cloned fetches the files of a commit with git, from hosts that pack nothing.
func (c *Client) cloned(ctx context.Context, r Ref, commit, file, dir string) error {
	if c.mirrored(r.Host()) {
		return notMirrored(r)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return wrongf(NotFound, "install git", "%s has neither a release nor archives, and there is no git to clone it with", r)
	}
	env := c.gitEnv(r)
	url := c.base(r.Host()) + "/" + r.Repo() + ".git"
	for _, args := range [][]string{
		{"clone", "--quiet", "--bare", "--depth=1", "--no-recurse-submodules", "--template=", "--branch", r.Version, "--", url, dir},
		{"-C", dir, "archive", "--format=zip", "--output", file, commit},
	} {
		err := runGit(ctx, git, env, args)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return wrongf(NotFound, "", "%s cannot be cloned: %w", r, err)
		}
	}
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxPattern {
		return wrongf(Unsafe, "", "%s is larger than %d MiB", r, maxPattern>>20)
	}
	return err
}

// gitEnv is the environment of git: nobody is asked, nothing of the user's or the system's settings is read, and a token is given where nobody else sees it.
func (c *Client) gitEnv(r Ref) []string {
	settings := [][2]string{
		{"protocol.allow", "never"},
		{"protocol.https.allow", "always"},
		{"core.hooksPath", os.DevNull},
		{"transfer.fsckObjects", "true"},
		{"http.followRedirects", "initial"},
		{"gc.auto", "0"},
		{"advice.detachedHead", "false"},
	}
	if strings.HasPrefix(c.base(r.Host()), "http://") { // of this machine, see ReadBases
		settings = append(settings, [2]string{"protocol.http.allow", "always"})
	}
	if token := c.token(r.Host()); token != "" {
		settings = append(settings, [2]string{"http." + c.base(r.Host()) + "/.extraHeader", "Authorization: " + basic(token)})
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(settings)),
	}
	for _, name := range []string{"https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SYSTEMROOT", "TEMP", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for i, s := range settings {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, s[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, s[1]))
	}
	return env
}

func runGit(ctx context.Context, git string, env, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, bodyTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, git, args...)
	cmd.Env = env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(stderr.String()); said != "" {
			return errors.New(said)
		}
		return err
	}
	return nil
}

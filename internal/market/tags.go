package market

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/parallax-run/parallax/internal/manifest"
)

// tags asks a repository for its versions and their commits, as git does before it clones: one request, no API, no token for public ones.
func (c *Client) tags(ctx context.Context, r Ref) (map[string]string, error) {
	req := request{url: c.base(r.Host()) + "/" + r.Repo() + ".git/info/refs?service=git-upload-pack", host: r.Host(), max: maxRefs}
	tags, err := c.readTags(ctx, req)
	if token := c.token(r.Host()); absent(err) && token != "" {
		req.auth = basic(token)
		tags, err = c.readTags(ctx, req)
	}
	if absent(err) && c.mirrored(r.Host()) {
		return nil, notMirrored(r)
	}
	if absent(err) {
		hint := "check its name; a private one is read with GITHUB_TOKEN"
		if req.auth != "" {
			hint = "check its name, and what GITHUB_TOKEN may read"
		}
		return nil, wrongf(NotFound, hint, "there is no repository %s: %w", r.Source, err)
	}
	return tags, err
}

// basic is how git gives a token.
func basic(token string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token))
}

func (c *Client) readTags(ctx context.Context, req request) (map[string]string, error) {
	var tags map[string]string
	err := c.get(ctx, req, func(body io.Reader) (err error) {
		tags, err = parseRefs(body)
		if err != nil && !errors.Is(err, errTooLarge) {
			err = wrongf(Network, "", "%s does not answer like a git server: %w", req.url, err)
		}
		return err
	})
	return tags, err
}

var hexID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// parseRefs reads what a git server advertises: packets of four hex digits of length, commit, space, name. A tag object is followed by the
// commit that it stands for, as NAME^{}.
func parseRefs(body io.Reader) (map[string]string, error) {
	r := bufio.NewReader(body)
	if first, err := packet(r); err != nil || first != "# service=git-upload-pack" {
		return nil, fmt.Errorf("it begins with %.40q", first)
	}
	tags := make(map[string]string)
	flushes := 0
	for flushes < 2 {
		line, err := packet(r)
		if errors.Is(err, errFlush) {
			flushes++
			continue
		}
		if err != nil {
			return nil, err
		}
		line, _, _ = strings.Cut(line, "\x00")
		id, name, ok := strings.Cut(line, " ")
		if !ok || !hexID.MatchString(id) {
			return nil, fmt.Errorf("it says %.60q", line)
		}
		tag, isTag := strings.CutPrefix(name, "refs/tags/")
		tag, peeled := strings.CutSuffix(tag, "^{}")
		if isTag && manifest.ValidVersion(tag) && (peeled || tags[tag] == "") {
			tags[tag] = id
		}
	}
	return tags, nil
}

var errFlush = errors.New("flush")

// packet reads one packet, without the newline at its end.
func packet(r *bufio.Reader) (string, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(string(size[:]), 16, 16)
	switch {
	case err != nil:
		return "", fmt.Errorf("%.10q is not the length of a packet", size)
	case n == 0:
		return "", errFlush
	case n < 4:
		return "", fmt.Errorf("a packet cannot have %d bytes", n)
	}
	line := make([]byte, n-4)
	if _, err := io.ReadFull(r, line); err != nil {
		return "", err
	}
	return strings.TrimSuffix(string(line), "\n"), nil
}

package market

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sumsName is the file of a release that lists its other files and their checksums.
const sumsName = "SHA256SUMS"

// release is what was published with a tag.
type release struct {
	text   []byte            // of SHA256SUMS
	sums   map[string]string // "sha256:" and hex, by the name of the file
	assets map[string]string // URLs of the API, by name; nil when the plain addresses do
}

// release asks for the checksums of a release. Without a release, or one without them, it gives nil.
func (c *Client) release(ctx context.Context, r Ref) (*release, error) {
	rel := &release{}
	text, err := c.text(ctx, c.plain(r, sumsName, maxText))
	if absent(err) {
		if rel.assets, err = c.listed(ctx, r); err != nil || rel.assets == nil {
			return nil, err
		}
		if _, ok := rel.assets[sumsName]; !ok {
			return nil, nil
		}
		text, err = c.text(ctx, c.asset(r, rel, sumsName, maxText))
	}
	if err != nil {
		return nil, err
	}
	rel.text = text
	if rel.sums, err = parseSums(string(text)); err != nil {
		return nil, wrongf(BadSum, "tell its author", "%s of %s: %w", sumsName, r, err)
	}
	return rel, nil
}

// plain is the address of a file of a release that everybody may read. It can be computed, so no API is asked.
func (c *Client) plain(r Ref, name string, most int64) request {
	return request{url: c.base(r.Host()) + "/" + r.Repo() + "/releases/download/" + r.Version + "/" + name, host: r.Host(), max: most}
}

// asset is how a file of a release is got.
func (c *Client) asset(r Ref, rel *release, name string, most int64) request {
	u, ok := rel.assets[name]
	if !ok {
		return c.plain(r, name, most)
	}
	return request{url: u, host: r.Host(), max: most, accept: "application/octet-stream", auth: "Bearer " + c.token(r.Host())}
}

// listed asks the API for the files of a release in a private repository. Without a token, or without a release, it gives nil.
func (c *Client) listed(ctx context.Context, r Ref) (map[string]string, error) {
	token := c.token(r.Host())
	if token == "" {
		return nil, nil
	}
	repo := c.api(r.Host()) + "/repos/" + r.Repo()
	text, err := c.text(ctx, request{
		url: repo + "/releases/tags/" + r.Version, host: r.Host(), max: maxText, accept: "application/vnd.github+json", auth: "Bearer " + token,
	})
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list struct {
		Assets []struct {
			ID   int64  `json:"id"`
			Name string `json:"name"`
		} `json:"assets"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, wrongf(Network, "", "%s answers what is no release: %w", r.Host(), err)
	}
	assets := make(map[string]string)
	for _, a := range list.Assets {
		assets[a.Name] = repo + "/releases/assets/" + strconv.FormatInt(a.ID, 10)
	}
	return assets, nil
}

var sumLine = regexp.MustCompile(`^([0-9a-fA-F]{64}) [ *]([^\s/\\]+)$`)

// parseSums reads lines as sha256sum writes them.
func parseSums(text string) (map[string]string, error) {
	sums := make(map[string]string)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		m := sumLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%.80q is not a checksum and a file", line)
		}
		if sums[m[2]] != "" {
			return nil, fmt.Errorf("%s is there twice", m[2])
		}
		sums[m[2]] = "sha256:" + strings.ToLower(m[1])
	}
	return sums, nil
}

// sourceAsset is the file of a release that a pattern's source is in.
func (r Ref) sourceAsset() string { return r.Name() + "_" + r.bare() + ".zip" }

// build is the file of a release that an agent for a platform is in.
func (r Ref) build(platform string) string {
	return fmt.Sprintf("%s_%s_x%d_%s.zip", r.Name(), r.bare(), Protocol, strings.ReplaceAll(platform, "/", "_"))
}

// builds lists the files of a release for each platform, of the protocol that is spoken here. others are the protocols of the rest.
func (rel *release) builds(r Ref) (byPlatform map[string]string, others []string) {
	form := regexp.MustCompile(`^` + regexp.QuoteMeta(r.Name()+"_"+r.bare()) + `_x([0-9]+)_([a-z0-9]+)_([a-z0-9]+)\.zip$`)
	byPlatform = make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(rel.sums)) {
		m := form.FindStringSubmatch(name)
		switch {
		case m == nil:
		case m[1] == strconv.Itoa(Protocol):
			byPlatform[m[2]+"/"+m[3]] = name
		case !slices.Contains(others, m[1]):
			others = append(others, m[1])
		}
	}
	return byPlatform, others
}

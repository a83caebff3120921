package market

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/parallax-run/parallax/internal/market/index"
)

// perPage is how many releases the API lists at once, and maxPages how many such lists are read.
const (
	perPage  = 100
	maxPages = 20
)

// Counts asks the API of a repository's host for its stars, and how often files of its releases were downloaded; SHA256SUMS, which every installation
// asks for, does not count.
func (m *Market) Counts(ctx context.Context, source string) (index.Stats, error) {
	r := Ref{Source: source}
	var repo struct {
		Stars int64 `json:"stargazers_count"`
	}
	if err := m.Client.apiJSON(ctx, r, "", &repo); err != nil {
		return index.Stats{}, err
	}
	s := index.Stats{Stars: repo.Stars}
	for page := 1; page <= maxPages; page++ {
		var releases []struct {
			Assets []struct {
				Name      string `json:"name"`
				Downloads int64  `json:"download_count"`
			} `json:"assets"`
		}
		if err := m.Client.apiJSON(ctx, r, fmt.Sprintf("/releases?per_page=%d&page=%d", perPage, page), &releases); err != nil {
			return s, err
		}
		for _, rel := range releases {
			for _, a := range rel.Assets {
				if a.Name != sumsName {
					s.Downloads += a.Downloads
				}
			}
		}
		if len(releases) < perPage {
			break
		}
	}
	s.Stars, s.Downloads = max(s.Stars, 0), max(s.Downloads, 0)
	return s, nil
}

// apiJSON asks the API about a repository.
func (c *Client) apiJSON(ctx context.Context, r Ref, path string, into any) error {
	req := request{url: c.api(r.Host()) + "/repos/" + r.Repo() + path, host: r.Host(), max: maxRefs, accept: "application/vnd.github+json"}
	if token := c.token(r.Host()); token != "" {
		req.auth = "Bearer " + token
	}
	text, err := c.text(ctx, req)
	if absent(err) {
		return wrongf(NotFound, "it was removed, or is private", "there is no repository %s: %w", r.Source, err)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return wrongf(Network, "", "%s does not answer as GitHub does: %w", r.Host(), err)
	}
	return nil
}

// Fetch gets a small text from an address, such as the index that was published last.
func (m *Market) Fetch(ctx context.Context, address string, most int64) ([]byte, error) {
	r := request{url: address, host: address, max: most}
	text, err := m.Client.text(ctx, r)
	if absent(err) {
		return nil, wrongf(NotFound, "check the address", "%w", err)
	}
	return text, err
}

// Trouble says whether err is about a package's host at the moment, so that asking again later may help.
func Trouble(err error) bool {
	return slices.ContainsFunc([]Code{Network, RateLimited}, func(c Code) bool { return is(err, c) })
}

package market

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// Star marks the repository of a package as one that the user of the token likes, or takes that back.
func (c *Client) Star(ctx context.Context, r Ref, undo bool) error {
	token := c.token(r.Host())
	if token == "" {
		variable := "GITHUB_TOKEN"
		if r.Host() != "github.com" {
			variable = "GH_HOST=" + r.Host() + " and GH_ENTERPRISE_TOKEN"
		}
		return wrongf(Refused, "set "+variable+"; gh auth token prints one that may star", "%s does not know who you are", r.Host())
	}
	method := http.MethodPut
	if undo {
		method = http.MethodDelete
	}
	req := request{
		url: c.api(r.Host()) + "/user/starred/" + r.Repo(), host: r.Host(), method: method, max: maxText,
		accept: "application/vnd.github+json", auth: "Bearer " + token,
	}
	err := c.get(ctx, req, func(body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	})
	if e, ok := errors.AsType[*statusError](err); ok {
		switch e.code {
		case http.StatusUnauthorized:
			return wrongf(Refused, "take another one: gh auth token", "%s does not accept the token", r.Host())
		case http.StatusForbidden:
			return wrongf(Refused, "a fine-grained token needs the permission Starring: write, a classic one the scope public_repo", "the token may not star on %s", r.Host())
		case http.StatusNotFound:
			return wrongf(NotFound, "check its name", "there is no repository %s", r.Source)
		}
	}
	return err
}

package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/market"
)

// Release is a release as its host has it.
type Release struct {
	ID     int64   `json:"id"`
	Tag    string  `json:"tag_name"`
	Draft  bool    `json:"draft"`
	URL    string  `json:"html_url"`
	Assets []asset `json:"assets"`
}

// asset is a file of a release. One whose upload broke is there too, in another state.
type asset struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Digest string `json:"digest"` // "" where the host says none
}

const uploaded = "uploaded"

// Host is where packages are published, in somebody's name.
type Host struct {
	API market.API
	Say func(line string)
}

func (h *Host) repo(p *Package) string { return "/repos/" + p.Ref.Repo() }

// May says whether whoever asks may publish there, and whether the repository is one that everybody sees.
func (h *Host) May(ctx context.Context, p *Package) (public bool, err error) {
	var repo struct {
		Private     bool `json:"private"`
		Archived    bool `json:"archived"`
		Permissions struct {
			Push bool `json:"push"`
		} `json:"permissions"`
	}
	if err := h.API.Get(ctx, h.repo(p), &repo); err != nil {
		return false, h.absent(err, p.Ref.Source)
	}
	switch {
	case repo.Archived:
		return false, wrong(market.Denied, "", "%s is archived", p.Ref.Source)
	case h.API.Named() && !repo.Permissions.Push && h.person(ctx):
		return false, wrong(market.Denied, "ask its owner, or take a token that may", "this token may not write to %s", p.Ref.Source)
	}
	return !repo.Private, nil
}

// person says whether the token is somebody's. Of one of a workflow the host does not say what it may.
func (h *Host) person(ctx context.Context) bool { return h.API.Get(ctx, "/user", nil) == nil }

// absent makes a 404 say what it means.
func (h *Host) absent(err error, what string) error {
	if status(err) != http.StatusNotFound {
		return err
	}
	hint := "make it on " + h.API.Host + ", or mend the name"
	if !h.API.Named() {
		hint += "; one that is private is found with a token"
	}
	return wrong(market.NotFound, hint, "there is no %s, or not for this token: %w", what, err)
}

// status is the one with which the API answered, or 0.
func status(err error) int {
	if e, ok := errors.AsType[*market.StatusError](err); ok {
		return e.Status
	}
	return 0
}

// Find gives the release of the package's version, a draft or a public one, or nil.
func (h *Host) Find(ctx context.Context, p *Package) (*Release, error) {
	const per = 100
	var draft *Release
	for page := 1; ; page++ {
		var list []*Release
		if err := h.API.Get(ctx, h.repo(p)+"/releases?per_page="+strconv.Itoa(per)+"&page="+strconv.Itoa(page), &list); err != nil {
			return nil, err
		}
		for _, r := range list {
			switch {
			case r.Tag != p.Ref.Version:
			case !r.Draft:
				return r, nil
			case draft == nil:
				draft = r
			}
		}
		if len(list) < per {
			return draft, nil
		}
	}
}

// Draft gives the draft of the release, which is made unless there is one.
func (h *Host) Draft(ctx context.Context, p *Package) (*Release, error) {
	r, err := h.Find(ctx, p)
	if err != nil || r != nil {
		return r, err
	}
	v := p.Ref.Version
	r = &Release{}
	err = h.API.Send(ctx, http.MethodPost, h.repo(p)+"/releases", map[string]any{
		"tag_name": v, "name": p.Manifest.Package.Name + " " + v, "body": notes(p), "draft": true, "prerelease": semver.Prerelease(v) != "",
	}, r)
	if err != nil {
		return nil, h.absent(err, "way to make a release of "+p.Ref.Source)
	}
	return r, nil
}

// notes is what the page of the release says.
func notes(p *Package) string {
	verb := "parallax add "
	return p.Manifest.Package.Description + "\n\n```\n" + verb + p.Ref.String() + "\n```\n"
}

// Fill makes the files of a draft those that they are to be: what is there and right stays.
func (h *Host) Fill(ctx context.Context, p *Package, r *Release, files *Files) error {
	for _, a := range r.Assets {
		if !slices.ContainsFunc(files.List, func(f File) bool { return f.Name == a.Name && right(f, a) }) {
			if err := h.remove(ctx, p, a); err != nil {
				return err
			}
		}
	}
	for _, f := range files.List {
		if slices.ContainsFunc(r.Assets, func(a asset) bool { return f.Name == a.Name && right(f, a) }) {
			h.Say("  " + f.Name + " is there")
			continue
		}
		h.Say(fmt.Sprintf("  %s  %s", f.Name, size(f.Size)))
		if err := h.upload(ctx, p, r, f); err != nil {
			return err
		}
	}
	return nil
}

func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func right(f File, a asset) bool { return a.State == uploaded && a.Digest == f.Sum }

func (h *Host) remove(ctx context.Context, p *Package, a asset) error {
	err := h.API.Send(ctx, http.MethodDelete, h.repo(p)+"/releases/assets/"+strconv.FormatInt(a.ID, 10), nil, nil)
	if status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// upload sends a file, again where that may help. What a broken upload left is in the way and goes first.
func (h *Host) upload(ctx context.Context, p *Package, r *Release, f File) error {
	path := h.repo(p) + "/releases/" + strconv.FormatInt(r.ID, 10) + "/assets"
	for attempt := 1; ; attempt++ {
		var a asset
		err := h.API.Upload(ctx, path+"?name="+url.QueryEscape(f.Name), f.Path, &a)
		if err == nil && a.Name != f.Name {
			err = fmt.Errorf("%s calls %s %s", h.API.Host, f.Name, a.Name)
		}
		if err == nil || attempt == uploads || ctx.Err() != nil || status(err) != http.StatusUnprocessableEntity && status(err) < 500 && status(err) != 0 {
			return err
		}
		h.Say("  " + f.Name + " once more: " + err.Error())
		var list []asset
		if err := h.API.Get(ctx, path+"?per_page=100", &list); err != nil {
			return err
		}
		for _, a := range list {
			if a.Name == f.Name && right(f, a) {
				return nil
			}
			if a.Name == f.Name {
				if err := h.remove(ctx, p, a); err != nil {
					return err
				}
			}
		}
	}
}

// uploads is how often a file is sent.
const uploads = 3

// Check downloads the files of a release and compares them with those that they are to be.
func (h *Host) Check(ctx context.Context, p *Package, id int64, files *Files) error {
	var list []asset
	if err := h.API.Get(ctx, h.repo(p)+"/releases/"+strconv.FormatInt(id, 10)+"/assets?per_page=100", &list); err != nil {
		return err
	}
	for _, f := range files.List {
		i := slices.IndexFunc(list, func(a asset) bool { return a.Name == f.Name })
		if i < 0 {
			return wrong(market.BadSum, "run it again", "%s is not there after its upload", f.Name)
		}
		sum := sha256.New()
		err := h.API.Download(ctx, h.repo(p)+"/releases/assets/"+strconv.FormatInt(list[i].ID, 10), f.Size, func(body io.Reader) error {
			sum.Reset()
			_, err := io.Copy(sum, body)
			return err
		})
		if err != nil {
			return err
		}
		if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != f.Sum {
			return wrong(market.BadSum, "run it again", "%s came back as something else: its checksum is %s and was %s", f.Name, got, f.Sum)
		}
	}
	return nil
}

// Public makes a draft public.
func (h *Host) Public(ctx context.Context, p *Package, r *Release) error {
	return h.API.Send(ctx, http.MethodPatch, h.repo(p)+"/releases/"+strconv.FormatInt(r.ID, 10), map[string]any{"draft": false}, r)
}

// Refused says that the host understood a request and did not do it.
func Refused(err error) bool {
	s := status(err)
	return s >= 400 && s < 500
}

// Package publish is `parallax publish` and `parallax yank`.
package publish

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/internal/market/publish"
	"github.com/parallax-run/parallax/internal/origin"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
)

// Options are what the command line says.
type Options struct {
	App *cli.App

	DryRun  bool
	Index   string // [HOST/]OWNER/REPO; "" is the public one for what everybody may see
	NoIndex bool
	Yes     bool
	Dist    string

	market *market.Market
}

// publicIndex is where packages of github.com are proposed unless the command line says otherwise.
const publicIndex = market.DefaultIndexRepository

// NewCmd makes `parallax publish`.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Publish this repository as a package",
		Long: `Publish the pattern or agent of this repository, as the commit that is checked out, in the version that parallax.toml says.

It is checked, tested and compared with the version before; its files are uploaded into a draft of a release, downloaded again and
compared; then the tag is pushed, the release made public, and the entry proposed to the index as a pull request. What fails leaves nothing
public. Publishing again goes on where it broke off.

The builds of an agent are the archives NAME_VERSION_x1_OS_ARCH.zip in --dist. GITHUB_TOKEN says who publishes; the tag is pushed by git as
you always push. With --dry-run nothing is changed anywhere.`,
		Example: "  parallax publish --dry-run\n  parallax publish\n  parallax publish --no-index --yes",
		Args:    cli.Args(0, 0, "no argument"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.Run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.DryRun, "dry-run", false, "do all that changes nothing, and say what else would be done")
	f.StringVar(&o.Index, "index", "", "propose it to the index `OWNER/REPO` instead of the public one")
	f.BoolVar(&o.NoIndex, "no-index", false, "propose it to no index")
	f.BoolVarP(&o.Yes, "yes", "y", false, "accept without asking that an agent asks for more than before; it is shown all the same")
	f.StringVar(&o.Dist, "dist", "dist", "`DIR` with the builds of an agent")
	return cmd
}

// Run publishes the repository in the working directory.
func (o *Options) Run(ctx context.Context) error {
	if o.NoIndex && o.Index != "" {
		return cli.Usagef("give one of them", "--no-index and --index exclude each other")
	}
	var err error
	if o.market, err = project.Market(o.App); err != nil {
		return err
	}
	dist := o.Dist
	if !filepath.IsAbs(dist) {
		dist = filepath.Join(o.App.Dir, dist)
	}
	p, err := publish.Look(ctx, o.App.Dir, dist)
	if err != nil {
		return err
	}
	free, err := p.Claim(ctx)
	if err != nil {
		return err
	}
	defer free()
	dir, err := os.MkdirTemp("", "parallax-publish-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	h := &publish.Host{API: market.API{Client: o.market.Client, Host: p.Ref.Host()}, Say: func(line string) { o.say("%s", line) }}
	if !h.API.Named() && !o.DryRun {
		return nameless(p.Ref.Host())
	}
	public, err := h.May(ctx, p)
	if err != nil {
		return err
	}
	r, err := h.Find(ctx, p)
	if err != nil {
		return err
	}
	o.say("%s, commit %.12s, %s", p.Ref, p.Commit, after(p))
	files := &publish.Files{}
	if r != nil && !r.Draft {
		err = o.released(ctx, p, r, files)
	} else {
		files, err = o.release(ctx, h, p, r, dir)
	}
	if err != nil {
		return err
	}
	return o.propose(ctx, p, files, public)
}

func after(p *publish.Package) string {
	if p.Last == "" {
		return "its first version"
	}
	return "after " + p.Last
}

func (o *Options) say(format string, args ...any) { fmt.Fprintf(o.App.Err, format+"\n", args...) }

// permissions shows what an agent asks for, and has it accepted when that is more than before.
func (o *Options) permissions(ctx context.Context, p *publish.Package) error {
	if p.Manifest.Package.Kind != manifest.KindAgent {
		return nil
	}
	more := p.Widened()
	if len(more) == 0 {
		o.say("permissions: %s", map[bool]string{true: "no more than " + p.Last + " asked for", false: "nothing to compare them with"}[p.Had != nil])
		return nil
	}
	o.say("permissions: it asks for more than %s did; everybody who upgrades is asked about it:", p.Last)
	for _, m := range more {
		o.say("  + %s", m)
	}
	if o.Yes || o.DryRun {
		return nil
	}
	yes, there, err := screen.Ask(ctx, o.App.In, o.App.Err, "publish it?")
	switch {
	case err != nil || yes:
		return err
	case !there:
		return &market.Error{Code: market.Refused, Message: p.Ref.String() + " was not published: nobody is here to say that it may ask for more", Hint: "--yes says so; or run it in a terminal, where it can ask"}
	}
	o.say("nothing was published")
	return &cli.Told{Code: cli.Stopped}
}

// release makes the release, and says which files it has. r is the draft that is there, or nil; dir is a place to work in.
func (o *Options) release(ctx context.Context, h *publish.Host, p *publish.Package, r *publish.Release, dir string) (*publish.Files, error) {
	files, err := p.Make(ctx, dir, o.market.Platform)
	if err != nil {
		return nil, err
	}
	if err := o.tried(ctx, p, files); err != nil {
		return nil, err
	}
	if err := o.permissions(ctx, p); err != nil {
		return nil, err
	}
	if o.DryRun {
		o.would(p, files, r)
		return files, nil
	}
	if err := o.draft(ctx, h, p, files); err != nil {
		return nil, err
	}
	return files, o.seen(ctx, p, files)
}

// released is for a release that is public already, by an earlier attempt or by a workflow: it is taken as it is.
func (o *Options) released(ctx context.Context, p *publish.Package, r *publish.Release, files *publish.Files) error {
	if !p.Tagged {
		return &market.Error{Code: market.Conflict, Message: fmt.Sprintf("%s has a release %s and no such tag", p.Ref.Source, p.Ref.Version), Hint: "delete that release, or raise version in " + manifest.FileName}
	}
	o.say("released already")
	if _, err := fmt.Fprintln(o.App.Out, r.URL); err != nil {
		return err
	}
	return o.seen(ctx, p, files)
}

func nameless(host string) error {
	return &market.Error{Code: market.Denied, Message: "nobody knows who publishes: there is no token for " + host, Hint: "export GITHUB_TOKEN=$(gh auth token); or make one that may write contents of this repository and the scope public_repo, and set it"}
}

// would says what publishing would do.
func (o *Options) would(p *publish.Package, files *publish.Files, r *publish.Release) {
	if !p.Tagged {
		o.say("would tag %.12s as %s and push the tag to %s", p.Commit, p.Ref.Version, p.Remote)
	}
	where := "a new release"
	if r != nil {
		where = "the draft that is there"
	}
	o.say("would upload to %s:", where)
	for _, f := range files.List {
		o.say("  %s  %s", f.Name, f.Sum)
	}
}

// draft makes the release and what belongs to it, in an order that leaves nothing public if it breaks off.
func (o *Options) draft(ctx context.Context, h *publish.Host, p *publish.Package, files *publish.Files) error {
	o.say("uploading to a draft")
	r, err := h.Draft(ctx, p)
	if err != nil {
		return err
	}
	err = h.Fill(ctx, p, r, files)
	if err == nil {
		o.say("comparing what came there")
		err = h.Check(ctx, p, r.ID, files)
	}
	if err == nil && !p.Tagged {
		o.say("tagging %.12s as %s, and pushing the tag to %s", p.Commit, p.Ref.Version, p.Remote)
		err = p.Tag(ctx)
	}
	if err != nil {
		o.say("nothing is public; the draft is kept, and parallax publish goes on with it")
		return err
	}
	if err := h.Public(ctx, p, r); err != nil {
		return o.unpublished(ctx, p, err)
	}
	o.say("published %s", p.Ref)
	_, err = fmt.Fprintln(o.App.Out, r.URL)
	return err
}

// unpublished takes the tag back if the release certainly did not become public.
func (o *Options) unpublished(ctx context.Context, p *publish.Package, err error) error {
	switch {
	case !publish.Refused(err) || p.Tagged:
		o.say("the tag %s is public, and maybe the release; parallax publish goes on", p.Ref.Version)
	case p.Untag(ctx) != nil:
		o.say("the tag %s is public, and the release is not; parallax publish goes on", p.Ref.Version)
	default:
		o.say("nothing is public: the tag was taken back; the draft is kept, and parallax publish goes on with it")
	}
	return err
}

// propose proposes the entry to the index.
func (o *Options) propose(ctx context.Context, p *publish.Package, files *publish.Files, public bool) error {
	switch {
	case o.NoIndex:
		return nil
	case o.Index == "" && !public:
		o.say("not proposed to the public index, since %s is private; --index OWNER/REPO names one of your own", p.Ref.Source)
		return nil
	case o.Index == "" && p.Ref.Host() != "github.com":
		o.say("not proposed to the public index, which is for github.com; --index OWNER/REPO names one of your own")
		return nil
	}
	api, repo, err := o.hub(p.Ref.Host())
	if err != nil {
		return err
	}
	login := ""
	if api.Named() {
		if login, err = o.login(ctx, api); err != nil {
			return err
		}
	}
	released := time.Now()
	pr := &publish.Proposal{
		API: api, Index: repo, Name: index.NameOf(p.Ref.Source), Title: fmt.Sprintf("%s %s", index.NameOf(p.Ref.Source), strings.TrimPrefix(p.Ref.Version, "v")), Body: body(p),
		Change: func(old *index.Entry) (*index.Entry, error) { return p.Entry(old, files, login, released) },
	}
	return o.open(ctx, pr)
}

// seen looks at what is public now as anybody else would, and finds out who built it. Files that are not known yet are taken over.
func (o *Options) seen(ctx context.Context, p *publish.Package, files *publish.Files) error {
	o.say("looking at it as others see it")
	c, err := o.market.Inspect(ctx, p.Ref)
	if err != nil {
		return err
	}
	if files.List == nil {
		files.Hash, files.Built = c.Hash, c.Assets
	}
	if c.Commit != p.Commit || c.Hash != files.Hash || !maps.Equal(c.Assets, files.Built) {
		return &market.Error{Code: market.BadSum, Message: p.Ref.String() + " is public, and not what was uploaded", Hint: "look at its release and its tag on " + p.Ref.Host()}
	}
	if c.Origin.Verdict == origin.Verified {
		files.Identity = c.Origin.Identity
	}
	return nil
}

// hub is the index and who asks it.
func (o *Options) hub(host string) (market.API, string, error) {
	repo := cmp.Or(o.Index, publicIndex)
	if o.Index == "" {
		host = "github.com"
	}
	if parts := strings.Split(repo, "/"); len(parts) == 3 {
		host, repo = parts[0], parts[1]+"/"+parts[2]
	}
	if !manifest.ValidSource(host + "/" + repo) {
		return market.API{}, "", cli.Usagef("write --index OWNER/REPO", "%q is not a repository", o.Index)
	}
	api := market.API{Client: o.market.Client, Host: host}
	if !api.Named() && !o.DryRun {
		return api, repo, nameless(host)
	}
	return api, repo, nil
}

// login is who publishes, as the host calls them. A token of a workflow is nobody's.
func (o *Options) login(ctx context.Context, api market.API) (string, error) {
	var user struct {
		Login string `json:"login"`
	}
	err := api.Get(ctx, "/user", &user)
	if err != nil && !o.DryRun {
		o.say("the entry is not proposed: that needs the token of a person; parallax publish with one goes on")
		return "", err
	}
	return user.Login, nil
}

func body(p *publish.Package) string {
	return fmt.Sprintf("%s\n\nhttps://%s/releases/tag/%s, commit %s.\n", p.Manifest.Package.Description, p.Ref.Source, p.Ref.Version, p.Commit)
}

// open shows or makes the pull request.
func (o *Options) open(ctx context.Context, pr *publish.Proposal) error {
	if o.DryRun {
		before, now, err := pr.Diff(ctx)
		if err != nil {
			return err
		}
		if string(before) == string(now) {
			o.say("%s has this already", pr.Index)
			return nil
		}
		o.say("would propose to %s, in %s:", pr.Index, index.Path(pr.Name))
		_, err = fmt.Fprintln(o.App.Out, patterntest.Diff(string(before), string(now)))
		return err
	}
	url, err := pr.Open(ctx)
	if err != nil {
		o.say("not proposed to %s yet; running it again goes on", pr.Index)
		return err
	}
	if url == "" {
		o.say("%s has this already", pr.Index)
		return nil
	}
	o.say("proposed to %s; it is listed when its reviewers merge that", pr.Index)
	_, err = fmt.Fprintln(o.App.Out, url)
	return err
}

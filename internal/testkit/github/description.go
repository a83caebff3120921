package github

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// described is GitHub's own description of the operations that the server implements, MIT licensed, see the folder. Package trim made it.
//
//go:embed description/api.github.com.json
var described []byte

// Operations lists the operations that the server implements, "GET /repos/{owner}/{repo}" each.
func Operations() []string {
	var all []string
	for _, o := range operations() {
		all = append(all, o.method+" "+o.path)
	}
	return all
}

// operation is one of the API's.
type operation struct {
	method, path string
	do           func(s *Server, w http.ResponseWriter, c *call)

	route *routers.Route
	form  *regexp.Regexp
	names []string // of the parts of the path that vary
}

// parameter is a part of a path that varies. Some go over several parts.
var parameter = regexp.MustCompile(`\\\{([a-z_]+)\\\}`)

// api gives the operations with what GitHub says of them.
var api = sync.OnceValues(func() ([]*operation, error) {
	doc, err := openapi3.NewLoader().LoadFromData(described)
	if err != nil {
		return nil, fmt.Errorf("the description of GitHub's API: %w", err)
	}
	list := operations()
	for _, o := range list {
		item := doc.Paths.Value(o.path)
		if item == nil || item.GetOperation(o.method) == nil {
			return nil, fmt.Errorf("the description of GitHub's API lacks %s %s; make github-api makes it anew", o.method, o.path)
		}
		o.route = &routers.Route{Spec: doc, Path: o.path, PathItem: item, Method: o.method, Operation: item.GetOperation(o.method)}
		form := parameter.ReplaceAllStringFunc(regexp.QuoteMeta(o.path), func(p string) string {
			name := parameter.FindStringSubmatch(p)[1]
			o.names = append(o.names, name)
			if slices.Contains([]string{"path", "ref", "tag", "subject_digest"}, name) {
				return "(.+)"
			}
			return "([^/]+)"
		})
		o.form = regexp.MustCompile("^" + form + "$")
	}
	return list, nil
})

// find gives the operation that a request is for, and what varies in its path.
func find(list []*operation, method, path string) (*operation, map[string]string) {
	for _, o := range list {
		m := o.form.FindStringSubmatch(path)
		if m == nil || o.method != method {
			continue
		}
		params := make(map[string]string)
		for i, name := range o.names {
			params[name] = m[i+1]
		}
		return o, params
	}
	return nil, nil
}

// asks checks a request against the description.
func (o *operation) asks(ctx context.Context, r *http.Request, params map[string]string) (*openapi3filter.RequestValidationInput, error) {
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: o.route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true},
	}
	in.Options.ExcludeRequestBody = strings.HasSuffix(o.path, "/assets") // a file of any kind
	return in, openapi3filter.ValidateRequest(ctx, in)
}

// answers checks an answer against the description. Faults that every operation may have are not in it.
func (o *operation) answers(ctx context.Context, in *openapi3filter.RequestValidationInput, res *httptest.ResponseRecorder) error {
	in.Options.IncludeResponseStatus = !slices.Contains([]int{401, 403, 404, 409, 422, 429, 500, 502, 503}, res.Code)
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.Code, Header: res.Header(), Body: io.NopCloser(res.Body), Options: in.Options,
	})
}

// complete adds to an answer what GitHub always says and nothing here is about: each required property that is missing, with the emptiest value
// that fits. What is there stays, right or wrong.
func (o *operation) complete(status int, v any) any {
	res := o.route.Operation.Responses.Status(status)
	if res == nil || res.Value == nil || res.Value.Content.Get("application/json") == nil {
		return v
	}
	return completed(res.Value.Content.Get("application/json").Schema, v)
}

func completed(ref *openapi3.SchemaRef, v any) any {
	if ref == nil || ref.Value == nil {
		return v
	}
	schema := ref.Value
	for _, one := range slices.Concat(schema.AllOf, first(schema.AnyOf), first(schema.OneOf)) {
		v = completed(one, v)
	}
	switch v := v.(type) {
	case object:
		v = maps.Clone(v)
		for _, name := range schema.Required {
			if _, ok := v[name]; !ok {
				v[name] = emptiest(schema.Properties[name])
			}
		}
		for name, item := range v {
			v[name] = completed(schema.Properties[name], item)
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = completed(schema.Items, item)
		}
		return out
	}
	return v
}

func first(list openapi3.SchemaRefs) openapi3.SchemaRefs { return list[:min(1, len(list))] }

// emptiest is a value of a schema that says as little as can be.
func emptiest(ref *openapi3.SchemaRef) any {
	if ref == nil || ref.Value == nil || ref.Value.Nullable {
		return nil
	}
	schema := ref.Value
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is("boolean"):
		return false
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		return 0
	case schema.Type.Is("array"):
		return []any{}
	case schema.Type.Is("string") && schema.Format == "date-time":
		return published().Format(time.RFC3339)
	case schema.Type.Is("string") && strings.HasPrefix(schema.Format, "uri"):
		return "https://example.com"
	case schema.Type.Is("string"):
		return ""
	}
	return completed(ref, object{})
}

// object is one of JSON.
type object = map[string]any

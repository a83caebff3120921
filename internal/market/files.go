package market

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// folders answers requests for file:// URLs from the file system, as a server of static files would: that is how a mirror in a folder is read.
type folders struct{}

// RoundTrip implements http.RoundTripper.
func (folders) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := func(status int, body io.ReadCloser, size int64) *http.Response {
		return &http.Response{
			Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: make(http.Header), Body: body, ContentLength: size, Request: req,
		}
	}
	if req.Method != http.MethodGet {
		return answer(http.StatusMethodNotAllowed, http.NoBody, 0), nil
	}
	f, err := os.Open(filePath(req.URL))
	if errors.Is(err, fs.ErrNotExist) {
		return answer(http.StatusNotFound, http.NoBody, 0), nil
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return answer(http.StatusNotFound, http.NoBody, 0), errors.Join(err, f.Close())
	}
	etag := fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano())
	if req.Header.Get("If-None-Match") == etag {
		return answer(http.StatusNotModified, http.NoBody, 0), f.Close()
	}
	res := answer(http.StatusOK, f, info.Size())
	res.Header.Set("ETag", etag)
	return res, nil
}

// filePath is the file that a file:// URL means.
func filePath(u *url.URL) string {
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/") // /C:/mirror
	}
	return filepath.FromSlash(path)
}

// fileURL is the URL of an absolute path.
func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// notMirrored says that a mirror does not have a package.
func notMirrored(r Ref) *Error {
	return wrongf(NotFound, "where there is a network: parallax mirror DIR "+r.String(), "the mirror does not have %s", r)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxFile is the size in bytes from which a file is no source any more.
const maxFile = 1 << 20

// minEntropy is in bits per character. Words of a language have 2 to 3, random letters and digits 4 and more.
const minEntropy = 3.5

// skipped directories hold what others wrote or what was built.
var skipped = []string{".git", ".parallax", "bin", "node_modules", "vendor"}

// kind is one way to recognise a secret; its last group is the secret itself.
type kind struct {
	name  string
	re    *regexp.Regexp
	guess bool // the shape alone proves nothing: the secret must also look random
}

var kinds = []kind{
	{name: "a private key", re: regexp.MustCompile(`(-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----)`)},
	{name: "an AWS access key", re: regexp.MustCompile(`\b((?:AKIA|ASIA)[0-9A-Z]{16})\b`)},
	{name: "a GitHub token", re: regexp.MustCompile(`\b(gh[pousr]_[0-9A-Za-z]{36,})\b`)},
	{name: "a Slack token", re: regexp.MustCompile(`\b(xox[abprs]-[0-9A-Za-z-]{20,})`)},
	{name: "a Google API key", re: regexp.MustCompile(`\b(AIza[0-9A-Za-z_-]{35})`)},
	{name: "a Stripe key", re: regexp.MustCompile(`\b([rs]k_live_[0-9A-Za-z]{20,})`)},
	{name: "a model provider's key", re: regexp.MustCompile(`\b(sk-(?:ant-|proj-)?[0-9A-Za-z_-]{32,})`), guess: true},
	{name: "a password or key in a literal", guess: true, re: regexp.MustCompile(
		`(?i)(?:passwd|password|secret|token|api_?key)\w*["']?\s*(?::=|[:=])\s*["']([0-9A-Za-z+/=_.!@#$%^&*-]{16,})["']`)},
}

// search reads the regular files below a directory in lexical order.
func search(ctx context.Context, dir string) (Out, error) {
	out := Out{Findings: []Finding{}}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return out, errors.Unwrap(err)
	}
	defer root.Close()
	return out, fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxFile {
			return err
		}
		text, err := root.ReadFile(name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err // a NUL is in no source file
		}
		out.Files++
		out.Findings = append(out.Findings, searchFile(filepath.ToSlash(name), string(text))...)
		return nil
	})
}

func searchFile(name, text string) []Finding {
	var found []Finding
	line := 0
	for s := range strings.Lines(text) {
		line++
		for _, k := range kinds {
			m := k.re.FindStringSubmatch(s)
			if m == nil || k.guess && entropy(m[1]) < minEntropy {
				continue
			}
			severity := "error"
			if k.guess {
				severity = "warning"
			}
			found = append(found, Finding{Severity: severity, File: name, Line: line, Message: k.name + ": " + mask(m[1])})
			break // one finding a line is enough to look at it
		}
	}
	return found
}

// mask shows enough of a secret to find it again.
func mask(secret string) string { return secret[:4] + strings.Repeat("*", 8) }

// entropy is Shannon's, in bits per character.
func entropy(s string) float64 {
	var count [256]float64
	for i := range len(s) {
		count[s[i]]++
	}
	bits := 0.0
	for _, n := range count {
		if n > 0 {
			p := n / float64(len(s))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

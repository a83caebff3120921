package diagnose

import (
	"regexp"
	"strings"
	"sync"
)

// secretShapes are keys that name their issuer.
var secretShapes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:sk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{30,}|[rs]k_live_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{36}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})|-----BEGIN [A-Z ]*PRIVATE KEY-----[^"'` + "`" + `]*`)
})

// Redact blanks out what looks like a secret; the number of characters stays, so that columns do.
func Redact(s string) string {
	if !mayHide(s) {
		return s
	}
	return secretShapes().ReplaceAllStringFunc(s, func(m string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' || r == '\r' {
				return r
			}
			return '*'
		}, m)
	})
}

// mayHide is a quick look for the beginnings of secrets.
func mayHide(s string) bool {
	for _, start := range []string{"sk-", "gh", "glpat-", "AKIA", "ASIA", "xox", "AIza", "hf_", "gsk_", "k_live_", "npm_", "eyJ", "-----BEGIN"} {
		if strings.Contains(s, start) {
			return true
		}
	}
	return false
}

// secrets looks for keys in literals.
func (p *page) secrets() {
	if !mayHide(p.src) {
		return
	}
	for _, t := range p.toks {
		if t.kind == text && !p.full && secretShapes().MatchString(t.raw) {
			p.report("secret", t.start, risky(t.replace(`""`)))
		}
	}
}

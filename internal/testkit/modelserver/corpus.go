package modelserver

import _ "embed"

// corpus is the text the model learns from when Options hand in none: prose about reviewing software,
// one document a paragraph.
//
//go:embed corpus.txt
var corpus string

package modelserver

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unknown is the id of a token outside the vocabulary: a character the training text and ASCII do not have.
const Unknown = -1

// Token is a piece of text as the model sees it. The texts of a tokenisation, joined, are the text.
type Token struct {
	ID   int // index into the vocabulary, or Unknown
	Text string
}

// endID is the token that ends a document. It has no text.
const endID = 0

// vocabulary is the closed set of tokens: the end of a document, every printable ASCII character, and every word and
// punctuation mark of the training text, each also with the blank in front of it where the text has one.
type vocabulary struct {
	texts []string
	ids   map[string]int
}

func newVocabulary() *vocabulary {
	v := &vocabulary{ids: map[string]int{}}
	v.add("")
	v.add("\n")
	v.add("\t")
	for c := rune(' '); c <= '~'; c++ {
		v.add(string(c))
	}
	return v
}

func (v *vocabulary) add(text string) int {
	if id, ok := v.ids[text]; ok {
		return id
	}
	v.ids[text] = len(v.texts)
	v.texts = append(v.texts, text)
	return len(v.texts) - 1
}

// tokenize splits text into tokens of the vocabulary; a word that is not in it falls into its longest known pieces.
func (v *vocabulary) tokenize(text string) []Token {
	var out []Token
	for len(text) > 0 {
		n := wordLen(text)
		out = v.pieces(out, text[:n])
		text = text[n:]
	}
	return out
}

func (v *vocabulary) pieces(out []Token, word string) []Token {
	for len(word) > 0 {
		n, id := v.longest(word)
		out = append(out, Token{id, word[:n]})
		word = word[n:]
	}
	return out
}

// longest finds the longest token that word starts with: its length in bytes and its id.
func (v *vocabulary) longest(word string) (int, int) {
	for n := len(word); n > 0; n-- {
		if id, ok := v.ids[word[:n]]; ok {
			return n, id
		}
	}
	_, n := utf8.DecodeRuneInString(word)
	return n, Unknown
}

// wordLen is the length in bytes of the word that text starts with: letters and digits, or one mark, either with one
// blank in front.
func wordLen(text string) int {
	start := 0
	if text[0] == ' ' {
		start = 1
	}
	n := start
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if !isWord(r) && !(n > start && r == '\'' && letterFollows(text[n+size:])) {
			break
		}
		n += size
	}
	if n > start || n == len(text) {
		return n
	}
	r, size := utf8.DecodeRuneInString(text[start:])
	if unicode.IsSpace(r) {
		return max(start, size) // a blank before white space stands alone
	}
	return start + size
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func letterFollows(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.IsLetter(r)
}

// stem is what a token shares with the same word elsewhere: no blank, lower case.
func stem(text string) string { return strings.ToLower(strings.TrimSpace(text)) }

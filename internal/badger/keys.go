package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Keys are a letter, the run and more, apart by a zero byte, which none of them holds.
const (
	recordKey  = 'r' // run -> record as JSON
	factKey    = 'f' // run, time of the database -> batch of facts
	blobKey    = 'b' // run, digest -> nothing: the run needs the blob
	holderKey  = 'h' // run -> holder as JSON
	messageKey = 'm' // run, seq -> message as JSON
	tokenKey   = 't' // run, token of a message -> its seq
	countKey   = 'c' // run -> number of the last message
	removedKey = 'x' // run -> who imports it, or nothing: its keys are to be deleted
	answerKey  = 'a' // key of an answer in hexadecimal -> the answer
	usedKey    = 'u' // key of an answer -> when it was last used, about
	droppedKey = 'd' // digest -> when the removed run ended that needed it, or nothing
	baseLetter = 'n' // what is added to the time of the database
)

func keyOf(kind byte, run string) []byte {
	k := make([]byte, 0, len(run)+64)
	return append(append(k, kind, 0), run...)
}

// under is the prefix of a run's keys of one kind.
func under(kind byte, run string) []byte { return append(keyOf(kind, run), 0) }

func keyOfSeq(kind byte, run string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(under(kind, run), seq)
}

// runOf reads the run from a key.
func runOf(key []byte) string {
	run, _, _ := strings.Cut(string(key[2:]), "\x00")
	return run
}

// rootOf is the run that nobody's child is: child runs are called parent/address.
func rootOf(run string) string {
	root, _, _ := strings.Cut(run, "/")
	return root
}

// maxID keeps keys far below what Badger takes.
const maxID = 4 << 10

func validID(run string) error {
	if run == "" || len(run) > maxID || strings.ContainsFunc(run, func(r rune) bool { return r < ' ' }) || run[0] == '/' {
		return errors.New("a run needs an id of printable letters that does not begin with a slash")
	}
	return nil
}

// CheckID says why a text cannot be the name of a run that people begin or bring along. Any such name may be printed as it is, and be a word
// on a command line.
func CheckID(id string) error {
	if len(id) > maxName || id == "" || !alnum(id[0]) || strings.ContainsFunc(id, func(r rune) bool { return !named(r) }) {
		return fmt.Errorf("%q cannot be the name of a run, which is up to %d letters, digits, '.', '_' and '-', a letter or digit first", shortened(id), maxName)
	}
	return nil
}

const maxName = 64

// checkTree is CheckID of a run or child run: a child's name goes on with its address.
func checkTree(id string) error {
	root, child, ok := strings.Cut(id, "/")
	if err := CheckID(root); err != nil {
		return err
	}
	if len(id) > maxID || ok && !address(child) {
		return fmt.Errorf("%q cannot be the name of a child run, which is that of its parent, a slash and an address", shortened(id))
	}
	return nil
}

// address says whether a text is words apart by slashes, as the addresses of child runs are.
func address(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || !alnum(part[0]) || strings.ContainsFunc(part, func(r rune) bool { return !named(r) }) {
			return false
		}
	}
	return true
}

func named(r rune) bool { return r < 0x80 && (alnum(byte(r)) || strings.ContainsRune("._-", r)) }

func alnum(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// shortened is the beginning of a name that is too long to be shown.
func shortened(id string) string {
	if len(id) > 2*maxName {
		return id[:2*maxName] + "..."
	}
	return id
}

package badger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
)

const walHeader = 20 // bytes: the id of a key, which is zero, and what would be needed with it

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// logged is an entry of a log: a pair, or the end of a transaction.
type logged struct {
	pair
	end  bool
	next int // offset of what comes behind
}

// readLog reads a log of Badger's and hands over what was committed. A transaction that is not whole at the end was never acknowledged, unless
// something whole stands behind it: then the log is damaged.
func readLog(name string, want func(pair), damaged func(what string)) {
	text, err := os.ReadFile(name)
	if err != nil {
		damaged(err.Error())
		return
	}
	if len(text) < walHeader || binary.BigEndian.Uint64(text) != 0 {
		damaged("its beginning cannot be read")
		if len(text) < walHeader {
			return
		}
	}
	var open []pair
	hurt := false
	whole := walHeader
	for at := walHeader; at < len(text); {
		e, err := readEntry(text, at)
		if err != nil {
			next := resume(text, at)
			if next < 0 {
				break
			}
			damaged(fmt.Sprintf("%d bytes at %d: %v", next-at, at, err))
			at, hurt = next, true
			continue
		}
		at = e.next
		if !e.end {
			open = append(open, e.pair)
			continue
		}
		for _, p := range open {
			if hurt || p.version == e.version {
				want(p)
			}
		}
		open, hurt, whole = nil, false, at
	}
	if len(text)%(1<<20) != 0 && len(text) != whole { // it is made long, and cut when it is read again
		damaged("it is cut off")
	}
}

// readEntry reads meta, user meta, the lengths of key and value, a time, key, value and the checksum of it all.
func readEntry(text []byte, at int) (logged, error) {
	errBad := errors.New("no entry")
	var e logged
	if at+2 > len(text) {
		return e, errShort
	}
	if text[at]&(bitTxn|bitFinTxn) == 0 || text[at]&^(bitDelete|bitTxn|bitFinTxn) != 0 || text[at+1] != 0 {
		return e, errBad
	}
	meta, i := text[at], at+2
	var n [3]uint64
	for k := range n {
		v, size := binary.Uvarint(text[i:])
		if size <= 0 {
			return e, errBad
		}
		n[k] = v
		i += size
	}
	if n[0] < 8 || n[0] > maxID*4 || n[1] > uint64(len(text)) || uint64(i)+n[0]+n[1]+4 > uint64(len(text)) {
		return e, errBad
	}
	valueAt := i + int(n[0])
	end := valueAt + int(n[1])
	if crc32.Checksum(text[at:end], castagnoli) != binary.BigEndian.Uint32(text[end:]) {
		return logged{next: end + 4}, errors.New("the checksum is not right")
	}
	p, err := splitKey(text[i:valueAt])
	if err != nil {
		return e, err
	}
	p.value, p.deleted = text[valueAt:end], meta&bitDelete != 0
	e = logged{pair: p, next: end + 4}
	if meta&bitFinTxn != 0 {
		e.end = true
		e.version, err = strconv.ParseUint(string(p.value), 10, 64)
	}
	return e, err
}

// resume finds where a log can be read again behind a place where it cannot, -1 when that is nowhere, or when what is there can have been left
// by a machine that stopped while one transaction was written: parts of it in any order, the missing ones zero.
func resume(text []byte, bad int) int {
	if e, _ := readEntry(text, bad); e.next > 0 && !bytes.Contains(text[bad:e.next], make([]byte, 512)) {
		if _, err := readEntry(text, e.next); err == nil {
			return e.next
		}
	}
	last := len(bytes.TrimRight(text, "\x00"))
	first := -1
	ends := 0
	for at := bad + 1; at < last; {
		e, err := readEntry(text, at)
		if err != nil {
			at++
			continue
		}
		if first < 0 {
			first = at
		}
		if e.end {
			ends++
		}
		if ends > 1 {
			return first
		}
		at = e.next
	}
	return -1
}

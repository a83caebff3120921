package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/y"
)

// Badger ends the process when a table is damaged in the wrong place, and drops what comes behind a damaged place in its log without a word.
// So its files are looked at before it sees them. What follows reads them as Badger v4 writes them, without compression and encryption.

// pair is an entry of the database, at one version of its key.
type pair struct {
	key     []byte
	version uint64
	value   []byte
	deleted bool
}

// splitKey takes the version off a key.
func splitKey(k []byte) (pair, error) {
	if len(k) < 8 {
		return pair{}, errors.New("a key is too short")
	}
	return pair{key: k[:len(k)-8], version: math.MaxUint64 - binary.BigEndian.Uint64(k[len(k)-8:])}, nil
}

// readTable checks a table, hands over its entries if they are wanted, and tells of each damage. Blocks are checked one by one.
func readTable(name string, want func(pair), damaged func(what string)) {
	text, err := os.ReadFile(name)
	if err != nil {
		damaged(err.Error())
		return
	}
	offsets, err := tableIndex(text)
	if err != nil {
		damaged(fmt.Sprintf("the index cannot be read, nor can anything in it: %v", err))
		return
	}
	for i, at := range offsets {
		if at[0]+at[1] > len(text) {
			damaged("a block is beyond the end")
			continue
		}
		if err := readBlock(text[at[0]:at[0]+at[1]], want); err != nil {
			damaged(fmt.Sprintf("part %d of %d: %v", i+1, len(offsets), err))
		}
	}
}

var errShort = errors.New("it is cut off")

// tail takes a number of four bytes, and so many bytes before it, off the end.
func tail(text []byte) (rest, part []byte, err error) {
	if len(text) < 4 {
		return nil, nil, errShort
	}
	end := len(text) - 4
	n := uint64(binary.BigEndian.Uint32(text[end:]))
	if n > uint64(end) {
		return nil, nil, errShort
	}
	return text[:end-int(n)], text[end-int(n) : end], nil
}

// tableIndex gives offset and length of each block.
func tableIndex(text []byte) (offsets [][2]int, err error) {
	defer nonsense(&err)
	rest, sum, err := tail(text)
	if err != nil {
		return nil, err
	}
	_, index, err := tail(rest)
	if err == nil && len(index) == 0 {
		err = errShort // a table that was being written is all zeros at its end, and zero is the sum of nothing
	}
	if err == nil {
		err = verify(index, sum)
	}
	if err != nil {
		return nil, err
	}
	table := fb.GetRootAsTableIndex(index, 0)
	for i := range table.OffsetsLength() {
		var o fb.BlockOffset
		if table.Offsets(&o, i) {
			offsets = append(offsets, [2]int{int(o.Offset()), int(o.Len())})
		}
	}
	return offsets, nil
}

// nonsense makes an error of a panic: what a checksum vouches for need not make sense.
func nonsense(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("it cannot be read: %v", r)
	}
}

// verify checks a sum, which is a message of two numbers: the algorithm and the sum.
func verify(text, sum []byte) error {
	var c pb.Checksum
	for len(sum) > 0 {
		tag := sum[0]
		n, size := binary.Uvarint(sum[1:])
		if size <= 0 {
			return errors.New("the checksum cannot be read")
		}
		switch tag {
		case 1 << 3:
			c.Algo = pb.Checksum_Algorithm(n)
		case 2 << 3:
			c.Sum = n
		}
		sum = sum[1+size:]
	}
	if a := c.GetAlgo(); a != pb.Checksum_CRC32C && a != pb.Checksum_XXHash64 {
		return errors.New("the checksum cannot be read")
	}
	return y.VerifyChecksum(text, &c)
}

// readBlock reads the entries of a block: each has the length of what it shares with the first key and of what it has of its own, that, and
// its value. Behind them are their offsets, and how many they are.
func readBlock(block []byte, want func(pair)) (err error) {
	text, sum, err := tail(block)
	if err != nil {
		return err
	}
	if err := verify(text, sum); err != nil || want == nil {
		return err
	}
	defer nonsense(&err)
	n := int(binary.BigEndian.Uint32(text[len(text)-4:]))
	end := len(text) - 4 - 4*n
	var base []byte
	for i := range n {
		at := int(binary.NativeEndian.Uint32(text[end+4*i:]))
		stop := end
		if i+1 < n {
			stop = int(binary.NativeEndian.Uint32(text[end+4*(i+1):]))
		}
		e := text[at:stop]
		overlap, diff := int(binary.NativeEndian.Uint16(e)), int(binary.NativeEndian.Uint16(e[2:]))
		key := append(append([]byte{}, base[:overlap]...), e[4:4+diff]...)
		if i == 0 {
			base = key
		}
		p, err := splitKey(key)
		if err != nil {
			return err
		}
		var v y.ValueStruct
		v.Decode(e[4+diff:])
		p.value, p.deleted = v.Value, v.Meta&bitDelete != 0
		want(p)
	}
	return nil
}

// Bits of an entry's meta byte.
const (
	bitDelete = 1 << 0
	bitTxn    = 1 << 6
	bitFinTxn = 1 << 7
)

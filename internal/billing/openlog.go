package billing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// openLogNames are the two files of the open log.
var openLogNames = [2]string{"opens-0.log", "opens-1.log"}

// turnAt is how large a file of the open log grows before the other one takes over, about a thousand records, and
// mapSize how much of it is written through memory. It is more than that only while SQLite is behind.
const (
	turnAt  = 256 << 10
	mapSize = 2 * turnAt
)

// logFile is what the open log needs of a file.
type logFile interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

// openLog makes admitted requests durable against the end of the process before SQLite has them: a record is copied
// into the kernel's pages of a file, which outlive it. Two files are used in turn. When the one that is written has
// grown, the other, which is empty, takes over; once everything in the first is committed in SQLite, it is emptied. So
// records are only ever removed by emptying a whole file, and a crash at any point leaves too many of them, never too
// few: those that SQLite has already are recognised by their key.
//
// Whoever calls append, probe or turn holds the writer's lock for opening. Its other methods belong to the writer.
type openLog struct {
	files   [2]logFile
	current int
	size    int64 // of the current file: where the next record goes
	buf     []byte
	failed  bool // the last append did not succeed
	waiting bool // the other file may have records that are not committed
}

// openOpenLog opens the log in a directory, and reads what an earlier process left in it. Records that can't be read
// are counted in lost bytes: the last one of a killed process may be torn, and then its request was never sent.
func openOpenLog(dir string) (l *openLog, left []*request, lost int, err error) {
	l = new(openLog)
	for i, name := range openLogNames {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own data directory
		if err != nil {
			return nil, nil, 0, errors.Join(fmt.Errorf("open the log of open requests: %w", err), l.close())
		}
		l.files[i] = f
		data, err := io.ReadAll(f)
		if err != nil {
			return nil, nil, 0, errors.Join(fmt.Errorf("read %s: %w", name, err), l.close())
		}
		records, rest, err := readRecords(data)
		if err != nil {
			return nil, nil, 0, errors.Join(fmt.Errorf("read %s: %w", name, err), l.close())
		}
		m, err := mapFile(f, mapSize)
		if err != nil {
			return nil, nil, 0, errors.Join(err, l.close())
		}
		l.files[i] = m
		left, lost = append(left, records...), lost+rest
	}
	return l, left, lost, nil
}

// append writes one record. Where it fails the request must not be sent.
func (l *openLog) append(r *request) error {
	l.buf = r.appendRecord(l.buf[:0])
	if _, err := l.files[l.current].WriteAt(l.buf, l.size); err != nil {
		l.failed = true
		// The next record goes to the same place. What was written of this one is removed, so that its end is never read.
		return errors.Join(fmt.Errorf("record an open request: %w", err), l.files[l.current].Truncate(l.size))
	}
	l.failed = false
	l.size += int64(len(l.buf))
	return nil
}

// probe tells whether there is room again after an append that failed.
func (l *openLog) probe() error {
	if !l.failed {
		return nil
	}
	f := l.files[l.current]
	_, err := f.WriteAt(make([]byte, 4096), l.size) // zeros are no record
	if err = errors.Join(err, f.Truncate(l.size)); err != nil {
		return fmt.Errorf("record an open request: %w", err)
	}
	l.failed = false
	return nil
}

// turn lets the other file take over if it is time and that file is empty. Whatever is in the file left behind is
// queued by then: when all that is queued is committed, committed has to be called.
func (l *openLog) turn() {
	if l.size < turnAt || l.waiting {
		return
	}
	l.current, l.size, l.waiting = 1-l.current, 0, true
}

// committed empties the file left behind. Where that fails it is tried again after the next commit, and the log does
// not turn until then.
func (l *openLog) committed() error {
	if !l.waiting {
		return nil
	}
	if err := l.files[1-l.current].Truncate(0); err != nil {
		return fmt.Errorf("empty the log of open requests: %w", err)
	}
	l.waiting = false
	return nil
}

// clear empties both files: everything in them is committed.
func (l *openLog) clear() error {
	err := errors.Join(l.files[0].Truncate(0), l.files[1].Truncate(0))
	if err != nil {
		return fmt.Errorf("empty the log of open requests: %w", err)
	}
	l.size, l.waiting = 0, false
	return nil
}

func (l *openLog) close() error {
	var errs []error
	for _, f := range l.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// A record is the length of what follows the checksum (4 bytes), the checksum (CRC-32C, 4 bytes), recordVersion, and
// the fields of the open row. Numbers are little-endian or varints, texts have their length before them.
const (
	recordHead    = 8
	recordVersion = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *request) appendRecord(b []byte) []byte {
	o, start := &r.order, len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, recordVersion, byte(flag(o.Stream)))
	b = append(b, o.Provider[:]...)
	b = binary.AppendVarint(b, r.opened)
	b = binary.AppendVarint(b, o.RequestBytes)
	for _, s := range [...]string{o.ID, o.Key, o.Route, string(o.Type), o.Model, r.bound, r.priceIn, r.priceOut} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	head, body := b[start:start+recordHead], b[start+recordHead:]
	binary.LittleEndian.PutUint32(head, uint32(len(body)))
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(body, castagnoli))
	return b
}

// errNewerRecord means that a later zgproxy has left records that this one can't read.
var errNewerRecord = errors.New("it was written by a newer zgproxy")

// readRecords reads records up to the end or the first that is not whole, and says how many bytes were left before the
// zeros at the end. Nothing that was written after a broken record counts: each record takes the place of the one that
// failed before it.
func readRecords(data []byte) (out []*request, rest int, err error) {
	for len(data) >= recordHead {
		n, sum := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
		if n == 0 || uint64(n) > uint64(len(data)-recordHead) {
			break
		}
		body := data[recordHead : recordHead+int(n)]
		if crc32.Checksum(body, castagnoli) != sum {
			break
		}
		if body[0] != recordVersion {
			return nil, 0, errNewerRecord
		}
		r, ok := parseRecord(body[1:])
		if !ok {
			break
		}
		out, data = append(out, r), data[recordHead+int(n):]
	}
	return out, len(bytes.TrimRight(data, "\x00")), nil
}

func parseRecord(b []byte) (*request, bool) {
	r := new(request)
	o := &r.order
	if len(b) < 1+common.AddressLength {
		return nil, false
	}
	o.Stream, o.Provider = b[0] != 0, common.BytesToAddress(b[1:1+common.AddressLength])
	b = b[1+common.AddressLength:]
	for _, into := range []*int64{&r.opened, &o.RequestBytes} {
		v, n := binary.Varint(b)
		if n <= 0 {
			return nil, false
		}
		*into, b = v, b[n:]
	}
	var kind string
	for _, into := range []*string{&o.ID, &o.Key, &o.Route, &kind, &o.Model, &r.bound, &r.priceIn, &r.priceOut} {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, false
		}
		*into, b = string(b[n:n+int(size)]), b[n+int(size):]
	}
	o.Type, r.providerText = zg.ServiceType(kind), o.Provider.Hex()
	_, err := zg.ParseNeuron(r.bound) // the book is built from it
	return r, err == nil && len(b) == 0
}

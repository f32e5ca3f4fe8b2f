package billing

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
)

// mapped is a file whose beginning is written through memory: what is stored there belongs to the kernel as much as
// what a write has handed over, at a tenth of its cost. Its bytes are zeros where nothing was written. Beyond the
// beginning it is an ordinary file.
type mapped struct {
	*os.File
	room []byte // the beginning
	used int64  // no byte behind it is other than zero
}

// mapFile maps the first size bytes of a file. They are written before, so that the disk has room for them.
func mapFile(f *os.File, size int64) (*mapped, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("map a file: %w", err)
	}
	if missing := size - info.Size(); missing > 0 {
		if _, err := f.WriteAt(make([]byte, missing), info.Size()); err != nil {
			return nil, fmt.Errorf("make room in a file: %w", err)
		}
	}
	room, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map a file: %w", err)
	}
	return &mapped{File: f, room: room, used: max(size, info.Size())}, nil
}

func (m *mapped) WriteAt(b []byte, at int64) (int, error) {
	end := at + int64(len(b))
	m.used = max(m.used, end)
	if end > int64(len(m.room)) {
		return m.File.WriteAt(b, at) //nolint:wrapcheck // as the file itself
	}
	return len(b), m.touch(func() { copy(m.room[at:], b) })
}

// Truncate makes everything from there on zeros.
func (m *mapped) Truncate(size int64) error {
	if m.used > int64(len(m.room)) {
		if err := m.File.Truncate(max(size, int64(len(m.room)))); err != nil {
			return err //nolint:wrapcheck // as the file itself
		}
	}
	if size < int64(len(m.room)) {
		if err := m.touch(func() { clear(m.room[size:min(m.used, int64(len(m.room)))]) }); err != nil {
			return err
		}
	}
	m.used = size
	return nil
}

func (m *mapped) Close() error {
	return errors.Join(syscall.Munmap(m.room), m.File.Close())
}

// touch runs what reads or writes the room. A page that the disk cannot give, or cannot take after all, is an error,
// not the end of the process.
func (m *mapped) touch(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // runtime.Error of a memory fault
			err = fmt.Errorf("write %s: %v", m.Name(), fault)
		default:
			panic(fault)
		}
	}()
	f()
	return nil
}

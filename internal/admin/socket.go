package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	socketName = "operator.sock"
	// longestSocket is the longest path that every system lets a socket have, with room for the name it has while it is
	// made.
	longestSocket = 96
)

// SocketPath is where the daemon that uses a data directory listens for its operator's commands: inside the directory,
// or where that path is too long for a socket, in a private directory among the temporary ones, under a name that
// follows from the data directory's.
func SocketPath(dataDir string) (string, error) {
	dir, err := filepath.Abs(dataDir)
	if err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	if path := filepath.Join(dir, socketName); len(path) <= longestSocket {
		return path, nil
	}
	sum := sha256.Sum256([]byte(dir))
	path := filepath.Join(os.TempDir(), "zgproxy-"+strconv.Itoa(os.Getuid()), hex.EncodeToString(sum[:8])+".sock")
	if len(path) > longestSocket {
		return "", fmt.Errorf("neither %s nor %s is short enough for a socket; use a shorter ZGPROXY_DATA_DIR or TMPDIR", dir, filepath.Dir(path))
	}
	return path, nil
}

// ListenSocket listens at SocketPath, for this user only. The caller holds the lock of the data directory, so whatever
// is there already was left behind by a process that is gone.
func ListenSocket(dataDir string) (net.Listener, error) {
	path, err := SocketPath(dataDir)
	if err != nil {
		return nil, err
	}
	l, err := listenAt(path)
	if err != nil {
		return nil, fmt.Errorf("listen for commands at %s: %w", path, err)
	}
	return l, nil
}

// listenAt makes the socket in a directory that nobody else can enter and moves it to its place once its mode is right,
// so that there is no moment at which others could connect, whatever the umask is.
func listenAt(path string) (_ net.Listener, err error) {
	dir := filepath.Dir(path)
	if err := privateDir(dir, filepath.Base(path) == socketName); err != nil {
		return nil, err
	}
	making, err := os.MkdirTemp(dir, ".s")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(making)) }()
	made := filepath.Join(making, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: made})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would look for the name it was made under
	if err := os.Chmod(made, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := os.Rename(made, path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &socket{UnixListener: l, path: path}, nil
}

// privateDir makes sure of the directory for the socket. The data directory is the operator's own business; one among
// the temporary files has to be ours alone, or somebody else could have put it there.
func privateDir(dir string, dataDir bool) error {
	if dataDir {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return ours(dir)
}

// ours fails where a directory is not one that this user alone can use.
func ours(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a directory of this user's alone; remove it, or use a shorter ZGPROXY_DATA_DIR", dir)
	}
	return nil
}

// socket removes its name when it is closed.
type socket struct {
	*net.UnixListener
	path string
}

func (s *socket) Close() error {
	err := s.UnixListener.Close()
	if rm := os.Remove(s.path); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

// Addr is where the socket is found.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: s.path} }

// DialSocket connects to the daemon that uses a data directory.
func DialSocket(dataDir string) (net.Conn, error) {
	path, err := SocketPath(dataDir)
	if err != nil {
		return nil, err
	}
	if filepath.Base(path) != socketName {
		if err := ours(filepath.Dir(path)); err != nil {
			return nil, err
		}
	}
	return net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: path})
}

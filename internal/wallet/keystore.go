package wallet

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/private"
)

// maxKeystore bounds a keystore file, which has about 500 bytes.
const maxKeystore = 64 << 10

// errKeystore is what a file is that has no encrypted key in it. Decoders repeat pieces of what they cannot read, and a
// file given by mistake may hold a bare key, so their words stay here.
var errKeystore = errors.New("the keystore file is not an encrypted key in JSON of version 3")

// ErrPassword means that the password of a keystore is another one. An ErrKey wraps it.
var ErrPassword = errors.New("the password does not open the keystore")

func fromKeystore(path, password string) (*Wallet, error) {
	text, err := readKeystore(path)
	if err != nil {
		return nil, err
	}
	var head struct {
		Version json.Number `json:"version"`
		Address string      `json:"address"`
	}
	if json.Unmarshal(text, &head) != nil || head.Version.String() != "3" {
		return nil, fmt.Errorf("%w: %w", ErrKey, errKeystore)
	}
	secret, err := decrypt(text, password)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	w, err := fromBytes(secret)
	if err != nil {
		return nil, err
	}
	if head.Address != "" && (!common.IsHexAddress(head.Address) || common.HexToAddress(head.Address) != w.address) {
		return nil, fmt.Errorf("%w: the keystore file names another address than that of its key, %s", ErrKey, w.address)
	}
	return w, nil
}

// readKeystore reads the file. Its path is not repeated in errors: a key configured in place of the path would show.
func readKeystore(path string) (_ []byte, err error) {
	reason := func(err error) error {
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("%w: read the keystore file: %w", ErrKey, err)
	}
	f, err := os.Open(path) //nolint:gosec // the owner's own configuration names it
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, maxKeystore+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(text) > maxKeystore {
		return nil, fmt.Errorf("%w: %w", ErrKey, errKeystore)
	}
	return text, nil
}

// decrypt returns the secret in a keystore file. The library panics on some files that are not what they claim to be.
func decrypt(text []byte, password string) (secret []byte, err error) {
	defer func() {
		if recover() != nil {
			secret, err = nil, errKeystore
		}
	}()
	key, err := keystore.DecryptKey(text, password)
	switch {
	case errors.Is(err, keystore.ErrDecrypt):
		return nil, ErrPassword
	case err != nil:
		return nil, errKeystore
	}
	return crypto.FromECDSA(key.PrivateKey), nil
}

// Effort is how much work it takes to try a password for a keystore file.
type Effort struct{ n, p int }

// The efforts of go-ethereum: a second and 256 MiB, or a tenth of that for small machines.
var (
	Standard = Effort{keystore.StandardScryptN, keystore.StandardScryptP}
	Light    = Effort{keystore.LightScryptN, keystore.LightScryptP}
)

// New makes a key and writes it to a keystore file, where there is none yet. When it returns, the file is on disk.
func New(path, password string, effort Effort) (common.Address, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return common.Address{}, fmt.Errorf("make a key: %w", err)
	}
	return save(path, password, effort, crypto.FromECDSA(key))
}

// Import writes a key, given as in Config, to a keystore file, where there is none yet. When it returns, the file is on
// disk.
func Import(path, password string, effort Effort, cfg Config) (common.Address, error) {
	secret, err := secretIn(cfg)
	if err != nil {
		return common.Address{}, err
	}
	return save(path, password, effort, secret)
}

// Export writes the key, given as in Config, as 64 hexadecimal digits and a line end.
func Export(cfg Config, to io.Writer) error {
	secret, err := secretIn(cfg)
	if err != nil {
		return err
	}
	defer clear(secret)
	text := append(hex.AppendEncode(nil, secret), '\n')
	defer clear(text)
	if _, err := to.Write(text); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return nil
}

// secretIn opens a key and returns its 32 bytes. A signer gives none out.
func secretIn(cfg Config) ([]byte, error) {
	switch {
	case cfg.sources() != 1:
		return nil, fmt.Errorf("%w: there has to be one key", ErrKey)
	case cfg.PrivateKey != "":
		secret, err := secretOf(cfg.PrivateKey)
		if err != nil {
			return nil, err
		}
		if _, err := fromBytes(bytes.Clone(secret)); err != nil {
			return nil, err
		}
		return secret, nil
	case cfg.Keystore != "":
		if _, err := fromKeystore(cfg.Keystore, cfg.KeystorePassword); err != nil {
			return nil, err
		}
		text, err := readKeystore(cfg.Keystore)
		if err != nil {
			return nil, err
		}
		return decrypt(text, cfg.KeystorePassword)
	}
	return nil, fmt.Errorf("%w: a signer keeps its key to itself", ErrKey)
}

// Address is the one that a keystore file names, without opening it. It is as true as the file.
func Address(path string) (common.Address, error) {
	text, err := readKeystore(path)
	if err != nil {
		return common.Address{}, err
	}
	var head struct {
		Address string `json:"address"`
	}
	if json.Unmarshal(text, &head) != nil || !common.IsHexAddress(head.Address) {
		return common.Address{}, fmt.Errorf("%w: the keystore file names no address", ErrKey)
	}
	return common.HexToAddress(head.Address), nil
}

// save encrypts a secret, wipes it, and writes it so that there is either the whole file or none.
func save(path, password string, effort Effort, secret []byte) (common.Address, error) {
	defer clear(secret)
	if password == "" {
		return common.Address{}, fmt.Errorf("%w: a keystore without a password protects nothing", ErrKey)
	}
	if _, err := os.Lstat(path); err == nil { // before a second of work
		return common.Address{}, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	key, err := crypto.ToECDSA(secret)
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: the private key is not in the range of secp256k1", ErrKey)
	}
	var id [16]byte // a random UUID, which the format wants
	if _, err := rand.Read(id[:]); err != nil {
		return common.Address{}, fmt.Errorf("make an id: %w", err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	address := crypto.PubkeyToAddress(key.PublicKey)
	text, err := keystore.EncryptKey(&keystore.Key{Id: id, Address: address, PrivateKey: key}, password, effort.n, effort.p)
	if err != nil {
		return common.Address{}, fmt.Errorf("encrypt the key: %w", err)
	}
	if err := private.Write(path, append(text, '\n'), false); err != nil {
		return common.Address{}, err
	}
	return address, nil
}

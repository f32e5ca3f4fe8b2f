package wallet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// maxKeystore bounds a keystore file, which has about 500 bytes.
const maxKeystore = 64 << 10

// errKeystore is what a file is that has no encrypted key in it. Decoders repeat pieces of what they cannot read, and a
// file given by mistake may hold a bare key, so their words stay here.
var errKeystore = errors.New("the keystore file is not an encrypted key in JSON of version 3")

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
		return nil, errors.New("the password does not open the keystore")
	case err != nil:
		return nil, errKeystore
	}
	return crypto.FromECDSA(key.PrivateKey), nil
}

package zg

import (
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// What is wrong with an address.
var (
	ErrNoAddress   = errors.New("not an address (0x and 40 hex digits)")
	ErrMistyped    = errors.New("the checksum (upper and lower case) is wrong: mistyped, or copied from a page that changed the case")
	ErrZeroAddress = errors.New("the zero address belongs to no one")
)

// ParseAddress reads an address that a person wrote, with 0x in front. All lower or all upper case is accepted as it
// is; in mixed case the EIP-55 checksum has to be right, because it is there to guard against typing errors. The zero
// address is refused: what is sent to it is lost.
func ParseAddress(s string) (common.Address, error) {
	t := strings.TrimSpace(s)
	if !common.IsHexAddress(t) || !strings.HasPrefix(strings.ToLower(t), "0x") {
		return common.Address{}, ErrNoAddress
	}
	a, digits := common.HexToAddress(t), t[2:]
	mixed := digits != strings.ToLower(digits) && digits != strings.ToUpper(digits)
	switch {
	case mixed && a.Hex()[2:] != digits:
		return common.Address{}, ErrMistyped
	case a == (common.Address{}):
		return common.Address{}, ErrZeroAddress
	}
	return a, nil
}

package zg

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// LastTokenID is the highest id of a persistent session token. Tokens with the id after it end within a day and are not
// revoked one by one.
const LastTokenID = 254

// Token is what is known of a persistent session token: whoever has it may use the sub-account until it expires or is
// revoked. The token itself is known to whoever asked for it only.
type Token struct {
	Provider   common.Address
	ID         int    // 0 to LastTokenID; negative where it is to be chosen
	Generation uint64 // of the sub-account when it was made; a provider refuses any other
	Label      string // the owner's own words
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
}

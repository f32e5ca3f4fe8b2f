package wallet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	signerHello   = 5 * time.Second
	signerPatient = 2 * time.Minute // a person may have to approve
)

// ErrSigner means that what a signer gave back is not what it was asked for. Nothing is done with it.
var ErrSigner = errors.New("the signer signed something else than it was asked to")

// fromSigner makes the wallet of somebody else's key. Which of the two dialects the signer speaks is found out by a
// question that shows nothing and needs no approval.
func fromSigner(endpoint string, address common.Address) (*Wallet, error) {
	if address == (common.Address{}) {
		return nil, fmt.Errorf("%w: a signer needs the address that it signs for", ErrKey)
	}
	ctx, cancel := context.WithTimeout(context.Background(), signerHello)
	defer cancel()
	c, err := rpc.DialContext(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: the signer cannot be reached: %w", ErrKey, bare(err, endpoint))
	}
	s := &signer{client: c, endpoint: endpoint, address: address}
	var version string
	err = c.CallContext(ctx, &version, "account_version")
	var said rpc.Error
	switch {
	case err == nil:
		s.clef = true
	case !errors.As(err, &said): // it does not speak JSON-RPC at all
		c.Close()
		return nil, fmt.Errorf("%w: the signer does not answer: %w", ErrKey, bare(err, endpoint))
	}
	return &Wallet{address: address, message: s.message, transaction: s.transaction}, nil
}

// longestWords is how much of what a signer says is told, in characters.
const longestWords = 300

// bare is an error without the endpoint, which may hold a secret, and with nothing in it that a terminal would obey.
func bare(err error, endpoint string) error {
	return errors.New(zg.OneLine(strings.ReplaceAll(err.Error(), endpoint, "(its address)"), longestWords))
}

// signer asks somebody else to sign.
type signer struct {
	client   *rpc.Client
	endpoint string
	address  common.Address
	clef     bool
}

func (s *signer) call(into any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), signerPatient)
	defer cancel()
	if err := s.client.CallContext(ctx, into, method, args...); err != nil {
		return fmt.Errorf("the signer refuses or fails: %w", bare(err, s.endpoint))
	}
	return nil
}

// message has 32 bytes signed as an Ethereum personal message.
func (s *signer) message(hash []byte) ([]byte, error) {
	var sig hexutil.Bytes
	var err error
	if s.clef {
		err = s.call(&sig, "account_signData", accounts.MimetypeTextPlain, s.address, hexutil.Bytes(hash))
	} else {
		err = s.call(&sig, "eth_sign", s.address, hexutil.Bytes(hash))
	}
	if err != nil {
		return nil, err
	}
	if len(sig) != crypto.SignatureLength {
		return nil, fmt.Errorf("%w: a signature of %d bytes", ErrSigner, len(sig))
	}
	out := bytes.Clone(sig)
	if v := &out[crypto.RecoveryIDOffset]; *v >= 27 {
		*v -= 27
	}
	r, low := new(big.Int).SetBytes(out[:32]), new(big.Int).SetBytes(out[32:64])
	if !crypto.ValidateSignatureValues(out[crypto.RecoveryIDOffset], r, low, true) {
		return nil, fmt.Errorf("%w: it is no signature", ErrSigner)
	}
	key, err := crypto.SigToPub(accounts.TextHash(hash), out)
	if err != nil || crypto.PubkeyToAddress(*key) != s.address {
		return nil, fmt.Errorf("%w: the signature is not by %s", ErrSigner, s.address)
	}
	out[crypto.RecoveryIDOffset] += 27
	return out, nil
}

// transactionArgs is a transaction as JSON-RPC has it. Addresses have their checksum: clef refuses a recipient without.
type transactionArgs struct {
	From    string         `json:"from"`
	To      string         `json:"to"`
	Gas     hexutil.Uint64 `json:"gas"`
	FeeCap  *hexutil.Big   `json:"maxFeePerGas"`
	TipCap  *hexutil.Big   `json:"maxPriorityFeePerGas"`
	Value   *hexutil.Big   `json:"value"`
	Nonce   hexutil.Uint64 `json:"nonce"`
	Data    hexutil.Bytes  `json:"data"`
	ChainID *hexutil.Big   `json:"chainId"`
}

// transaction has a transaction signed, and takes it only if nothing of it has changed.
func (s *signer) transaction(tx *types.Transaction, chainID *big.Int) (*types.Transaction, error) {
	if tx.Type() != types.DynamicFeeTxType || tx.To() == nil {
		return nil, fmt.Errorf("a transaction of type %d, to %v, is not given to a signer", tx.Type(), tx.To())
	}
	method := "eth_signTransaction"
	if s.clef {
		method = "account_signTransaction"
	}
	var answer json.RawMessage
	err := s.call(&answer, method, transactionArgs{
		From: s.address.Hex(), To: tx.To().Hex(), Gas: hexutil.Uint64(tx.Gas()), FeeCap: (*hexutil.Big)(tx.GasFeeCap()), TipCap: (*hexutil.Big)(tx.GasTipCap()),
		Value: (*hexutil.Big)(tx.Value()), Nonce: hexutil.Uint64(tx.Nonce()), Data: tx.Data(), ChainID: (*hexutil.Big)(chainID),
	})
	if err != nil {
		return nil, err
	}
	var raw hexutil.Bytes // alone, or beside the transaction in JSON
	if json.Unmarshal(answer, &raw) != nil {
		var both struct {
			Raw hexutil.Bytes `json:"raw"`
		}
		if err := json.Unmarshal(answer, &both); err != nil {
			return nil, fmt.Errorf("%w: the answer holds no transaction", ErrSigner)
		}
		raw = both.Raw
	}
	signed := new(types.Transaction)
	if err := signed.UnmarshalBinary(raw); err != nil {
		return nil, fmt.Errorf("%w: the answer holds no transaction", ErrSigner)
	}
	rules := types.LatestSignerForChainID(chainID)
	// The hash covers everything but the signature: chain, nonce, fees, gas, to, value, data.
	if signed.Type() != tx.Type() || rules.Hash(signed) != rules.Hash(tx) {
		return nil, fmt.Errorf("%w: the transaction has been changed", ErrSigner)
	}
	if from, err := types.Sender(rules, signed); err != nil || from != s.address {
		return nil, fmt.Errorf("%w: the transaction is not signed by %s", ErrSigner, s.address)
	}
	return signed, nil
}

package simchain

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// ServiceParams is what a provider registers.
type ServiceParams struct {
	ServiceType, URL, Model, Verifiability, AdditionalInfo string
	InputPrice, OutputPrice                                zg.Neuron
	TEESigner                                              common.Address
}

const serviceName = "inference-v1.0"

// accountNotExists is the selector of the revert that says there is no sub-account.
const accountNotExists = "0x08ca03ac"

// send signs a transaction with the lowest unused nonce, has it mined and fails when it reverts. Where no blocks are made
// by themselves, it makes one.
func (c *Chain) send(ctx context.Context, key *ecdsa.PrivateKey, to *common.Address, value *big.Int, data []byte) (*types.Receipt, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	for {
		tx, err := c.signed(ctx, key, to, value, data)
		if err != nil {
			return nil, err
		}
		if err := c.client.SendTransaction(ctx, tx); err != nil {
			return nil, err
		}
		if receipt, err := c.mined(ctx, key, tx); !errors.Is(err, errOvertaken) {
			return receipt, err
		}
	}
}

func (c *Chain) signed(ctx context.Context, key *ecdsa.PrivateKey, to *common.Address, value *big.Int, data []byte) (*types.Transaction, error) {
	from := crypto.PubkeyToAddress(key.PublicKey)
	nonce, err := c.client.PendingNonceAt(ctx, from)
	if err != nil {
		return nil, err
	}
	gas, err := c.client.EstimateGas(ctx, ethereum.CallMsg{From: from, To: to, Value: value, Data: data})
	if err != nil {
		return nil, err
	}
	gas += gas / 2
	gwei := big.NewInt(1_000_000_000)
	// The node takes no transaction that could cost more than one whole coin, as one for fifty users could at this price.
	feeCap := new(big.Int).Div(zg.OneOG.Big(), new(big.Int).SetUint64(gas))
	if most := new(big.Int).Mul(gwei, big.NewInt(100)); feeCap.Cmp(most) > 0 {
		feeCap = most
	}
	return types.SignNewTx(key, types.LatestSignerForChainID(c.chainID), &types.DynamicFeeTx{
		ChainID: c.chainID, Nonce: nonce, To: to, Value: value, Data: data, Gas: gas,
		GasTipCap: new(big.Int).Mul(gwei, big.NewInt(4)), GasFeeCap: feeCap,
	})
}

// mined waits until a transaction is in a block, and not for ever: a test that hangs says nothing.
func (c *Chain) mined(ctx context.Context, key *ecdsa.PrivateKey, tx *types.Transaction) (*types.Receipt, error) {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if _, err := c.mine(); err != nil {
		return nil, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		receipt, err := c.client.TransactionReceipt(ctx, tx.Hash())
		switch {
		case err == nil && receipt.Status == types.ReceiptStatusSuccessful:
			// The pool learns of a block with the next one; without it, it would refuse what this money is to pay for.
			_, err := c.mine()
			return receipt, err
		case err == nil:
			return receipt, fmt.Errorf("transaction %s reverted", tx.Hash())
		case ctx.Err() == nil && !errors.Is(err, ethereum.NotFound) && err.Error() != "transaction indexing is in progress":
			return nil, err
		}
		if n%lostAfter == 0 {
			if err := c.found(ctx, key, tx); err != nil {
				return nil, err
			}
		}
		select {
		case <-whole.Done():
			return nil, whole.Err()
		case <-ctx.Done():
			return nil, fmt.Errorf("transaction %s is in no block after %s: %s", tx.Hash(), longest, c.stuck(whole, key, tx))
		case <-tick.C:
		}
	}
}

// longest is how long an actor waits for a block with its transaction.
const longest = 2 * time.Minute

// stuck tells what the node knows of a sender whose transaction is not mined.
func (c *Chain) stuck(ctx context.Context, key *ecdsa.PrivateKey, tx *types.Transaction) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	from := crypto.PubkeyToAddress(key.PublicKey)
	used, err := c.client.NonceAt(ctx, from, nil)
	next, err2 := c.client.PendingNonceAt(ctx, from)
	var pool json.RawMessage
	err3 := c.client.Client().CallContext(ctx, &pool, "txpool_contentFrom", from)
	head, err4 := c.client.BlockNumber(ctx)
	_, err5 := c.client.TransactionReceipt(ctx, tx.Hash())
	return fmt.Sprintf("its nonce is %d, %d are used, %d is the next; the pool has %s; block %d; %v", tx.Nonce(), used, next, pool, head,
		errors.Join(err, err2, err3, err4, err5))
}

// lostAfter is how many looks for a receipt find none before it is looked whether the transaction is still there.
const lostAfter = 100

// errOvertaken means that another transaction of the same sender has the nonce, so that this one is never mined.
var errOvertaken = errors.New("another transaction has taken the nonce")

// found sees to it that a transaction can still be mined. Reorganisations and DropPending empty the pool, whoever has put
// something into it meanwhile: what was lost is sent once more, and so is something in the place of what was lost before
// it.
func (c *Chain) found(ctx context.Context, key *ecdsa.PrivateKey, tx *types.Transaction) error {
	from := crypto.PubkeyToAddress(key.PublicKey)
	used, err := c.client.NonceAt(ctx, from, nil)
	if err != nil {
		return err
	}
	if used > tx.Nonce() {
		return c.overtaken(ctx, from, tx)
	}
	for nonce := used; nonce < tx.Nonce(); nonce++ {
		filler, err := types.SignNewTx(key, types.LatestSignerForChainID(c.chainID), &types.DynamicFeeTx{
			ChainID: c.chainID, Nonce: nonce, To: &from, Gas: 21_000, GasTipCap: tx.GasTipCap(), GasFeeCap: tx.GasFeeCap(),
		})
		if err != nil {
			return err
		}
		_ = c.client.SendTransaction(ctx, filler) // refused where one is there that pays as much
	}
	_ = c.client.SendTransaction(ctx, tx) // refused where it is there
	_, err = c.mine()
	return err
}

// overtaken is errOvertaken where a block has another transaction with this nonce.
func (c *Chain) overtaken(ctx context.Context, from common.Address, tx *types.Transaction) error {
	block, err := c.client.BlockByNumber(ctx, nil)
	for ; err == nil; block, err = c.client.BlockByHash(ctx, block.ParentHash()) {
		for _, other := range block.Transactions() {
			by, err := types.Sender(types.LatestSignerForChainID(c.chainID), other)
			if err != nil || by != from || other.Nonce() != tx.Nonce() {
				continue
			}
			if other.Hash() != tx.Hash() {
				return errOvertaken
			}
			return nil // it is mined, and its receipt is still to come
		}
	}
	return err
}

// Fund gives an account money out of nothing.
func (c *Chain) Fund(ctx context.Context, to common.Address, amount zg.Neuron) error {
	_, err := c.send(ctx, c.owner, &to, amount.Big(), nil)
	return err
}

// Pay sends plain money of an account, as any program with its key can.
func (c *Chain) Pay(ctx context.Context, key *ecdsa.PrivateKey, to common.Address, amount zg.Neuron) error {
	_, err := c.send(ctx, key, &to, amount.Big(), nil)
	return err
}

// RegisterService registers or updates a provider's service; the first time its stake is paid for it.
func (c *Chain) RegisterService(ctx context.Context, key *ecdsa.PrivateKey, s ServiceParams) error {
	provider := crypto.PubkeyToAddress(key.PublicKey)
	out, err := c.call(ctx, c.inference, c.inf.PackServiceExists(provider))
	if err != nil {
		return err
	}
	exists, err := c.inf.UnpackServiceExists(out)
	if err != nil {
		return err
	}
	var stake *big.Int
	if !exists {
		stake = zg.OneOG.Mul(100).Big()
		if err := c.Fund(ctx, provider, zg.OneOG.Mul(101)); err != nil {
			return fmt.Errorf("fund the stake: %w", err)
		}
	}
	_, err = c.send(ctx, key, &c.inference, stake, c.inf.PackAddOrUpdateService(bindings.ServiceParams{
		ServiceType: s.ServiceType, Url: s.URL, Model: s.Model, Verifiability: s.Verifiability, AdditionalInfo: s.AdditionalInfo,
		InputPrice: s.InputPrice.Big(), OutputPrice: s.OutputPrice.Big(), TeeSignerAddress: s.TEESigner,
	}))
	return err
}

// RemoveService takes a provider's service off the chain.
func (c *Chain) RemoveService(ctx context.Context, key *ecdsa.PrivateKey) error {
	_, err := c.send(ctx, key, &c.inference, nil, c.inf.PackRemoveService())
	return err
}

// AcknowledgeSigner is the owner vouching for a provider's TEE signer.
func (c *Chain) AcknowledgeSigner(ctx context.Context, provider common.Address) error {
	_, err := c.send(ctx, c.owner, &c.inference, nil, c.inf.PackAcknowledgeTEESignerByOwner(provider))
	return err
}

// RevokeSigner is the owner taking that back.
func (c *Chain) RevokeSigner(ctx context.Context, provider common.Address) error {
	_, err := c.send(ctx, c.owner, &c.inference, nil, c.inf.PackRevokeTEESignerAcknowledgement(provider))
	return err
}

// Deposit puts money of a wallet into its ledger, which it opens where there is none.
func (c *Chain) Deposit(ctx context.Context, key *ecdsa.PrivateKey, amount zg.Neuron) error {
	_, err := c.send(ctx, key, &c.ledger, amount.Big(), c.led.PackDepositFund())
	return err
}

// DepositFor puts money made out of nothing into somebody's ledger, which must be there.
func (c *Chain) DepositFor(ctx context.Context, user common.Address, amount zg.Neuron) error {
	_, err := c.send(ctx, c.owner, &c.ledger, amount.Big(), c.led.PackDepositFundFor(user))
	return err
}

// Transfer moves money of a wallet from its ledger to a sub-account.
func (c *Chain) Transfer(ctx context.Context, key *ecdsa.PrivateKey, provider common.Address, amount zg.Neuron) error {
	_, err := c.send(ctx, key, &c.ledger, nil, c.led.PackTransferFund(provider, serviceName, amount.Big()))
	return err
}

// Retrieve asks for what is in a sub-account, or takes what has become free.
func (c *Chain) Retrieve(ctx context.Context, key *ecdsa.PrivateKey, provider common.Address) error {
	_, err := c.send(ctx, key, &c.ledger, nil, c.led.PackRetrieveFund([]common.Address{provider}, serviceName))
	return err
}

// Refund moves money of a wallet from its ledger back to the wallet.
func (c *Chain) Refund(ctx context.Context, key *ecdsa.PrivateKey, amount zg.Neuron) error {
	_, err := c.send(ctx, key, &c.ledger, nil, c.led.PackRefund(amount.Big()))
	return err
}

// Acknowledge gives a wallet's consent to a provider, or takes it back, for which the sub-account has to be empty.
func (c *Chain) Acknowledge(ctx context.Context, key *ecdsa.PrivateKey, provider common.Address, consent bool) error {
	_, err := c.send(ctx, key, &c.inference, nil, c.inf.PackAcknowledgeTEESigner(provider, consent))
	return err
}

// RevokeTokens raises the generation of a sub-account, so that all session tokens are refused.
func (c *Chain) RevokeTokens(ctx context.Context, key *ecdsa.PrivateKey, provider common.Address) error {
	_, err := c.send(ctx, key, &c.inference, nil, c.inf.PackRevokeAllTokens(provider))
	return err
}

func (c *Chain) call(ctx context.Context, to common.Address, data []byte) ([]byte, error) {
	return c.client.CallContract(ctx, ethereum.CallMsg{To: &to, Data: data}, nil)
}

// SubAccount reads what a user has set aside for a provider; false where there is no sub-account.
func (c *Chain) SubAccount(ctx context.Context, user, provider common.Address) (zg.SubAccount, bool, error) {
	out, err := c.call(ctx, c.inference, c.inf.PackGetAccount(user, provider))
	if revert, ok := errors.AsType[rpc.DataError](err); ok {
		if data, ok := revert.ErrorData().(string); ok && len(data) >= 10 && data[:10] == accountNotExists {
			return zg.SubAccount{}, false, nil
		}
	}
	if err != nil {
		return zg.SubAccount{}, false, err
	}
	a, err := c.inf.UnpackGetAccount(out)
	if err != nil {
		return zg.SubAccount{}, false, err
	}
	balance, err := zg.NeuronFromBig(a.Balance)
	if err != nil {
		return zg.SubAccount{}, false, err
	}
	pending, err := zg.NeuronFromBig(a.PendingRefund)
	if err != nil {
		return zg.SubAccount{}, false, err
	}
	return zg.SubAccount{
		User: a.User, Provider: a.Provider, Nonce: a.Nonce, Balance: balance, PendingRefund: pending, Acknowledged: a.Acknowledged,
		Generation: a.Generation.Uint64(), RevokedBitmap: a.RevokedBitmap,
	}, true, nil
}

// Service reads a provider's offer.
func (c *Chain) Service(ctx context.Context, provider common.Address) (zg.Service, error) {
	out, err := c.call(ctx, c.inference, c.inf.PackGetService(provider))
	if err != nil {
		return zg.Service{}, err
	}
	s, err := c.inf.UnpackGetService(out)
	if err != nil {
		return zg.Service{}, err
	}
	in, err := zg.NeuronFromBig(s.InputPrice)
	if err != nil {
		return zg.Service{}, err
	}
	price, err := zg.NeuronFromBig(s.OutputPrice)
	if err != nil {
		return zg.Service{}, err
	}
	return zg.Service{
		Provider: s.Provider, Type: zg.ServiceType(s.ServiceType), URL: s.Url, InputPrice: in, OutputPrice: price,
		UpdatedAt: time.Unix(s.UpdatedAt.Int64(), 0), Model: s.Model, Verifiability: s.Verifiability, Info: zg.ParseServiceInfo(s.AdditionalInfo),
		TEESigner: s.TeeSignerAddress, TEESignerAcknowledged: s.TeeSignerAcknowledged,
	}, nil
}

// Settle takes a fee from each user's sub-account, signed by the provider's TEE key, and returns the contract's status for
// each: 0 success, 1 partial, anything else took nothing.
func (c *Chain) Settle(ctx context.Context, providerKey, teeKey *ecdsa.PrivateKey, users []common.Address, fees []zg.Neuron) ([]uint8, error) {
	if len(users) != len(fees) {
		return nil, errors.New("as many fees as users are needed")
	}
	provider := crypto.PubkeyToAddress(providerKey.PublicKey)
	items := make([]bindings.TEESettlementData, len(users))
	for i, user := range users {
		c.sending.Lock()
		c.nonce = max(c.nonce+1, uint64(time.Now().UnixNano()))
		item := bindings.TEESettlementData{
			User: user, Provider: provider, TotalFee: fees[i].Big(), Nonce: new(big.Int).SetUint64(c.nonce),
			RequestsHash: crypto.Keccak256Hash(user[:], new(big.Int).SetUint64(c.nonce).Bytes()),
		}
		c.sending.Unlock()
		sig, err := crypto.Sign(SettlementDigest(c.chainID, c.inference, item), teeKey)
		if err != nil {
			return nil, fmt.Errorf("sign a settlement: %w", err)
		}
		sig[64] += 27
		item.Signature = sig
		items[i] = item
	}
	receipt, err := c.send(ctx, providerKey, &c.inference, nil, c.inf.PackSettleFeesWithTEE(items))
	if err != nil {
		return nil, err
	}
	var statuses []uint8
	for _, l := range receipt.Logs {
		if ev, err := c.inf.UnpackTEESettlementResultEvent(l); err == nil {
			statuses = append(statuses, ev.Status)
		}
	}
	if len(statuses) != len(users) {
		return nil, fmt.Errorf("%d results for %d settlements", len(statuses), len(users))
	}
	return statuses, nil
}

// SettlementDigest is the EIP-712 digest that a provider's TEE signs for one settlement.
func SettlementDigest(chainID *big.Int, contract common.Address, s bindings.TEESettlementData) []byte {
	word := func(b *big.Int) []byte { return common.BigToHash(b).Bytes() }
	address := func(a common.Address) []byte { return common.BytesToHash(a[:]).Bytes() }
	domain := crypto.Keccak256(
		crypto.Keccak256([]byte("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")),
		crypto.Keccak256([]byte("0G Inference Serving")), crypto.Keccak256([]byte("1")), word(chainID), address(contract),
	)
	message := crypto.Keccak256(
		crypto.Keccak256([]byte("TEESettlement(bytes32 requestsHash,uint256 nonce,address provider,address user,uint256 totalFee)")),
		s.RequestsHash[:], word(s.Nonce), address(s.Provider), address(s.User), word(s.TotalFee),
	)
	return crypto.Keccak256([]byte("\x19\x01"), domain, message)
}

package main

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// journal is the one way in which the wallet's transactions are made.
type journal interface {
	Do(ctx context.Context, in zg.Intent, origin billing.Origin, notify func(billing.Entry)) (billing.Entry, error)
}

// mover has transactions made for the operator.
type mover struct{ journal journal }

// transact sees an intent through. Its errors are what the operator reads.
func (m mover) transact(ctx context.Context, in zg.Intent, notify func(admin.Transaction)) (admin.Transaction, error) {
	var last billing.Entry
	e, err := m.journal.Do(ctx, in, billing.OriginHand, func(e billing.Entry) {
		if !e.Earlier {
			last = e
		}
		notify(transactionOf(e))
	})
	if e.ID == 0 {
		e = last // what was signed stands, whatever went wrong since
	}
	tx := transactionOf(e)
	if err != nil {
		return tx, err
	}
	return tx, ended(&tx)
}

// ended is what a transaction's end means where it is not what was wanted.
func ended(tx *admin.Transaction) error {
	switch tx.State {
	case string(billing.EntryMined):
		return nil
	case string(billing.EntryReverted):
		return problem(codeReverted, "Nothing was moved but the gas. Look with zgproxy account, and try again.",
			"the contract refused transaction %s in block %d, which it would have taken when it was signed", tx.Hash, tx.Block)
	case string(billing.EntrySuperseded):
		return problem(codeForeignNonce, "Nothing was moved by zgproxy. "+hintForeign,
			"another transaction has used nonce %d", tx.Nonce)
	case string(billing.EntryCancelled):
		return problem(codeNotFinal, "Try again.", "the transaction was cancelled: %s", orDash(tx.Reason))
	}
	return fmt.Errorf("the transaction ended as %q", tx.State)
}

func addressList(list []common.Address) (out []admin.Address) {
	for _, p := range list {
		out = append(out, admin.Address{Address: p})
	}
	return out
}

// transactionOf is an entry of the journal as the operator sees it.
func transactionOf(e billing.Entry) admin.Transaction {
	t := admin.Transaction{
		ID: e.ID, Kind: e.Intent.Kind, Amount: e.Intent.Amount, TokenIDs: e.Intent.TokenIDs, Origin: string(e.Origin), State: string(e.State), Reason: e.Reason, Nonce: e.Nonce,
		Hash: e.Hash, Sent: e.Sent, Versions: len(e.Txs), Block: e.Block, GasCost: e.GasCost, Depth: e.Depth, Earlier: e.Earlier, Trouble: e.Trouble, Created: e.CreatedAt.UTC(),
	}
	if e.Intent.Provider != (common.Address{}) {
		t.Provider = &admin.Address{Address: e.Intent.Provider}
	}
	t.Also = addressList(e.Intent.Also)
	if n := len(e.Txs); n > 0 {
		newest := e.Txs[n-1]
		t.MaxGas = newest.FeeCap.Mul(newest.GasLimit)
		if t.Hash == (common.Hash{}) {
			t.Hash = newest.Hash
		}
	}
	if !e.EndedAt.IsZero() {
		at := e.EndedAt.UTC()
		t.Ended = &at
	}
	return t
}

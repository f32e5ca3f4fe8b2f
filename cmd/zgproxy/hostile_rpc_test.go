package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// lied is a script in which the endpoint answers some methods in its own way.
func lied(name string, f simchain.Fault, methods []string, log ...string) script {
	return script{name: name, lie: func(h *hostile) { h.rpc(f, methods...) }, log: log}
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// says replaces the answer to some methods.
func says(name, method, result string, log ...string) script {
	return lied(name, simchain.Fault{Result: raw(result)}, []string{method}, log...)
}

// refuses answers a method with an error.
func refuses(name, method, message string, log ...string) script {
	return lied(name, simchain.Fault{Error: &simchain.RPCError{Code: -32000, Message: message}}, []string{method}, log...)
}

// changes replaces one text in the answers to a method by another.
func changes(name, method, old, replacement string, log ...string) script {
	return lied(name, simchain.Fault{Rewrite: func(r json.RawMessage) json.RawMessage {
		return bytes.ReplaceAll(r, []byte(old), []byte(replacement))
	}}, []string{method}, log...)
}

// untrue is changes that waits until the keeper has been lied to: a look that began before and asks the provider after would see
// what is true on chain, and its top-up would leave nothing that the text is found in.
func untrue(name, method, old, replacement string, log ...string) script {
	var told atomic.Bool
	s := lied(name, simchain.Fault{Rewrite: func(r json.RawMessage) json.RawMessage {
		out := bytes.ReplaceAll(r, []byte(old), []byte(replacement))
		if !bytes.Equal(out, r) {
			told.Store(true)
		}
		return out
	}}, []string{method}, log...)
	begin := s.lie
	s.lie = func(h *hostile) {
		begin(h)
		h.eventually("lied to", func() error {
			if told.Load() {
				return nil
			}
			return errors.New("it has not read the accounts")
		})
	}
	return s
}

// word is an amount as contracts encode it, without a prefix.
func word(n zg.Neuron) string { return fmt.Sprintf("%064x", n.Big()) }

const badRPC = "the RPC endpoint failed"

// rpcLies are answers that have the right form and are not true.
func rpcLies() []script {
	const (
		call    = "eth_call"
		receipt = "eth_getTransactionReceipt"
		send    = "eth_sendRawTransaction"
		nonce   = "eth_getTransactionCount"
	)
	selector := func(signature string) string { return hex.EncodeToString(crypto.Keccak256([]byte(signature))[:4]) }
	accounts, exists := selector("getAccountsByUser(address,uint256,uint256)"), selector("accountExists(address,address)")
	ledger := selector("getLedger(address)")
	// contract answers the calls of one function.
	contract := func(function, result string) func(h *hostile) {
		return func(h *hostile) {
			h.net.Chain.SetFault(func(method string, params []byte) *simchain.Fault {
				if method == call && bytes.Contains(params, []byte(`0x`+function)) {
					return &simchain.Fault{Result: raw(`"0x` + result + `"`)}
				}
				return nil
			})
		}
	}
	none := word(zg.NeuronOf(64)) + word(zg.Neuron{}) + word(zg.Neuron{})
	full := word(fullAmount)
	return []script{
		says("another chain", "eth_chainId", `"0x1"`, "does not serve the configured network"),
		{name: "old blocks", lie: func(h *hostile) { h.net.Chain.SetFault(h.staleBlocks(30)) }, log: []string{"old block", "does not match the chain"}},
		{name: "blocks to and fro", lie: func(h *hostile) {
			stale := h.staleBlocks(30)
			var n atomic.Int64
			h.net.Chain.SetFault(func(method string, params []byte) *simchain.Fault {
				if n.Add(1)%2 == 0 {
					return stale(method, params)
				}
				return nil
			})
		}, log: []string{"old block", "does not match the chain"}},
		// Whether the missing money is made up for, up to the limit, or held to be taken depends on what is read first.
		untrue("balance jumps to nothing", call, full, word(zg.Neuron{}), "budget_transfers_day", `"reason":"drift"`),
		untrue("balance jumps to a thousand", call, full, word(zg.OneOG.Mul(1000))),
		{name: "balance jumps up and down", lie: func(h *hostile) {
			var n atomic.Int64
			h.rpc(simchain.Fault{Rewrite: func(r json.RawMessage) json.RawMessage {
				other := word(zg.OneOG.Mul(uint64(n.Add(1)) % 7))
				return bytes.ReplaceAll(r, []byte(full), []byte(other))
			}}, call)
		}, log: []string{"transaction", "drift"}},
		{name: "ledger full of money that is not there", lie: func(h *hostile) {
			available, err := h.net.Chain.Available(h.Context(), devnet.Wallet())
			if err != nil {
				h.Fatal(err)
			}
			h.net.Chain.SetFault(func(method string, params []byte) *simchain.Fault {
				if method != call || !bytes.Contains(params, []byte("0x"+ledger)) {
					return nil
				}
				return &simchain.Fault{Rewrite: func(r json.RawMessage) json.RawMessage {
					return bytes.ReplaceAll(r, []byte(word(available)), []byte(word(zg.OneOG.Mul(1_000_000))))
				}}
			})
		}, log: []string{"transaction"}},
		says("nothing in every contract", call, `"0x"`, "no contract", "answers nothing"),
		says("zero in every contract", call, `"0x`+word(zg.Neuron{})+`"`, "laid out"),
		// Here, too: an account that has been seen and is gone may count as emptied before it counts as missing.
		{name: "accounts hidden", env: autoFund(), lie: contract(accounts, none), log: []string{"not as it was when", `"reason":"drift"`}},
		{name: "accounts hidden, opening impossible", lie: contract(accounts, none), log: []string{"auto_fund_off", `"reason":"drift"`}},
		{name: "account denied on chain", lie: contract(exists, word(zg.Neuron{})), log: []string{"not as it was when"}},
		{name: "accounts hidden everywhere", env: autoFund(), lie: func(h *hostile) {
			h.net.Chain.SetFault(func(method string, params []byte) *simchain.Fault {
				for function, result := range map[string]string{accounts: none, exists: word(zg.Neuron{})} {
					if method == call && bytes.Contains(params, []byte("0x"+function)) {
						return &simchain.Fault{Result: raw(`"0x` + result + `"`)}
					}
				}
				return nil
			})
		}, log: []string{"transaction", "account"}},
		{name: "more accounts than are listed", lie: contract(accounts, word(zg.NeuronOf(64))+word(zg.NeuronOf(2))+word(zg.Neuron{})), log: []string{"does not end where it should"}},
		{name: "refused as if there were no account", lie: func(h *hostile) {
			h.rpc(simchain.Fault{Error: &simchain.RPCError{Code: 3, Message: "execution reverted", Data: "0x08ca03ac" +
				common.Bytes2Hex(common.LeftPadBytes(devnet.Wallet().Bytes(), 32)) + common.Bytes2Hex(common.LeftPadBytes(h.p.Address().Bytes(), 32))}}, call)
		}, log: []string{"accounts cannot be checked"}},
		{name: "refused as if there were no ledger", lie: func(h *hostile) {
			h.rpc(simchain.Fault{Error: &simchain.RPCError{Code: 3, Message: "execution reverted", Data: "0x" + selector("LedgerNotExists(address)") +
				common.Bytes2Hex(common.LeftPadBytes(devnet.Wallet().Bytes(), 32))}}, call)
		}, log: []string{"accounts cannot be checked", "no_ledger"}},

		{name: "receipt of what was not mined", lie: func(h *hostile) {
			h.net.Chain.SetFault(func(method string, params []byte) *simchain.Fault {
				switch method {
				case send:
					return &simchain.Fault{Drop: true}
				case receipt:
					var of []string
					if json.Unmarshal(params, &of) != nil || len(of) != 1 {
						return nil
					}
					return &simchain.Fault{Result: raw(fmt.Sprintf(`{"transactionHash":%q,"blockNumber":"0x10","blockHash":%q,"status":"0x1","gasUsed":"0x5208","effectiveGasPrice":"0x1"}`, of[0], of[0]))}
				}
				return nil
			})
		}, log: []string{"does not match the chain"}},
		changes("receipt in a block of the far future", receipt, `"blockNumber":"0x`, `"blockNumber":"0xfffff`, "does not match the chain"),
		changes("receipt in the first block", receipt, `"blockNumber":"0x`, `"blockNumber":"0x0","was":"0x`, "transaction"),
		changes("receipt of a failure", receipt, `"status":"0x1"`, `"status":"0x0"`, "reverted"),
		changes("receipt of another transaction", receipt, `"transactionHash":"0x`, `"was":"0x","transactionHash":"0x`+strings.Repeat("0", 64)+`","was2":"0x`, "receipt of"),
		changes("receipt without an end", receipt, `"status":"0x1"`, `"state":"0x1"`, "does not say how it ended"),
		changes("receipt of an absurd price", receipt, `"effectiveGasPrice":"0x`, `"effectiveGasPrice":"0xffffffffffffffffffffffffffffff`, "transaction"),
		says("no receipts", receipt, `null`, "transaction"),

		says("nonce of zero", nonce, `"0x0"`, "nonce is used already"),
		{name: "nonce of 2^63", later: true, lie: func(h *hostile) { h.rpc(simchain.Fault{Result: raw(`"0x8000000000000000"`)}, nonce) }, log: []string{"waits for nonce", "which cannot be"}},
		says("nonce of 2^64-1", nonce, `"0xffffffffffffffff"`, "which cannot be"),
		{name: "nonce jumps", lie: func(h *hostile) {
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(1, 2))
			h.net.Chain.SetFault(func(method string, _ []byte) *simchain.Fault {
				if method != nonce {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				return &simchain.Fault{Result: raw(fmt.Sprintf(`"0x%x"`, random.IntN(100)))}
			})
		}, log: []string{"waits for nonce", "nonce is used already", "does not match the chain", "not from here"}},

		says("gas without end", "eth_estimateGas", `"0xffffffffffffffff"`, "estimates"),
		says("gas of one", "eth_estimateGas", `"0x1"`, "transaction"),
		says("tip without end", "eth_maxPriorityFeePerGas", `"0x38d7ea4c68000"`, "ZGPROXY_MAX_FEE_PER_GAS"),
		says("tip of 2^300", "eth_maxPriorityFeePerGas", `"0x1`+strings.Repeat("0", 75)+`"`, badRPC),
		changes("base fee without end", "eth_getBlockByNumber", `"baseFeePerGas":"0x`, `"baseFeePerGas":"0xfffffffffff`, "ZGPROXY_MAX_FEE_PER_GAS"),

		lied("transactions lost", simchain.Fault{Drop: true}, []string{send}, "transaction"),
		refuses("already known, and is not", send, "already known", "transaction"),
		refuses("nonce too low, and is not", send, "nonce too low", "nonce is used already"),
		refuses("nonce too high, and is not", send, "nonce too high", "transaction", "nonce"),
		refuses("never paid enough", send, "max fee per gas less than block base fee", "fees are too low"),
		refuses("another one at every nonce", send, "replacement transaction underpriced", "another program's transaction"),
		refuses("no money for gas, though there is", send, "insufficient funds for gas * price + value", "cannot pay for"),
		refuses("refused without a reason", send, "no", badRPC),
		refuses("estimate refused", "eth_estimateGas", "execution reverted", "signed"),
		eventLie("events invented", func(h *hostile, r json.RawMessage, from string) json.RawMessage {
			return h.debitLogs(from, devnet.Wallet(), 0)
		}, "no event tells why"),
		eventLie("events of somebody else", func(h *hostile, r json.RawMessage, from string) json.RawMessage {
			return h.debitLogs(from, common.HexToAddress("0xaa"), 0)
		}, "not whole"),
		eventLie("events out of order", func(h *hostile, r json.RawMessage, from string) json.RawMessage {
			return raw("[" + strings.Trim(string(h.debitLogs(from, devnet.Wallet(), 7)), "[]") + "," + strings.Trim(string(h.debitLogs(from, devnet.Wallet(), 3)), "[]") + "]")
		}, "not whole"),
		eventLie("events doubled", func(_ *hostile, r json.RawMessage, _ string) json.RawMessage {
			inner := strings.Trim(string(r), "[]")
			if inner == "" {
				return nil
			}
			return raw("[" + inner + "," + inner + "]")
		}, "not whole"),
		eventLie("events missing", func(*hostile, json.RawMessage, string) json.RawMessage { return raw("[]") }),
	}
}

// autoFund lets missing sub-accounts be opened.
func autoFund() []string { return []string{"ZGPROXY_AUTO_FUND=3 0G"} }

// eventLie changes the events that tell of debits, and has the provider take what it is owed.
func eventLie(name string, change func(h *hostile, result json.RawMessage, from string) json.RawMessage, log ...string) script {
	return script{name: name, log: log, lie: func(h *hostile) {
		h.net.Chain.SetFault(func(method string, params []byte) *simchain.Fault {
			if method != "eth_getLogs" {
				return nil
			}
			var filters []struct{ FromBlock string }
			if json.Unmarshal(params, &filters) != nil || len(filters) != 1 {
				return nil
			}
			return &simchain.Fault{Rewrite: func(r json.RawMessage) json.RawMessage { return change(h, r, filters[0].FromBlock) }}
		})
	}, ask: func(h *hostile) {
		h.spend()
		if err := h.p.Settle(h.Context()); err != nil {
			h.Fatal(err)
		}
	}}
}

// debitLogs are the two events of a debit of 1 0G that never was.
func (h *hostile) debitLogs(block string, user common.Address, index int) json.RawMessage {
	topic := func(a common.Address) string { return common.BytesToHash(a[:]).Hex() }
	hash := func(s string) string { return crypto.Keccak256Hash([]byte(s)).Hex() }
	one := func(address common.Address, signature string, of common.Address, data string, i int) string {
		return fmt.Sprintf(`{"address":%q,"topics":[%q,%q,%q],"data":"0x%s","blockNumber":%q,"transactionHash":%q,"transactionIndex":"0x0","blockHash":%q,"logIndex":"0x%x","removed":false}`,
			address.Hex(), hash(signature), topic(user), topic(of), data, block, hash("no such transaction"), hash("no such block"), i)
	}
	chain := h.net.Chain
	return raw("[" + one(chain.Ledger(), "FundSpent(address,address,uint256)", chain.Inference(), word(zg.OneOG), index) + "," +
		one(chain.Inference(), "BalanceUpdated(address,address,uint256,uint256)", h.p.Address(), word(zg.OneOG)+word(zg.Neuron{}), index+1) + "]")
}

// rpcAnswers are answers that are none.
func rpcAnswers() []script {
	everything := func(name string, f simchain.Fault, log ...string) script { return lied(name, f, nil, log...) }
	return []script{
		everything("a page of a gateway", simchain.Fault{Status: http.StatusBadGateway}, "HTTP status 502"),
		everything("a page that says 200", simchain.Fault{Body: "<html>welcome</html>"}, badRPC),
		everything("JSON cut off", simchain.Fault{Body: `{"jsonrpc":"2.0","id":1,"result":"0x`}, badRPC),
		everything("an answer to another call", simchain.Fault{Body: `{"jsonrpc":"2.0","id":999999,"result":"0x1"}`}, badRPC),
		everything("an empty object", simchain.Fault{Body: `{}`}, badRPC),
		everything("null", simchain.Fault{Result: raw("null")}, badRPC, "accounts cannot be checked"),
		everything("a number", simchain.Fault{Result: raw("12345678901234567890")}, badRPC),
		everything("a list", simchain.Fault{Result: raw(`[1,2,3]`)}, badRPC),
		everything("too many requests", simchain.Fault{Error: &simchain.RPCError{Code: -32005, Message: "too many requests"}}, "too many requests"),
		everything("errors of 10 MB", simchain.Fault{Error: &simchain.RPCError{Code: -32000, Message: strings.Repeat("x", 10<<20)}}, badRPC),
		everything("20 MB of zeros", simchain.Fault{Body: `{"jsonrpc":"2.0","id":1,"result":"0x` + strings.Repeat("0", 20<<20) + `"}`}, "larger than"),
		everything("slow", simchain.Fault{Delay: 150 * time.Millisecond}),
		// Retries get through this one, so that there is nothing to tell; through the next they do not.
		{name: "every other call fails", lie: func(h *hostile) { h.answersOneOf(2) }},
		{name: "nineteen of twenty calls fail", lie: func(h *hostile) { h.answersOneOf(20) }, log: []string{"HTTP status 503"}},
	}
}

// answersOneOf makes the chain's endpoint refuse all calls but one of n.
func (h *hostile) answersOneOf(n int64) {
	var calls atomic.Int64
	h.net.Chain.SetFault(func(string, []byte) *simchain.Fault {
		if calls.Add(1)%n != 0 {
			return &simchain.Fault{Status: http.StatusServiceUnavailable}
		}
		return nil
	})
}

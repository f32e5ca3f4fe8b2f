package wallet

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// signerd is a signer over JSON-RPC, of either dialect, that may lie.
type signerd struct {
	clef   bool
	deny   bool
	alter  func(*types.DynamicFeeTx)
	mangle func(sig []byte) []byte
	asked  []string
}

func (s *signerd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call struct {
		ID     json.RawMessage   `json:"id"`
		Method string            `json:"method"`
		Params []json.RawMessage `json:"params"`
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.asked = append(s.asked, call.Method)
	answer := map[string]any{"jsonrpc": "2.0", "id": call.ID}
	result, err := s.do(call.Method, call.Params)
	if err != "" {
		answer["error"] = map[string]any{"code": -32601, "message": err}
	} else {
		answer["result"] = result
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *signerd) do(method string, params []json.RawMessage) (any, string) {
	key, err := crypto.HexToECDSA(secret[2:])
	if err != nil {
		return nil, err.Error()
	}
	read := func(i int, into any) { err = errors.Join(err, json.Unmarshal(params[i], into)) }
	switch {
	case method == "account_version" && s.clef:
		return "6.1.0", ""
	case s.deny:
		return nil, "Request denied"
	case method == "account_signData" && s.clef, method == "eth_sign" && !s.clef:
		var data hexutil.Bytes
		read(len(params)-1, &data)
		if s.clef {
			var kind string
			if read(0, &kind); kind != "text/plain" {
				return nil, "another kind: " + kind
			}
		}
		if err != nil {
			return nil, err.Error()
		}
		sig, err := crypto.Sign(accounts.TextHash(data), key)
		if err != nil {
			return nil, err.Error()
		}
		sig[64] += 27
		if s.mangle != nil {
			sig = s.mangle(sig)
		}
		return hexutil.Bytes(sig), ""
	case method == "account_signTransaction" && s.clef, method == "eth_signTransaction" && !s.clef:
		var a transactionArgs
		if read(0, &a); err != nil {
			return nil, err.Error()
		}
		to := common.HexToAddress(a.To)
		if s.clef && a.To != to.Hex() {
			return nil, "validation failed: Invalid checksum on recipient address"
		}
		inner := &types.DynamicFeeTx{
			ChainID: a.ChainID.ToInt(), Nonce: uint64(a.Nonce), GasTipCap: a.TipCap.ToInt(), GasFeeCap: a.FeeCap.ToInt(), Gas: uint64(a.Gas), To: &to, Value: a.Value.ToInt(), Data: a.Data,
		}
		if s.alter != nil {
			s.alter(inner)
		}
		tx, err := types.SignNewTx(key, types.LatestSignerForChainID(inner.ChainID), inner)
		if err != nil {
			return nil, err.Error()
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			return nil, err.Error()
		}
		if s.clef {
			return map[string]any{"raw": hexutil.Bytes(raw), "tx": tx}, ""
		}
		return hexutil.Bytes(raw), ""
	}
	return nil, "the method " + method + " does not exist"
}

func transfer() *types.Transaction {
	to := common.HexToAddress("0x47340d900bdFec2BD393c626E12ea0656F938d84")
	return types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(16661), Nonce: 7, GasTipCap: big.NewInt(2), GasFeeCap: big.NewInt(9), Gas: 60_000, To: &to, Value: big.NewInt(5), Data: []byte{1, 2, 3},
	})
}

// Through a signer a wallet signs to the byte what it signs with the key itself.
func TestSigner(t *testing.T) {
	for name, clef := range map[string]bool{"clef": true, "ethereum": false} {
		t.Run(name, func(t *testing.T) {
			s := &signerd{clef: clef}
			srv := httptest.NewServer(s)
			defer srv.Close()
			w, err := Open(Config{Signer: srv.URL, SignerAddress: address})
			if err != nil {
				t.Fatal(err)
			}
			if len(s.asked) != 1 || s.asked[0] != "account_version" {
				t.Errorf("opening it asks %v", s.asked)
			}
			local := open(t)
			c := claims{provider: provider, timestamp: 1, expiresAt: 2, nonce: "n", generation: 3, tokenID: ephemeralID}
			want, err := local.session(c)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := w.session(c); err != nil || got != want {
				t.Errorf("session = %s, %v\nwant %s", got, err, want)
			}
			wantTx, err := local.SignTx(transfer(), big.NewInt(16661))
			if err != nil {
				t.Fatal(err)
			}
			gotTx, err := w.SignTx(transfer(), big.NewInt(16661))
			if err != nil || gotTx.Hash() != wantTx.Hash() {
				t.Errorf("SignTx = %v, %v; want %v", gotTx, err, wantTx)
			}
			s.mangle = func(sig []byte) []byte { sig[64] -= 27; return sig } // v of 0 or 1
			if got, err := w.session(c); err != nil || got != want {
				t.Errorf("with a small v: %s, %v", got, err)
			}
		})
	}
}

// What a signer changes, or signs with another key, is not used.
func TestLyingSigner(t *testing.T) {
	s := &signerd{clef: true}
	srv := httptest.NewServer(s)
	defer srv.Close()
	w, err := Open(Config{Signer: srv.URL, SignerAddress: address})
	if err != nil {
		t.Fatal(err)
	}
	other := common.HexToAddress("0x1")
	for name, alter := range map[string]func(*types.DynamicFeeTx){
		"to": func(tx *types.DynamicFeeTx) { tx.To = &other }, "value": func(tx *types.DynamicFeeTx) { tx.Value = big.NewInt(6) },
		"nonce": func(tx *types.DynamicFeeTx) { tx.Nonce++ }, "data": func(tx *types.DynamicFeeTx) { tx.Data = nil },
		"gas": func(tx *types.DynamicFeeTx) { tx.Gas++ }, "fee": func(tx *types.DynamicFeeTx) { tx.GasFeeCap = big.NewInt(10) },
		"tip": func(tx *types.DynamicFeeTx) { tx.GasTipCap = big.NewInt(3) }, "chain": func(tx *types.DynamicFeeTx) { tx.ChainID = big.NewInt(1) },
	} {
		s.alter = alter
		if tx, err := w.SignTx(transfer(), big.NewInt(16661)); !errors.Is(err, ErrSigner) {
			t.Errorf("another %s: %v, %v", name, tx, err)
		}
	}
	s.alter = nil
	half, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	for name, mangle := range map[string]func([]byte) []byte{
		"short": func(sig []byte) []byte { return sig[:64] }, "empty": func([]byte) []byte { return nil },
		"of other bytes": func(sig []byte) []byte { sig[3] ^= 1; return sig },
		"with a high s": func(sig []byte) []byte {
			new(big.Int).Sub(half, new(big.Int).SetBytes(sig[32:64])).FillBytes(sig[32:64])
			sig[64] = 27 + (sig[64] - 27) ^ 1
			return sig
		},
		"with a strange v": func(sig []byte) []byte { sig[64] = 35; return sig },
	} {
		s.mangle = mangle
		if got, err := w.Token(newToken()); !errors.Is(err, ErrSigner) {
			t.Errorf("a signature %s: %s, %v", name, got, err)
		}
	}
	s.mangle, s.deny = nil, true
	if _, err := w.SignTx(transfer(), big.NewInt(16661)); err == nil || !strings.Contains(err.Error(), "Request denied") {
		t.Errorf("denied: %v", err)
	}

	stranger, err := Open(Config{Signer: srv.URL, SignerAddress: other})
	if err != nil {
		t.Fatal(err)
	}
	s.deny = false
	if _, err := stranger.Token(newToken()); !errors.Is(err, ErrSigner) {
		t.Errorf("the token of another address: %v", err)
	}
	if _, err := stranger.SignTx(transfer(), big.NewInt(16661)); !errors.Is(err, ErrSigner) {
		t.Errorf("the transaction of another address: %v", err)
	}
}

func TestSignerThatIsNone(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) }))
	defer srv.Close()
	path := srv.URL + "/secret-path"
	if _, err := Open(Config{Signer: path, SignerAddress: address}); !errors.Is(err, ErrKey) || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("of a web server: %v", err)
	}
	if _, err := Open(Config{Signer: srv.URL}); !errors.Is(err, ErrKey) {
		t.Errorf("for nobody: %v", err)
	}
	if _, err := Open(Config{Signer: t.TempDir() + "/clef.ipc", SignerAddress: address}); !errors.Is(err, ErrKey) {
		t.Errorf("of no socket: %v", err)
	}
	if _, err := Open(Config{Signer: srv.URL, SignerAddress: address, PrivateKey: secret}); !errors.Is(err, ErrKey) {
		t.Errorf("beside a key: %v", err)
	}
}

package attest

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

const (
	memoryLife  = 24 * time.Hour
	memoryLimit = 64 << 10 // of each of two generations
)

// memory knows for a day which texts were signed for which requests. A signed text holds no time and no challenge, so
// this is all that tells an old answer from a new one. It is bounded: when there is no room, the older half is
// forgotten.
type memory struct {
	now   func() time.Time
	limit int

	mu            sync.Mutex
	recent, older map[[sha256.Size]byte]use
	turned        time.Time // when recent was begun
}

// use is the first request that a text was signed for, and when it was seen last.
type use struct {
	request string
	at      time.Time
}

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, limit: memoryLimit, recent: make(map[[sha256.Size]byte]use), turned: now()}
}

// seen notes that a text was signed for a request, and reports whether it was signed for another one before.
func (m *memory) seen(signer common.Address, text, request string) bool {
	key := sha256.Sum256(append(signer.Bytes(), text...))
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	first, ok := m.recent[key]
	if !ok {
		first, ok = m.older[key]
	}
	if !ok || now.Sub(first.at) >= memoryLife {
		first = use{request: request}
	}
	first.at = now
	if _, here := m.recent[key]; !here && (len(m.recent) >= m.limit || now.Sub(m.turned) >= memoryLife) {
		m.older, m.recent, m.turned = m.recent, make(map[[sha256.Size]byte]use), now
	}
	m.recent[key] = first
	return first.request != request
}

package billing

import "sync"

// recentChats is how many answers are found by their own id without a search.
const recentChats = 8192

// recent knows the rows of the newest answers by the answers' own ids. The oldest makes room for the newest. The zero
// value is empty and ready.
type recent struct {
	mu   sync.Mutex
	keys map[string]int64
	ring []string // in the order they came, from next on
	next int
}

// add remembers an answer. Where another one had the same id, the newer is meant.
func (r *recent) add(chatID string, key int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		r.keys = make(map[string]int64)
	}
	if _, known := r.keys[chatID]; !known {
		if len(r.ring) < recentChats {
			r.ring = append(r.ring, chatID)
		} else {
			delete(r.keys, r.ring[r.next])
			r.ring[r.next] = chatID
			r.next = (r.next + 1) % recentChats
		}
	}
	r.keys[chatID] = key
}

// key finds the row of an answer.
func (r *recent) key(chatID string) (int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, ok := r.keys[chatID]
	return key, ok
}

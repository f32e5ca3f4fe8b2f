package simprovider

import (
	"sync"
	"time"
)

// shelf keeps things by key for a limited time and in limited number; the oldest go first.
type shelf[T any] struct {
	now   func() time.Time
	ttl   time.Duration
	mu    sync.Mutex
	items map[string]shelved[T]
	order []string
}

type shelved[T any] struct {
	from, until time.Time
	value       T
}

func newShelf[T any](now func() time.Time, ttl time.Duration) *shelf[T] {
	return &shelf[T]{now: now, ttl: ttl, items: make(map[string]shelved[T])}
}

// put keeps v, to be found once delay has passed.
func (s *shelf[T]) put(key string, v T, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for len(s.order) > 0 && (len(s.order) >= maxKept || s.items[s.order[0]].until.Before(now)) {
		delete(s.items, s.order[0])
		s.order = s.order[1:]
	}
	s.items[key] = shelved[T]{from: now.Add(delay), until: now.Add(delay + s.ttl), value: v}
	s.order = append(s.order, key)
}

// each calls f with everything that is kept.
func (s *shelf[T]) each(f func(T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.items {
		f(it.value)
	}
}

func (s *shelf[T]) get(key string) (v T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.items[key]
	if now := s.now(); !ok || now.Before(it.from) || now.After(it.until) {
		return v, false
	}
	return it.value, true
}

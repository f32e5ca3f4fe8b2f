package billing

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
)

func cpuTime(b *testing.B) int64 {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// BenchmarkStoreOpenClose measures one request in the store: cpu-µs/req is what the whole process spent on it, ids of two
// kinds: such that grow with time and random ones.
func BenchmarkStoreOpenClose(b *testing.B) {
	for _, workers := range []int{1, 32} {
		for _, kind := range []string{"sorted", "random"} {
			b.Run(fmt.Sprintf("%s/%d", kind, workers), func(b *testing.B) { benchOpenClose(b, workers, kind == "random", 0) })
		}
	}
}

// BenchmarkStoreBesideWork measures the same on a machine that is busy with other work; other-µs/req is that work, measured
// without the store.
func BenchmarkStoreBesideWork(b *testing.B) { benchOpenClose(b, 32, false, 400) }

func benchOpenClose(b *testing.B, workers int, random bool, rounds int) {
	b.Helper()
	store, err := Open(b.Context(), b.TempDir(), StoreOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	}()
	m := NewMeter(store, MeterConfig{})
	doc := []byte(`{"id":"chatcmpl-1","choices":[{"delta":{"content":"some words"}}],"usage":{"prompt_tokens":12,"completion_tokens":3}}`)
	work := func() {
		for range rounds {
			var v struct{ ID string }
			if err := json.Unmarshal(doc, &v); err != nil {
				b.Error(err)
			}
		}
	}
	other := cpuTime(b)
	for range 200 {
		work()
	}
	other = (cpuTime(b) - other) / 200
	var n atomic.Uint64
	b.ReportAllocs()
	b.SetParallelism(workers)
	b.ResetTimer()
	start := cpuTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := fmt.Sprintf("req_%024x", n.Add(1))
			if random {
				var x [12]byte
				_, _ = rand.Read(x[:])
				id = "req_" + hex.EncodeToString(x[:])
			}
			r := mustOpen(b, m, order(id, alice))
			work()
			r.Close(answered())
		}
	})
	if err := store.Flush(); err != nil {
		b.Fatal(err)
	}
	spent := float64(cpuTime(b)-start) / float64(b.N)
	b.ReportMetric(spent/1000, "cpu-µs/req")
	if rounds > 0 {
		b.ReportMetric(float64(other)/1000, "other-µs/req")
		b.ReportMetric((spent-float64(other))/1000, "store-µs/req")
	}
}

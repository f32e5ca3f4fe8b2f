package billing

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// BenchmarkStoreOpenClose measures one request in the store, with ids of two kinds: such that grow with time, and
// random ones. cpu-µs/req is what the whole process spent on it.
func BenchmarkStoreOpenClose(b *testing.B) {
	for _, workers := range []int{1, 32} {
		for _, kind := range []string{"sorted", "random"} {
			b.Run(fmt.Sprintf("%s/%d", kind, workers), func(b *testing.B) { benchOpenClose(b, workers, kind == "random", 0) })
		}
	}
}

// BenchmarkStoreBesideWork measures the same on a machine that is busy with other work, where what matters is how many
// records share a commit (records/commit) and what the writer itself spends (writer-µs/req).
func BenchmarkStoreBesideWork(b *testing.B) { benchOpenClose(b, 32, false, 200) }

func benchOpenClose(b *testing.B, workers int, random bool, rounds int) {
	b.Helper()
	reg := prometheus.NewRegistry()
	store, err := Open(b.Context(), b.TempDir(), StoreOptions{Registerer: reg})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	}()
	// Bound to a thread, the writer's share can be told from that of all the others.
	writer := func() (spent int64) {
		if err := store.writer.do(false, func(*session) error {
			runtime.LockOSThread()
			spent = cpuTime(b, unix.RUSAGE_THREAD)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		return spent
	}
	m := NewMeter(store, MeterConfig{})
	doc := []byte(`{"id":"chatcmpl-1","choices":[{"delta":{"content":"some words"}}],"usage":{"prompt_tokens":12,"completion_tokens":3}}`)
	var n atomic.Uint64
	b.ReportAllocs()
	b.SetParallelism(workers)
	writerBefore := writer()
	commitsBefore, recordsBefore := groups(b, reg)
	before := cpuTime(b, unix.RUSAGE_SELF)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := fmt.Sprintf("req_%024x", n.Add(1))
			if random {
				var x [12]byte
				_, _ = rand.Read(x[:]) // never fails
				id = "req_" + hex.EncodeToString(x[:])
			}
			r := mustOpen(b, m, order(id, alice))
			for range rounds {
				var v struct{ ID string }
				if err := json.Unmarshal(doc, &v); err != nil {
					b.Error(err)
				}
			}
			r.Close(answered())
		}
	})
	b.StopTimer()
	writerSpent := writer() - writerBefore // and everything queued is written
	spent := cpuTime(b, unix.RUSAGE_SELF) - before
	commits, records := groups(b, reg)
	b.ReportMetric(float64(spent)/float64(b.N)/1000, "cpu-µs/req")
	b.ReportMetric(float64(writerSpent)/float64(b.N)/1000, "writer-µs/req")
	b.ReportMetric((records-recordsBefore)/(commits-commitsBefore), "records/commit")
}

// cpuTime is the processor time used so far, in nanoseconds.
func cpuTime(b *testing.B, who int) int64 {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(who, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// groups is how many commits there were and how many records they held.
func groups(b *testing.B, reg *prometheus.Registry) (commits, records float64) {
	b.Helper()
	families, err := reg.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "zgproxy_store_batch_size" {
			h := f.GetMetric()[0].GetHistogram()
			commits, records = float64(h.GetSampleCount()), h.GetSampleSum()
		}
	}
	return commits, records
}

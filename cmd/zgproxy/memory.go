package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/memory"
)

const goMemLimit = "GOMEMLIMIT"

// limitMemory has the collector keep within what the control group lets this process have, unless the operator has said
// something himself. A tenth is for what is not Go's: the files that are mapped, stacks of threads, the kernel's
// buffers.
func limitMemory(log zerolog.Logger, proc, groups string) {
	if v, set := os.LookupEnv(goMemLimit); set {
		log.Info().Str("limit", v).Str("from", goMemLimit).Msg("memory limit")
		return
	}
	limit, from := memory.CgroupLimit(proc, groups)
	if limit == 0 {
		return
	}
	debug.SetMemoryLimit(limit / 10 * 9)
	log.Info().Int64("limit", limit/10*9).Str("from", from).Msg("memory limit")
}

// newMemory is the budget for everything that is held whole: what is configured, but no more than half of what there
// is.
func newMemory(cfg config.Config, log zerolog.Logger, reg prometheus.Registerer) *memory.Budget {
	most := int64(cfg.Memory)
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 && most > limit/2 {
		most = limit / 2
	}
	b := memory.New(most)
	log.Info().Int64("bytes", most).Msg("memory for requests, bodies and answers that are held")
	if largest := b.Most(memory.Bodies) / 2; largest < int64(cfg.MaxBody) {
		log.Warn().Int64("largest", largest).
			Msg("bodies as large as ZGPROXY_MAX_BODY do not fit into this memory and are refused with 413")
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zgproxy_memory_held_bytes", Help: "Memory set aside for requests, bodies and answers that are held.",
		}, func() float64 { now, _ := b.Used(); return float64(now) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zgproxy_memory_held_peak_bytes", Help: "Highest zgproxy_memory_held_bytes since the start.",
		}, func() float64 { _, peak := b.Used(); return float64(peak) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zgproxy_memory_limit_bytes", Help: "Limit of zgproxy_memory_held_bytes.",
		}, func() float64 { return float64(most) }),
	)
	return b
}

// Package growth measures, in tests, how the work of reading strangers' bytes grows with their number, and fails where
// it grows faster than they do. A reader that looks at everything again for each thing it finds is quick with what
// people send, and takes minutes for what an attacker sends.
//
// Nothing here depends on how fast or how busy a machine is: what is measured is the processor time of the measuring
// thread and the memory it asks for, each size is compared with smaller ones of the same run, and what looks too slow
// is measured again before it counts. A reader whose work grows with the square of its input is a thousand times slower
// for each byte of 1 MiB than for each byte of 1 KiB; what is tolerated is a factor of 8.
package growth

import (
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"
)

const (
	// factor is how many times the cost of a byte may be that of a byte in a smaller input. Caches, the growing of buffers
	// and sorting make up to 4 of it.
	factor = 8
	// What costs less than this for a byte is as good as free: it is the order of copying it, which caches decide about.
	freeTime   = 6 * time.Nanosecond
	freeMemory = 16 // bytes
	// again is how often what looks too slow is measured again, in turn with what it is compared with.
	again = 4
	// enough is how long a measurement takes at least, so that the clock's resolution does not matter.
	enough = 200 * time.Microsecond
	// most is how often a text is read for one measurement.
	most = 1 << 12
)

// Variable is the environment variable that names the largest size to measure, in bytes.
const Variable = "ZG_GROWTH_BYTES"

const (
	smallest = 1 << 10
	large    = 16 << 10 // is measured once, unless it looks too slow
	ofFuzz   = 32 << 10
	step     = 16 // from one size to the next
)

// Reader is one way in for strangers' bytes.
type Reader struct {
	Name string
	Read func(text []byte)
	// Most is the largest size that comes this way; 0: any. What is larger is refused before it is read.
	Most int
}

// cost is that of one byte.
type cost struct {
	time   time.Duration // times a thousand: a byte takes less than a nanosecond at times
	memory float64       // bytes
	size   int           // of the text
}

// Check fails the test where a reader's work grows faster than its input, in one of the shapes.
func Check(t *testing.T, reader Reader, shapes ...Shape) {
	t.Helper()
	if watched {
		t.Skip("most of the work is the race detector's")
	}
	largest := usual
	if text := os.Getenv(Variable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s is not a number of bytes: %v", Variable, err)
		}
		largest = n
	}
	for _, s := range shapes {
		worst, err := follow(reader, s, smallest, largest)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Logf("%-28s %-28s %8d bytes: %7.1f ns and %6.1f B for each",
			reader.Name, s.Name, worst.size, worst.nanoseconds(), worst.memory)
	}
}

// Fuzz looks for shapes in which the work of a reader grows faster than its input. The seeds are those of Check.
func Fuzz(f *testing.F, readers []Reader, seeds ...Shape) {
	f.Helper()
	// Without -fuzz the seeds are run as a test, which Check does better.
	if flag.Lookup("test.fuzz").Value.String() == "" {
		seeds = seeds[:min(len(seeds), 3)]
	}
	for _, s := range seeds {
		f.Add(s.Open, s.Unit, s.Close)
	}
	f.Fuzz(func(t *testing.T, begin, unit, end string) {
		if len(begin)+len(end) > 256 || len(unit) > 512 || unit == "" {
			t.Skip()
		}
		s := Shape{Name: fmt.Sprintf("%q, %q and %q", begin, unit, end), Open: begin, Unit: unit, Close: end}
		for _, r := range readers {
			if _, err := follow(r, s, smallest, ofFuzz); err != nil {
				t.Error(err)
			}
		}
	})
}

// follow measures a shape at growing sizes, and returns the dearest. It ends at the first that is too dear.
func follow(r Reader, s Shape, from, to int) (worst cost, err error) {
	if r.Most > 0 {
		to = min(to, r.Most)
	}
	least := cost{time: math.MaxInt64, memory: math.Inf(1)}
	var small []byte // the text that was cheapest so far
	for size := from; ; size = min(size*step, to) {
		text := s.Text(size)
		now := measure(r, text)
		for n := 0; n < again && small != nil && now.exceeds(least); n++ {
			least = least.or(undisturbed(r, small))
			now = now.and(undisturbed(r, text))
		}
		if small != nil && now.exceeds(least) {
			return now, fmt.Errorf("%s, %s: a byte of %d costs %.1f ns and %.1f B, "+
				"a byte of %d costs %.1f ns and %.1f B; tolerated is a factor of %d",
				r.Name, s.Name, now.size, now.nanoseconds(), now.memory, least.size, least.nanoseconds(), least.memory, factor)
		}
		if now.time < least.time {
			small = text
			least.time, least.size = now.time, now.size
		}
		least.memory = min(least.memory, now.memory)
		if now.time > worst.time {
			worst = now
		}
		if size >= to {
			return worst, nil
		}
	}
}

// exceeds reports whether a byte costs too much more than one in another input.
func (c cost) exceeds(other cost) bool {
	return c.time > factor*max(other.time, thousandfold(freeTime)) || c.memory > factor*max(other.memory, freeMemory)
}

// and is the better of two measurements of one thing.
func (c cost) and(o cost) cost { return cost{min(c.time, o.time), min(c.memory, o.memory), c.size} }

// or is the worse of two, so that a lucky first measurement is no measure.
func (c cost) or(o cost) cost { return cost{max(c.time, o.time), c.memory, c.size} }

// measure is the best of a few measurements; what is quickly read is easily disturbed.
func measure(r Reader, text []byte) cost {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := once(r, text)
	for n := 0; n < again && len(text) < large; n++ {
		best = best.and(once(r, text))
	}
	return best
}

// undisturbed measures again, and takes the time without the collector, whose cycles hit one long reading and pass
// between many short ones. The memory is that with it: what was asked for is counted late while it is off. Longer texts
// are left to it, as they may need more memory than there is.
func undisturbed(r Reader, text []byte) cost {
	with := measure(r, text)
	if len(text) > 1<<20 {
		return with
	}
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	with.time = min(with.time, measure(r, text).time)
	return with
}

// once reads a text as often as it takes to see how long that takes.
func once(r Reader, text []byte) cost {
	took, got := run(r, text, 1)
	n := 1
	if took < enough {
		n = int(min(most, 2*enough/max(took, time.Microsecond)+1))
		took, got = run(r, text, n)
	}
	bytes := float64(n) * float64(max(len(text), 1))
	return cost{time: time.Duration(float64(thousandfold(took)) / bytes), memory: float64(got) / bytes, size: len(text)}
}

func run(r Reader, text []byte, n int) (took time.Duration, got uint64) {
	before, began := allocated(), processorTime()
	for range n {
		r.Read(text)
	}
	return processorTime() - began, allocated() - before
}

// allocated is how many bytes were asked for since the start, but for small ones of the last moments. Other goroutines
// count, so that Check and Fuzz belong in tests that run alone. The world is not stopped for it, as
// runtime.ReadMemStats does: on a busy machine that takes longer than what is measured.
func allocated() uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}

func thousandfold(d time.Duration) time.Duration { return 1000 * d }

func (c cost) nanoseconds() float64 { return float64(c.time) / 1000 }

package growth

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what the calling thread has used, with the kernel's time for it. What else runs does not count.
func processorTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		panic("growth: processor time cannot be read: " + err.Error())
	}
	return time.Duration(now.Nano())
}

//go:build !linux

package growth

import (
	"syscall"
	"time"
)

// processorTime is what the process has used: systems other than Linux do not tell that of a thread.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("growth: processor time cannot be read: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

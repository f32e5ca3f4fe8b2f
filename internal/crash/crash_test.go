//go:build !crashpoints

package crash

import "testing"

// Points are compiled in everywhere; in an ordinary build they must not do anything, whatever the environment says.
func TestPointsDoNothing(t *testing.T) {
	if Enabled {
		t.Fatal("this is a build for tests")
	}
	t.Setenv("ZGPROXY_CRASH_AT", "here:1")
	Point("here")
	if n := testing.AllocsPerRun(100, func() { Point("here") }); n != 0 {
		t.Errorf("a point allocates %v times", n)
	}
}

//go:build race

package growth

// usual is the largest size where Variable is not set. With the race detector everything takes several times as long.
const usual = 32 << 10

// watched says that work cannot be measured: most of it is the race detector's.
const watched = true

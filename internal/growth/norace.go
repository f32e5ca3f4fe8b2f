//go:build !race

package growth

// usual is the largest size where Variable is not set.
const usual = 128 << 10

// watched says that work cannot be measured.
const watched = false

//go:build nostore

package billing

// RecordsNothing marks a build for benchmarks whose store takes the records of requests and writes none of them, so
// that what writing them costs can be measured. Such a build says what it is and works on the devnet only.
const RecordsNothing = true

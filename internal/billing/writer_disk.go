//go:build !nostore

package billing

// RecordsNothing marks a build for benchmarks whose store takes the records of requests and writes none of them.
const RecordsNothing = false

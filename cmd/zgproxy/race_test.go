//go:build race

package main

// raced marks a build with the race detector, in which everything takes several times as long.
const raced = true

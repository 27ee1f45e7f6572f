//go:build race

package queue_test

// raceDetector says that all takes ten times as long.
const raceDetector = true

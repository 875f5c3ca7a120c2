//go:build !linux

package main

import "time"

// threadTime is the time that passes: there is no better clock here.
func threadTime() time.Duration { return time.Since(processStart) }

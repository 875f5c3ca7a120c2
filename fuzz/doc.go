// Package fuzz has what every test of verdicts shares: a generator of valid
// programs and of packets that reach into them, and one comparer that runs a
// program on packets in every engine there is and says where two disagree. The
// tests, the fuzz targets and `bpfc -verify` see the same engines.
package fuzz

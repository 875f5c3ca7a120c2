package pcapfilter

import (
	"strings"
	"testing"
)

func BenchmarkCompile(b *testing.B) {
	hosts := func(n int) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = "host " + ip4(0x0a000000+uint32(i)*2654435761>>8).String()
		}
		return strings.Join(parts, " or ")
	}
	for name, expr := range map[string]string{
		"tcp80":      "tcp port 80",
		"http":       "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
		"hosts1000":  hosts(1000),
		"hosts10000": hosts(10000),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Compile(expr, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

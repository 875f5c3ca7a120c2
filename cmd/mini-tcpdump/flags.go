package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/bpfjit/bpfjit/bpfc/pcapfilter"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/cmd/mini-tcpdump/internal/packetline"
	"github.com/bpfjit/bpfjit/internal/cli"
)

// engine is who decides which packets match.
type engine uint8

const (
	engineAuto   engine = iota // native code, or the interpreter where there is none
	engineNative               // native code
	engineInterp               // the interpreter
	engineKernel               // the kernel, before packets get into the ring
	engineBoth                 // interpreter and native code, compared
)

var engineNames = []string{"auto", "native", "interp", "kernel", "both"}

// options is what the command line says.
type options struct {
	iface, read, write string
	args               []string // the expression
	program            string   // -f: a program's file
	exprFile           string   // -F: an expression's file
	count              int64    // 0: no limit
	snapLen            int      // 0: whole packets
	line               packetline.Options
	numbers            bool // -n
	times              int  // how many -t
	noPromiscuous      bool
	direction          capture.Direction
	list               int // how many -d
	dump               bool
	engine             engine
	stats              time.Duration // 0: none
	threads            int
	fanout             capture.FanoutMode
	ringMiB            int
	vlan               capture.VLANMode
	vlanGiven          bool
	hardwareTime       bool
	user               string
	devices, help      bool
	link               capture.LinkType
	linkGiven          bool
	flows              time.Duration // 0: none
	alarm              uint64
	dns                bool
	unbuffered         bool // -l, -U
	print              bool
}

// switches are the flags without a value. Those of one letter can be bundled.
var switches = map[string]func(*options){
	"n": func(o *options) { o.numbers = true },
	"e": func(o *options) { o.line.Link = true },
	"x": func(o *options) { o.moreDump(packetline.Hex, packetline.HexLink) },
	"X": func(o *options) { o.moreDump(packetline.HexText, packetline.HexTextLink) },
	"q": func(o *options) { o.line.Quiet = true },
	"t": func(o *options) { o.times++ },
	"p": func(o *options) { o.noPromiscuous = true },
	"d": func(o *options) { o.list++ },
	"D": func(o *options) { o.devices = true },
	"h": func(o *options) { o.help = true },
	"l": func(o *options) { o.unbuffered = true },
	"U": func(o *options) { o.unbuffered = true },
	"S": func(*options) {}, // sequence numbers are absolute as it is

	"dump":  func(o *options) { o.dump = true },
	"dns":   func(o *options) { o.dns = true },
	"print": func(o *options) { o.print = true },
	"nano":  func(o *options) { o.line.Nanos = true },
	"micro": func(o *options) { o.line.Nanos = false },
	"help":  func(o *options) { o.help = true },
}

// settings are the flags with a value.
var settings = map[string]func(*options, string) error{
	"i": func(o *options, v string) error { return name(&o.iface, v) },
	"r": func(o *options, v string) error { return name(&o.read, v) },
	"w": func(o *options, v string) error { return name(&o.write, v) },
	"f": func(o *options, v string) error { return name(&o.program, v) },
	"F": func(o *options, v string) error { return name(&o.exprFile, v) },
	"Z": func(o *options, v string) error { return name(&o.user, v) },
	"c": func(o *options, v string) error {
		n, err := cli.Number(v, 1, math.MaxInt64)
		o.count = n
		return err
	},
	"s": func(o *options, v string) error {
		n, err := cli.Number(v, 0, pcapfilter.DefaultSnapLen)
		o.snapLen = int(n)
		return err
	},
	"B": func(o *options, v string) error {
		n, err := cli.Number(v, 2, 1<<20)
		o.ringMiB = int(n)
		return err
	},
	"threads": func(o *options, v string) error {
		n, err := cli.Number(v, 1, 256)
		o.threads = int(n)
		return err
	},
	"alarm": func(o *options, v string) error {
		n, err := cli.Number(v, 1, math.MaxInt64)
		o.alarm = uint64(n)
		return err
	},
	"stats": func(o *options, v string) error { return duration(&o.stats, v) },
	"flows": func(o *options, v string) error { return duration(&o.flows, v) },
	"fanout": func(o *options, v string) (err error) {
		o.fanout, err = capture.ParseFanoutMode(v)
		return err
	},
	"Q": func(o *options, v string) error {
		d, err := choice(v, "inout", "in", "out")
		o.direction = capture.Direction(d)
		return err
	},
	"vlan": func(o *options, v string) error {
		m, err := choice(v, "kernel", "wire")
		o.vlan, o.vlanGiven = capture.VLANMode(m), true
		return err
	},
	"engine": func(o *options, v string) error {
		e, err := choice(v, engineNames...)
		o.engine = engine(e)
		return err
	},
	"j": func(o *options, v string) error {
		// The names are tcpdump's; the kernel tells no difference between the
		// two of the card.
		n, err := choice(v, "host", "adapter", "adapter_unsynced")
		o.hardwareTime = n > 0
		return err
	},
	"time-stamp-precision": func(o *options, v string) error {
		n, err := choice(v, "micro", "nano")
		o.line.Nanos = n == 1
		return err
	},
	"y": func(o *options, v string) error {
		l, err := pcapfilter.ParseLinkType(v)
		o.link, o.linkGiven = capture.FromDLT(uint32(l.Number())), true
		return err
	},
}

// parseFlags makes options of the arguments. Flags may stand before the
// expression and behind it. Its errors are usage errors.
func parseFlags(args []string) (*options, error) {
	o := &options{link: capture.LinkEthernet, threads: 1, ringMiB: 64, alarm: 10000}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			o.args = append(o.args, args...)
			break
		}
		used, err := o.flag(arg, args)
		if errors.Is(err, errNoFlag) && len(o.args) == 0 && strings.HasPrefix(arg, "-") && len(arg) > 1 {
			return nil, cli.Usagef("%s: unknown flag; mini-tcpdump -h lists them", arg)
		} else if errors.Is(err, errNoFlag) {
			// Behind the beginning of an expression, a minus may be its own.
			o.args = append(o.args, arg)
			continue
		} else if err != nil {
			flag, _, _ := strings.Cut(arg, "=")
			return nil, cli.Usagef("%s: %w", flag, err)
		}
		args = args[used:]
	}
	if err := o.finish(); err != nil {
		return nil, cli.Usagef("%w", err)
	}
	return o, nil
}

// errNoFlag: the argument is none.
var errNoFlag = errors.New("unknown flag")

// flag takes in one argument, and returns how many of those behind it belong to
// it.
func (o *options) flag(arg string, rest []string) (used int, err error) {
	if len(arg) < 2 || arg[0] != '-' {
		return 0, errNoFlag
	}
	name, value, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
	if set := settings[name]; set != nil {
		if hasValue {
			return 0, set(o, value)
		}
		if len(rest) == 0 {
			return 0, errors.New("a value is missing")
		}
		return 1, set(o, rest[0])
	}
	if set := switches[name]; set != nil && !hasValue {
		set(o)
		return 0, nil
	}
	return o.bundle(arg[1:], rest)
}

// bundle takes in flags of one letter in one argument, of which the last may
// have a value.
func (o *options) bundle(letters string, rest []string) (used int, err error) {
	end := strings.IndexFunc(letters, func(r rune) bool { return settings[string(r)] != nil })
	only := letters
	if end >= 0 {
		only = letters[:end]
	}
	for _, r := range only {
		if switches[string(r)] == nil {
			return 0, errNoFlag
		}
	}
	for _, r := range only {
		switches[string(r)](o)
	}
	if end < 0 {
		return 0, nil
	}
	set, value := settings[letters[end:end+1]], letters[end+1:]
	if value != "" {
		return 0, set(o, value)
	}
	if len(rest) == 0 {
		return 0, errors.New("a value is missing")
	}
	return 1, set(o, rest[0])
}

// finish checks what flags mean together.
func (o *options) finish() error {
	if o.times > int(packetline.First) {
		return fmt.Errorf("-t can be given %d times at most", packetline.First)
	}
	o.line.Time = packetline.TimeStyle(o.times)
	filters := 0
	for _, given := range []bool{o.program != "", o.exprFile != "", len(o.args) > 0} {
		if given {
			filters++
		}
	}
	listing := o.list > 0 || o.dump
	live := o.read == "" && !listing
	switch {
	case o.help || o.devices:
		return nil
	case filters > 1:
		return errors.New("more than one filter: an expression, -f FILE and -F FILE exclude each other")
	case o.list > 3:
		return errors.New("-d can be given 3 times at most")
	case o.list > 0 && o.dump:
		return errors.New("-d and -dump exclude each other")
	case o.iface != "" && o.read != "":
		return errors.New("-i and -r exclude each other")
	case live && o.iface == "":
		return errors.New("where packets are to come from is missing: -i INTERFACE or -r FILE")
	case o.engine == engineKernel && !live && !listing:
		return errors.New("-engine kernel: the kernel filters what it captures, which needs -i")
	case o.engine == engineKernel && o.vlan == capture.VLANWire:
		return errors.New("-engine kernel: the kernel sees packets as with -vlan kernel")
	case o.threads > 1 && !live:
		return errors.New("-threads needs -i")
	case o.user != "" && !live:
		return errors.New("-Z needs -i: reading a file takes no privileges that could be dropped")
	case o.read == "-" && (o.program == "-" || o.exprFile == "-"):
		return errors.New("standard input cannot be both filter and packets")
	case o.flows > 0 && o.write == "-":
		return errors.New("-flows and -w - both write to standard output")
	case o.print && o.write == "-":
		return errors.New("-print and -w - both write to standard output")
	}
	return nil
}

// moreDump sets how packets are dumped: more if the flag is repeated.
func (o *options) moreDump(once, twice packetline.DumpStyle) {
	if o.line.Dump == once || o.line.Dump == twice {
		once = twice
	}
	o.line.Dump = once
}

// name takes a name, of which a second one would be lost.
func name(dst *string, v string) error {
	if v == "" {
		return errors.New("an empty name")
	}
	if *dst != "" {
		return fmt.Errorf("%q was given before", *dst)
	}
	*dst = v
	return nil
}

func duration(dst *time.Duration, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < time.Millisecond || d > 24*time.Hour {
		return fmt.Errorf("%q is not a time from 1ms to 24h", v)
	}
	*dst = d
	return nil
}

func choice(v string, from ...string) (int, error) {
	for i, s := range from {
		if v == s {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is none of %s", v, strings.Join(from, ", "))
}

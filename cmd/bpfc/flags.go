package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/internal/cli"
)

// options is what the command line says.
type options struct {
	file      string // the filter's file; "-" is standard input
	args      []string
	form      bpfasm.Form // Unknown: recognise it
	exprForm  bool        // -in expr
	linkType  capture.LinkType
	hasLink   bool // -y was given
	snapLen   uint32
	netmask   uint32
	dns       bool
	dialect   bpfc.Dialect
	arch      *arch
	optLevel  int
	pass      string // of -dump=PASS; empty: machine code
	emit      bpfasm.Form
	read      string // capture file; "-" is standard input
	write     string // capture file; "-" is standard output
	action    *action
	arguments map[string]bool // the flags that were given
}

// action is what a call does. Exactly one is chosen.
type action struct {
	flag   string
	run    func(*tool) error
	reads  bool // works on a capture, -r
	writes bool // -w has a meaning
	filter int  // how many filters it takes
}

// actions lists what can be done, by the flag that asks for it.
var actions = []action{
	{flag: "d", run: (*tool).list, filter: 1}, // what a filter alone gets
	{flag: "dd", run: (*tool).list, filter: 1},
	{flag: "ddd", run: (*tool).list, filter: 1},
	{flag: "emit", run: (*tool).list, filter: 1},
	{flag: "dump", run: (*tool).dump, filter: 1},
	{flag: "lir", run: (*tool).lir, filter: 1},
	{flag: "explain", run: (*tool).explain, filter: 1},
	{flag: "verify", run: (*tool).verify, reads: true, writes: true, filter: 1},
	{flag: "bench", run: (*tool).bench, reads: true, filter: 1},
	{flag: "diff", run: (*tool).diff, reads: true, writes: true, filter: 2},
	{flag: "r", run: (*tool).filter, reads: true, writes: true, filter: 1}, // what -r alone asks for
	{flag: "version", run: (*tool).version},
	{flag: "h", run: (*tool).usage},
}

// dumpFlag is -dump, which may have a value or none.
type dumpFlag struct{ pass *string }

func (d dumpFlag) IsBoolFlag() bool { return true }
func (d dumpFlag) String() string   { return "" }
func (d dumpFlag) Set(s string) error {
	if s != "true" {
		*d.pass = s
	}
	return nil
}

// switchFlag is a flag without a value; -d=false is as good as no -d.
type switchFlag bool

func (s *switchFlag) IsBoolFlag() bool { return true }
func (s *switchFlag) String() string   { return strconv.FormatBool(bool(*s)) }
func (s *switchFlag) Set(v string) error {
	if v != "true" && v != "false" {
		return errors.New("it takes no value")
	}
	*s = v == "true"
	return nil
}

// nameFlag is a flag whose value is a file. A second one would be lost.
type nameFlag struct{ name *string }

func (n nameFlag) String() string { return "" }
func (n nameFlag) Set(s string) error {
	if *n.name != "" {
		return fmt.Errorf("%q was given before", *n.name)
	}
	*n.name = s
	return nil
}

// flagForms has the forms that have flags of their own, as in tcpdump.
var flagForms = map[string]bpfasm.Form{"d": bpfasm.Listing, "dd": bpfasm.DD, "ddd": bpfasm.DDD}

// parseFlags makes options of the arguments. Its errors are usage errors.
func parseFlags(args []string) (*options, error) {
	o := &options{linkType: capture.LinkEthernet, arguments: map[string]bool{}}
	var linkType, netmask, form, dialect, archName, emit, level, snapLen string
	fs := flag.NewFlagSet("bpfc", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Var(nameFlag{&o.file}, "f", "")
	fs.StringVar(&form, "in", "", "")
	fs.StringVar(&linkType, "y", "", "")
	fs.StringVar(&snapLen, "s", "0", "")
	fs.StringVar(&netmask, "m", "", "")
	fs.StringVar(&dialect, "dialect", "libpcap", "")
	fs.StringVar(&archName, "arch", "", "")
	fs.StringVar(&level, "O", "1", "")
	fs.Var(dumpFlag{&o.pass}, "dump", "")
	fs.StringVar(&emit, "emit", "", "")
	fs.Var(nameFlag{&o.read}, "r", "")
	fs.Var(nameFlag{&o.write}, "w", "")
	for _, name := range []string{"d", "dd", "ddd", "lir", "explain", "verify", "bench", "diff", "dns", "version"} {
		fs.Var(new(switchFlag), name, "")
	}
	if err := fs.Parse(flagsFirst(fs, args)); errors.Is(err, flag.ErrHelp) {
		o.action = actionOf("h")
		return o, nil
	} else if err != nil {
		return nil, cli.Usagef("%v; bpfc -h lists the flags", err)
	}
	fs.Visit(func(f *flag.Flag) {
		s, isSwitch := f.Value.(*switchFlag)
		o.arguments[f.Name] = !isSwitch || bool(*s)
	})
	o.args = fs.Args()
	o.dns = o.arguments["dns"]

	if err := o.chooseAction(); err != nil {
		return nil, err
	}
	for _, set := range []func() error{
		func() error { return o.setForms(form, emit) },
		func() error { return o.setDialect(dialect) },
		func() error { return o.setArch(archName) },
		func() error { return o.setLinkType(linkType) },
		func() error { return o.setNetmask(netmask) },
		func() error { return setNumber(&o.snapLen, "s", snapLen) },
		func() error { return setNumber(&o.optLevel, "O", level) },
		o.checkPlacement,
	} {
		if err := set(); err != nil {
			return nil, cli.Usagef("%w", err)
		}
	}
	return o, nil
}

// flagsFirst moves flags that stand behind the expression to its front. There,
// only what is a known flag counts as one: an expression may have a minus.
func flagsFirst(fs *flag.FlagSet, args []string) []string {
	var flags, rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		name, _, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		f := fs.Lookup(name)
		switch {
		case len(arg) < 2 || arg[0] != '-' || f == nil && len(rest) > 0 && name != "h" && name != "help":
			rest = append(rest, arg)
			continue
		case f == nil: // let fs say that there is none
			return []string{arg}
		}
		flags = append(flags, arg)
		if hasValue || isBool(f) {
			continue
		}
		if i++; i == len(args) {
			return flags // let fs say that it needs a value
		}
		flags = append(flags, args[i])
	}
	return append(append(flags, "--"), rest...)
}

// isBool tells flags that need no value.
func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

func actionOf(flag string) *action {
	for i := range actions {
		if actions[i].flag == flag {
			return &actions[i]
		}
	}
	return nil
}

// chooseAction finds what is to be done. -r asks for something only when
// nothing else does.
func (o *options) chooseAction() error {
	for i := range actions {
		a := &actions[i]
		if !o.arguments[a.flag] || a.flag == "r" && o.action != nil {
			continue
		}
		if o.action != nil {
			return cli.Usagef("-%s and -%s exclude each other", o.action.flag, a.flag)
		}
		o.action = a
	}
	if o.action == nil {
		o.action = actionOf("d")
	}
	return nil
}

// checkPlacement checks that the action has what it needs and nothing else.
func (o *options) checkPlacement() error {
	a := o.action
	switch {
	case a.filter == 0:
		return nil
	case o.arguments["r"] && o.read == "":
		return errors.New("-r needs a file name")
	case a.reads && o.read == "":
		return fmt.Errorf("-%s needs packets: -r FILE", a.flag)
	case !a.reads && o.arguments["r"]:
		return fmt.Errorf("-%s does not go with -r, which runs the filter over packets", a.flag)
	case !a.writes && o.arguments["w"]:
		return errors.New("-w writes packets that match: it needs -r FILE, alone or with -verify or -diff")
	case o.arguments["w"] && o.write == "":
		return errors.New("-w needs a file name")
	case o.arguments["f"] && o.file == "":
		return errors.New("-f needs a file name")
	case o.file == "-" && o.read == "-":
		return errors.New("-f - and -r -: standard input cannot be both filter and packets")
	case a.filter == 2:
		n := len(o.args)
		if o.file != "" {
			n++
		}
		if n != 2 {
			return fmt.Errorf("-%s needs two filters, each one argument or -f FILE: there are %d", a.flag, n)
		}
	case o.file != "" && len(o.args) > 0:
		return fmt.Errorf("two filters: -f %s and %q", o.file, strings.Join(o.args, " "))
	case o.file == "" && len(o.args) == 0 && !a.reads:
		return errors.New("no filter: give an expression, a program or -f FILE; bpfc -h lists the flags")
	}
	if a.reads && !o.arch.native() && o.arguments["arch"] {
		return fmt.Errorf("-arch %s: this machine is %s, so its code can be listed but not run", o.arch.name, runtime.GOARCH)
	}
	return nil
}

func (o *options) setForms(in, emit string) (err error) {
	switch {
	case !o.arguments["in"]:
	case in == "expr":
		o.exprForm = true
	default:
		if o.form, err = bpfasm.ParseForm(in); err != nil {
			return fmt.Errorf("-in: %w, expr", err)
		}
		if !o.form.Readable() {
			return fmt.Errorf("-in %s: this form can only be written", in)
		}
	}
	o.emit = flagForms[o.action.flag]
	if o.action.flag == "emit" {
		if o.emit, err = bpfasm.ParseForm(emit); err != nil {
			return fmt.Errorf("-emit: %w", err)
		}
	}
	if o.action.flag == "d" && o.emit == bpfasm.Unknown {
		o.emit = bpfasm.Listing
	}
	return nil
}

func (o *options) setDialect(s string) (err error) {
	if o.dialect, err = bpfc.ParseDialect(s); err != nil {
		return fmt.Errorf("-dialect: %w", err)
	}
	return nil
}

// setArch finds the architecture. Without -arch it is this machine's, or, where
// there is no code for this machine, the first.
func (o *options) setArch(s string) error {
	if !o.arguments["arch"] {
		if o.arch = findArch(runtime.GOARCH); o.arch == nil {
			o.arch = &arches[0]
		}
		return nil
	}
	if o.arch = findArch(s); o.arch == nil {
		return fmt.Errorf("-arch: unknown architecture %q: one of %s", s, archNames())
	}
	return nil
}

// setNumber takes the value of a flag that is a number.
func setNumber[N int | uint32](dst *N, flag, s string) error {
	n, err := cli.Number(s, 0, math.MaxInt32)
	if err != nil {
		return fmt.Errorf("-%s: %w", flag, err)
	}
	*dst = N(n)
	return nil
}

func (o *options) setLinkType(s string) error {
	if !o.arguments["y"] {
		return nil
	}
	l, err := parseLinkType(s)
	if err != nil {
		return err
	}
	o.linkType, o.hasLink = l, true
	return nil
}

// setNetmask takes a netmask as people write it, or as a number: that of the
// network the packets are from, for "ip broadcast".
func (o *options) setNetmask(s string) error {
	if !o.arguments["m"] {
		return nil
	}
	if parts := strings.Split(s, "."); len(parts) == 4 {
		for _, p := range parts {
			b, err := strconv.ParseUint(p, 10, 8)
			if err != nil {
				return fmt.Errorf("-m: %q is not a netmask like 255.255.255.0 or 0xffffff00", s)
			}
			o.netmask = o.netmask<<8 | uint32(b)
		}
		return nil
	}
	v, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return fmt.Errorf("-m: %q is not a netmask like 255.255.255.0 or 0xffffff00", s)
	}
	o.netmask = uint32(v)
	return nil
}

#!/usr/bin/env bash
# Nanoseconds per packet of every engine, libpcap's bpf_filter among them, on
# the same programs and packets:  bench/run.sh [DIR [NAME...]]
#
# DIR has the packets, mix.pcap, and the programs, filters/NAME.opt.ddd. Without
# it the packets are made by bench/gen and the programs are those of
# testdata/filters and lists of hosts. CAPTURE in the environment is another
# file of packets. The names default to the 12 everyday filters and the lists.
#
# For each filter all engines take turns ROUNDS times (3), each round itself the
# median of 15 repetitions; the median round is shown. Verdict counts must
# agree. The last lines have the geometric mean of how many times faster than
# libpcap an engine is, over the everyday filters.
#
# The columns gcc and clang are the program as a C function, compiled with -O3
# for this machine and called through a pointer; libpcap's and these need gcc and
# libpcap-dev, clang's needs clang, and each is left out without. Lists of over
# MAXC instructions (2000) are not given to the C compilers: it takes minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
everyday="icmp article tcpsyn ip tcp80 udp53 host1 net16 http vlanip ip6_443 prange"
lists="hosts10 hosts100 hosts1000 srcs10 srcs100 srcs1000"
rounds=${ROUNDS:-3}
dir=${1:+$(cd "$1" && pwd)}
[ $# -gt 0 ] && shift
names=${*:-$everyday $lists}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$root"
go build -o "$tmp/bpfc" ./cmd/bpfc
go build -o "$tmp/gen" ./bench/gen
if [ -n "$dir" ]; then
    capture=$dir/mix.pcap
    programs=$dir/filters
else
    capture=$tmp/mix.pcap
    programs=$tmp/filters
    "$tmp/gen" mix "$capture"
    mkdir "$programs"
    cp testdata/filters/*.opt.ddd "$programs"
    for n in 10 100 1000; do # as they stand, one test after the other
        for kind in hosts srcs; do
            "$tmp/gen" $kind $n | "$tmp/bpfc" -f - -in expr -O 0 -ddd >"$programs/$kind$n.opt.ddd"
        done
    done
fi
capture=${CAPTURE:-$capture}

peers=
if command -v gcc >/dev/null && echo '#include <pcap/pcap.h>' | gcc -E - >/dev/null 2>&1; then
    gcc -O2 -Wall -o "$tmp/peers" "$here/peers.c" -lpcap -ldl
    peers=$tmp/peers
else
    echo "no gcc or no libpcap-dev: without libpcap" >&2
fi

# compiled NAME PROGRAM: the arguments of peers for the program in C.
compiled() {
    [ "$(head -1 "$2")" -le "${MAXC:-2000}" ] || return 0
    "$tmp/gen" c "$2" >"$tmp/$1.c"
    local cc
    for cc in gcc clang; do
        command -v $cc >/dev/null || continue
        $cc -O3 -march=native -shared -fPIC -w -o "$tmp/$1.$cc.so" "$tmp/$1.c"
        echo "$cc=$tmp/$1.$cc.so"
    done
}

for name in $names; do
    program=$programs/$name.opt.ddd
    [ -e "$program" ] || continue
    functions=
    [ -z "$peers" ] || functions=$(compiled "$name" "$program")
    for ((r = 0; r < rounds; r++)); do
        [ -z "$peers" ] || "$peers" "$capture" "$program" $functions
        "$tmp/bpfc" -bench -r "$capture" -f "$program"
    done | awk -v name="$name" 'BEGIN { FS = OFS = "\t" } { print name, $0 }'
done | awk -v everyday="$everyday" '
function median(s,    v, n, i, j, x) {
    n = split(s, v, " ")
    for (i = 2; i <= n; i++) {
        x = v[i] + 0
        for (j = i - 1; j > 0 && v[j] + 0 > x; j--) v[j + 1] = v[j]
        v[j + 1] = x
    }
    return v[int((n + 1) / 2)]
}
function row(name,    i, line) {
    line = sprintf("%-10s", name)
    for (i = 1; i <= n; i++)
        line = line (((name, engines[i]) in times) ? sprintf(" %9.2f", median(times[name, engines[i]])) : sprintf(" %9s", "-"))
    if ((name, "libpcap") in times)
        line = line sprintf(" %9.2f", median(times[name, "libpcap"]) / median(times[name, "native"]))
    print line sprintf(" %9d", matched[name])
    fflush()
}
BEGIN {
    FS = "\t"
    n = split("libpcap gcc clang interp xnet native batch", engines, " ")
    printf "%-10s", "ns/packet"
    for (i = 1; i <= n; i++) printf " %9s", engines[i]
    printf " %9s %9s\n", "native is", "matched"
    for (i = split(everyday, e, " "); i > 0; i--) counts[e[i]] = 1
}
$1 != last { if (last != "") row(last); last = $1; matched[$1] = $4; order[++rows] = $1 }
{
    if ($4 != matched[$1]) { printf "%s: %s matches %d, not %d\n", $1, $2, $4, matched[$1]; bad = 1; exit 1 }
    times[$1, $2] = times[$1, $2] " " $3
}
END {
    if (bad) exit 1
    if (last != "") row(last)
    for (i = 2; i <= n; i++) {
        sum = k = 0
        for (j = 1; j <= rows; j++)
            if (order[j] in counts && (order[j], "libpcap") in times && (order[j], engines[i]) in times) {
                sum += log(median(times[order[j], "libpcap"]) / median(times[order[j], engines[i]]))
                k++
            }
        if (k) printf "geometric mean over %d filters: %s is %.2f times as fast as libpcap\n", k, engines[i], exp(sum / k)
    }
}'

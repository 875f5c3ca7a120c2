#!/usr/bin/env bash
# How long filtering a large capture file into another takes, of tcpdump, of a Go
# loop over gopacket's pcapgo and x/net/bpf's VM, of bpfc and of mini-tcpdump:
# bench/read.sh [MIB [FILTER...]]
#
# The file, of MIB mebibytes (500), is made-up traffic: a mix of 100000 packets,
# over and over. For each filter the tools take turns ROUNDS times (9); the best
# round of each is shown, in seconds of wall clock and of processor, with the
# most memory that it took in MiB. All have to write the same packets. DIR in the
# environment is where the files go, which are as large again; the file is read
# once before, so that it comes from memory if there is enough.
#
# Exit status 1: not every tool writes the same, or bpfc or mini-tcpdump took
# more than half of the time of tcpdump or of the loop.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
mib=${1:-500}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- "ip and (udp port 53 or tcp port 443)" "tcp port 80 and host 10.0.0.1" "net 192.168.0.0/16 and tcp[tcpflags] & tcp-syn != 0"
rounds=${ROUNDS:-9}
for tool in tcpdump /usr/bin/time; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done

tmp=$(mktemp -d "${DIR:-${TMPDIR:-/tmp}}/read.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cd "$root"
go build -o "$tmp/bpfc" ./cmd/bpfc
go build -o "$tmp/mini-tcpdump" ./cmd/mini-tcpdump
(cd bench/pcapgo && go build -o "$tmp/pcapgo" .)
go run ./bench/gen mix "$tmp/mix.pcap" 100000
tail -c +25 "$tmp/mix.pcap" >"$tmp/records" # behind the file's header
cp "$tmp/mix.pcap" "$tmp/in.pcap"
while [ "$(stat -c %s "$tmp/in.pcap")" -lt $((mib << 20)) ]; do
    cat "$tmp/records" >>"$tmp/in.pcap"
done
rm "$tmp/mix.pcap" "$tmp/records"
cat "$tmp/in.pcap" >/dev/null

# once TOOL writes what one run took: wall, processor and memory.
once() {
    rm -f "$tmp/$1.pcap"
    case $1 in
    tcpdump) set -- tcpdump -r "$tmp/in.pcap" -w "$tmp/$1.pcap" "$filter" ;;
    pcapgo) set -- "$tmp/pcapgo" "$tmp/in.pcap" "$tmp/$1.pcap" "$tmp/program" ;;
    *) set -- "$tmp/$1" -r "$tmp/in.pcap" -w "$tmp/$1.pcap" "$filter" ;;
    esac
    local start=${EPOCHREALTIME/[.,]/}
    /usr/bin/time -o "$tmp/time" -f "%U %S %M" "$@" >/dev/null 2>"$tmp/stderr" || { cat "$tmp/stderr" >&2; exit 2; }
    awk -v us="$((${EPOCHREALTIME/[.,]/} - start))" '{ printf "%.3f %.2f %.0f\n", us / 1e6, $1 + $2, $3 / 1024 }' "$tmp/time"
}

# Other work on the machine goes into the wall clock, and into caches.
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || echo unknown)"
tools="tcpdump pcapgo bpfc mini-tcpdump"
failed=0
for filter; do
    tcpdump -y EN10MB -ddd "$filter" >"$tmp/program" 2>"$tmp/stderr" || { cat "$tmp/stderr" >&2; exit 2; }
    for tool in $tools; do : >"$tmp/$tool.times"; done
    for ((round = 0; round < rounds; round++)); do
        for tool in $tools; do once "$tool" >>"$tmp/$tool.times"; done
    done
    for tool in $tools; do
        # The snapshot length in the header may differ: that is 4 bytes at 16.
        cmp -s <(tail -c +25 "$tmp/tcpdump.pcap") <(tail -c +25 "$tmp/$tool.pcap") || { echo "$tool writes other packets than tcpdump" >&2; failed=1; }
    done
    echo "$filter: $(stat -c %s "$tmp/in.pcap") bytes read, $(stat -c %s "$tmp/tcpdump.pcap") written"
    for tool in $tools; do
        sort -n "$tmp/$tool.times" | head -1 | sed "s/^/$tool /"
    done | awk '
        { wall[$1] = $2; cpu[$1] = $3 + 0.001; printf "  %-13s %6.3f s  %6.2f s cpu  %4d MiB\n", $1, $2, $3, $4 }
        END {
            for (t in wall) if (t == "bpfc" || t == "mini-tcpdump") {
                printf "  %s takes %.2f of tcpdump, %.2f of pcapgo and VM; of their processor time %.2f and %.2f\n", t,
                    wall[t] / wall["tcpdump"], wall[t] / wall["pcapgo"], cpu[t] / cpu["tcpdump"], cpu[t] / cpu["pcapgo"]
                if (wall[t] > wall["tcpdump"] / 2 || wall[t] > wall["pcapgo"] / 2) bad = 1
            }
            exit bad
        }' || failed=1
done
exit $failed

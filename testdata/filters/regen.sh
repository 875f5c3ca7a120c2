#!/usr/bin/env bash
# Makes the programs of this folder from the expressions in filters.tsv, by
# tcpdump: NAME.opt.ddd optimised, NAME.raw.ddd not. Their verdicts are 262144.
# The three of an article, which keep 8192 bytes, are in article/, with the
# listings that the article shows.
#
# Recorded with tcpdump 4.99.3, libpcap 1.10.3.
set -eu
cd "$(dirname "$0")"
while IFS=$'\t' read -r name expr; do
    tcpdump -y EN10MB -s 262144 -ddd "$expr" >"$name.opt.ddd"
    tcpdump -O -y EN10MB -s 262144 -ddd "$expr" >"$name.raw.ddd"
done <filters.tsv
mkdir -p article
for name in icmp article tcpsyn; do
    expr=$(awk -F'\t' -v n="$name" '$1 == n { print $2 }' filters.tsv)
    tcpdump -O -y EN10MB -s 8192 -ddd "$expr" >"article/$name.ddd"
    tcpdump -O -y EN10MB -s 8192 -d "$expr" >"article/$name.d"
done

/* What libpcap's bpf_filter needs per packet, for comparison with bpfc -bench.
 *
 * usage: peers CAPTURE PROGRAM.ddd
 * Output: libpcap <tab> ns per packet <tab> packets that match
 *
 * The method is that of bpfc -bench: packets in memory, CPU time of the thread,
 * repetitions of at least 4 ms, their median. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPS 15
#define REP_NS 4e6

struct packet {
	u_char *data;
	bpf_u_int32 caplen, len;
};

struct capture {
	struct packet *packets;
	size_t n;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "peers: %s: %s\n", what, why);
	exit(1);
}

static void *must(void *p)
{
	if (p == NULL)
		die("memory", "out of it");
	return p;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* read_capture holds a capture's packets one behind the other, as bpfc does. */
static struct capture read_capture(const char *name)
{
	struct capture c = {NULL, 0};
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(name, err);
	struct pcap_pkthdr *h;
	const u_char *data;
	u_char *slab = NULL;
	size_t room = 0, slots = 0;
	int r;

	if (p == NULL)
		die(name, err);
	while ((r = pcap_next_ex(p, &h, &data)) == 1) {
		if (c.n == slots) {
			slots = slots ? 2 * slots : 1024;
			c.packets = must(realloc(c.packets, slots * sizeof *c.packets));
		}
		if (room < h->caplen) {
			room = h->caplen > 1 << 20 ? h->caplen : 1 << 20;
			slab = must(malloc(room));
		}
		memcpy(slab, data, h->caplen);
		c.packets[c.n++] = (struct packet){slab, h->caplen, h->len};
		slab += h->caplen;
		room -= h->caplen;
	}
	if (r == PCAP_ERROR)
		die(name, pcap_geterr(p));
	pcap_close(p);
	if (c.n == 0)
		die(name, "no packets");
	return c;
}

static struct bpf_insn *read_program(const char *name)
{
	FILE *f = fopen(name, "r");
	struct bpf_insn *prog;
	unsigned n, code, jt, jf, k;

	if (f == NULL || fscanf(f, "%u", &n) != 1)
		die(name, "no program as tcpdump -ddd prints it");
	prog = must(calloc(n, sizeof *prog));
	for (unsigned i = 0; i < n; i++) {
		if (fscanf(f, "%u %u %u %u", &code, &jt, &jf, &k) != 4)
			die(name, "an instruction is missing");
		prog[i] = (struct bpf_insn){code, jt, jf, k};
	}
	fclose(f);
	if (!bpf_validate(prog, n))
		die(name, "not valid");
	return prog;
}

static size_t __attribute__((noinline)) once(const struct bpf_insn *prog, const struct capture *c)
{
	size_t matched = 0;

	for (size_t i = 0; i < c->n; i++)
		matched += bpf_filter(prog, c->packets[i].data, c->packets[i].len, c->packets[i].caplen) != 0;
	return matched;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double times[REPS], start;
	size_t matched;
	long iters;

	if (argc != 3) {
		fprintf(stderr, "usage: peers CAPTURE PROGRAM.ddd\n");
		return 2;
	}
	struct capture c = read_capture(argv[1]);
	struct bpf_insn *prog = read_program(argv[2]);

	start = now();
	matched = once(prog, &c);
	iters = (long)(REP_NS / (now() - start + 1)) + 1;
	for (int r = 0; r < REPS; r++) {
		start = now();
		for (long i = 0; i < iters; i++)
			matched = once(prog, &c);
		times[r] = (now() - start) / iters / c.n;
	}
	qsort(times, REPS, sizeof times[0], ascending);
	printf("libpcap\t%.2f\t%zu\n", times[REPS / 2], matched);
	return 0;
}

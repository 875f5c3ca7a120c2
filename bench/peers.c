/* What C engines need per packet, for comparison with bpfc -bench: libpcap's
 * bpf_filter, and the program as C functions (gen c) in shared objects.
 *
 * usage: peers CAPTURE PROGRAM.ddd [NAME=LIB.so...]
 * Output, a line an engine: name <tab> ns per packet <tab> packets that match
 *
 * The method is that of bpfc -bench: packets in memory, CPU time of the thread,
 * interleaved repetitions of at least 4 ms, their median. Functions have to give
 * bpf_filter's verdict on every packet before anything is measured. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE
#include <dlfcn.h>
#include <pcap/pcap.h>
#include <stdint.h>
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

typedef uint32_t filter_fn(const uint8_t *p, uint32_t len, uint32_t wire);

struct engine {
	const char *name;
	filter_fn *fn; /* NULL: bpf_filter */
	double times[REPS];
	size_t matched;
	long iters;
};

static size_t __attribute__((noinline)) once(const struct engine *e, const struct bpf_insn *prog, const struct capture *c)
{
	size_t matched = 0;

	if (e->fn == NULL)
		for (size_t i = 0; i < c->n; i++)
			matched += bpf_filter(prog, c->packets[i].data, c->packets[i].len, c->packets[i].caplen) != 0;
	else
		for (size_t i = 0; i < c->n; i++)
			matched += e->fn(c->packets[i].data, c->packets[i].caplen, c->packets[i].len) != 0;
	return matched;
}

/* load_function finds the function of an argument NAME=LIB.so and checks it. */
static void load_function(struct engine *e, char *arg, const struct bpf_insn *prog, const struct capture *c)
{
	char *lib = strchr(arg, '=');
	void *handle;

	if (lib == NULL)
		die(arg, "not NAME=LIB.so");
	*lib++ = 0;
	e->name = arg;
	handle = dlopen(lib, RTLD_NOW);
	if (handle == NULL || (e->fn = (filter_fn *)dlsym(handle, "filter")) == NULL)
		die(lib, dlerror());
	for (size_t i = 0; i < c->n; i++) {
		const struct packet *p = &c->packets[i];

		if (e->fn(p->data, p->caplen, p->len) != bpf_filter(prog, p->data, p->len, p->caplen)) {
			fprintf(stderr, "peers: %s: another verdict than libpcap's on packet %zu\n", lib, i + 1);
			exit(1);
		}
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct engine engines[8] = {{.name = "libpcap"}};
	int n = argc - 2;
	double start;

	if (n < 1 || n > 8) {
		fprintf(stderr, "usage: peers CAPTURE PROGRAM.ddd [NAME=LIB.so...]\n");
		return 2;
	}
	struct capture c = read_capture(argv[1]);
	struct bpf_insn *prog = read_program(argv[2]);

	for (int i = 1; i < n; i++)
		load_function(&engines[i], argv[2 + i], prog, &c);
	for (struct engine *e = engines; e < engines + n; e++) {
		start = now();
		e->matched = once(e, prog, &c);
		e->iters = (long)(REP_NS / (now() - start + 1)) + 1;
	}
	for (int r = 0; r < REPS; r++)
		for (struct engine *e = engines; e < engines + n; e++) {
			start = now();
			for (long i = 0; i < e->iters; i++)
				e->matched = once(e, prog, &c);
			e->times[r] = (now() - start) / e->iters / c.n;
		}
	for (struct engine *e = engines; e < engines + n; e++) {
		qsort(e->times, REPS, sizeof e->times[0], ascending);
		printf("%s\t%.2f\t%zu\n", e->name, e->times[REPS / 2], e->matched);
	}
	return 0;
}

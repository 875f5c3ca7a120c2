/* Prints what libpcap's bpf_image (pcap(3)) says of the instructions on its
 * standard input, one a line: "number op jt jf k". The test compiles it where
 * there are a C compiler and libpcap's header; the golden file is made by
 *
 *	cc -o bpf_image bpf_image.c -lpcap
 *	BPF_IMAGE=$PWD/bpf_image go test .. -run TestImageGolden -update
 */
#include <pcap/pcap.h>
#include <stdio.h>

int main(void)
{
	unsigned number, op, jt, jf, k;

	while (scanf("%u %u %u %u %u", &number, &op, &jt, &jf, &k) == 5) {
		struct bpf_insn insn = { op, jt, jf, k };
		puts(bpf_image(&insn, number));
	}
	return 0;
}

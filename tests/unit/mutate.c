/*
 * mutate.c - a damaged copy of a file, the same for the same seed.
 *
 *     mutate IN OUT SEED
 *
 * One to four changes out of: flip a bit, set a byte, set a run of bytes, cut the end off, leave a
 * range out, repeat a range elsewhere (splice). Where IN is an index, every other seed has its
 * checksums made right again afterwards. Says on stdout what was done.
 */
#include "repair.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST (64u << 20)

static uint64_t state;

/* splitmix64: the same numbers on every machine, which rand() does not promise. */
static size_t below(size_t n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return n ? (size_t)(z % n) : 0;
}

static size_t change(uint8_t *p, size_t n)
{
	size_t at = below(n), to = below(n), len = 1 + below(n - at < 300 ? n - at : 300);
	static const uint8_t values[] = { 0x00, 0xff, 0x7f, 0x80, 0x01 };
	uint8_t value = values[below(sizeof(values))];

	switch (below(7)) {
	case 0:
		printf("flip a bit of byte %zu; ", at);
		p[at] ^= (uint8_t)(1u << below(8));
		return n;
	case 1:
		printf("set byte %zu to %02x; ", at, value);
		p[at] = value;
		return n;
	case 2:
		printf("set %zu bytes at %zu to %02x; ", len, at, value);
		memset(p + at, value, len);
		return n;
	case 3:
		printf("cut at %zu; ", at);
		return at;
	case 4:
		printf("leave %zu bytes at %zu out; ", len, at);
		memmove(p + at, p + at + len, n - at - len);
		return n - len;
	case 5:
		if (len > n - to)
			len = n - to;
		printf("copy %zu bytes from %zu to %zu; ", len, at, to);
		memmove(p + to, p + at, len);
		return n;
	default:
		printf("insert %zu bytes of %zu at %zu; ", len, at, to);
		memmove(p + to + len, p + to, n - to);
		return n + len;
	}
}

int main(int argc, char **argv)
{
	uint8_t *p = malloc(MOST + 4096);
	unsigned long seed;
	size_t n;
	FILE *f;

	if (argc != 4 || !p || !(f = fopen(argv[1], "rb")))
		return 1;
	seed = strtoul(argv[3], NULL, 10);
	state = seed;
	n = fread(p, 1, MOST, f);
	fclose(f);
	for (size_t i = 1 + below(4); i-- && n;)
		n = change(p, n);
	if (strstr(argv[1], ".index") && seed % 2) {
		printf("repair the checksums");
		repair_table(p, n);
	}
	printf("\n");
	f = fopen(argv[2], "wb");
	if (!f || fwrite(p, 1, n, f) != n || fclose(f))
		return 1;
	free(p);
	return 0;
}

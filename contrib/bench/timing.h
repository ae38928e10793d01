/*
 * timing.h - what the programs that are timed share: a clock, and orders that look random.
 */
#ifndef CK_BENCH_TIMING_H
#define CK_BENCH_TIMING_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIECE (1u << 20)
#define PAGE 4096u

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A buffer of PIECE bytes that has been touched: fresh memory costs page faults, which would be
 * measured in the file system's place. */
static inline unsigned char *touched_buffer(void)
{
	void *p;

	errno = posix_memalign(&p, PAGE, PIECE);
	if (errno)
		die("buffer");
	memset(p, 1, PIECE);
	return p;
}

static inline uint64_t number(int argc, char **argv, int i)
{
	return i < argc ? strtoull(argv[i], NULL, 0) : 0;
}

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
	return x ^ (x >> 32);
}

/* The i-th page in an order that looks random and has every page once: a Feistel network over the
 * next even number of bits, gone through again where it leads past the end. */
static inline uint64_t shuffled(uint64_t i, uint64_t pages, uint64_t seed)
{
	unsigned half = 1;
	uint64_t mask;

	while (half < 31 && (UINT64_C(1) << (2 * half)) < pages)
		half++;
	mask = (UINT64_C(1) << half) - 1;
	do {
		uint64_t left = i >> half, right = i & mask;

		for (unsigned round = 0; round < 4; round++) {
			uint64_t t = left ^ (mix(right + (seed << 40) + round) & mask);

			left = right;
			right = t;
		}
		i = left << half | right;
	} while (i >= pages);
	return i;
}

#endif

/* fuzz_block.c - the entries of one block of a sorted table, from arbitrary bytes. */
#include "format/table.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ck_block_cursor c;
	size_t before = size + 1;
	volatile uint8_t sink = 0; /* has every byte read, for the sanitizer to see */

	if (ck_block_open(&c, ck_span(data, size)) < 0)
		return 0;
	while (ck_block_next(&c) > 0) {
		/* Every entry takes some bytes, and its spans can be read to the end. */
		if (c.left.n >= before)
			abort();
		before = c.left.n;
		for (size_t i = 0; i < c.value.n; i++)
			sink = c.value.p[i];
		for (size_t i = 0; i < c.key.n; i++)
			sink = c.key.p[i];
	}
	(void)sink;
	ck_block_done(&c);
	return 0;
}

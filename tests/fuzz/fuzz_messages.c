/*
 * fuzz_messages.c - the header and entry messages of a bundle, and the slices and their keys.
 *
 * What a parsed entry says must keep to the limits that the rest of the program relies on.
 */
#include "format/tf_messages.h"
#include "format/tf_slicekey.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ck_tf_entry e;
	static struct ck_tf_slice s;
	struct ck_span msg = ck_span(data, size), left;
	struct ck_buf key = CK_BUF_INIT;
	struct ck_tf_header h;
	unsigned n = 0;

	ck_tf_header_parse(msg, &h);
	if (!ck_tf_entry_parse(msg, &e))
		return 0;
	if (e.rank > CK_TF_RANK_MAX || e.elements > INT64_MAX)
		abort();
	for (unsigned i = 0; i < e.rank; i++)
		if (e.dims[i] > INT64_MAX)
			abort();
	left = e.slices;
	while (ck_tf_slice_next(&left, &s) > 0) {
		if (s.rank > CK_TF_RANK_MAX || ++n > e.nslices)
			abort();
		ck_buf_clear(&key);
		ck_tf_slice_key(msg, &s, &key);
	}
	ck_buf_done(&key);
	return 0;
}

/*
 * slices.c - where the bytes of a slice lie in its variable (core/join.h has the idea).
 *
 * With k the last dimension that the slice does not span whole, a run covers dimensions k and
 * after; the slice has one for each index of dimensions 0 ... k-1.
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <stdlib.h>

int ck_slice_runs(const struct ck_model *m, const struct ck_var *v, const struct ck_slice *sl,
		  ck_run_fn *fn, void *arg)
{
	const uint64_t *shape = ck_var_shape(m, v);
	const uint64_t *start = m->dims + sl->start, *extent = m->dims + sl->extent;
	uint64_t index[256] = { 0 }, stride[256], run, at = 0, off = 0;
	unsigned k = v->rank;
	int r;

	if (!sl->nbytes)
		return 0;
	while (k > 0 && start[k - 1] == 0 && extent[k - 1] == shape[k - 1])
		k--;
	run = ck_dtype_info(v->dtype)->size;
	for (unsigned i = v->rank; i-- > 0; run *= shape[i])
		stride[i] = run;
	if (k == 0)
		return fn(arg, 0, 0, sl->nbytes);
	for (unsigned i = 0; i < k; i++)
		off += start[i] * stride[i];
	run = extent[k - 1] * stride[k - 1];
	for (;;) {
		unsigned i = k - 1;

		r = fn(arg, off, at, run);
		if (r)
			return r;
		at += run;
		/* The next index of dimensions 0 ... k-2. */
		while (i > 0) {
			i--;
			off += stride[i];
			if (++index[i] < extent[i])
				break;
			off -= extent[i] * stride[i];
			index[i] = 0;
			if (i == 0)
				return 0;
		}
		if (k == 1)
			return 0;
	}
}

static int run_touched(void *arg, uint64_t var_off, uint64_t slice_off, uint64_t len)
{
	const struct ck_content *c = arg;
	struct ck_ext e;

	(void)slice_off;
	for (uint64_t at = var_off; at < var_off + len && ck_extmap_get(c->map, at, &e);
	     at = e.off + e.len)
		if (e.kind != CK_EXT_BASE)
			return 1;
	return 0;
}

bool ck_slice_touched(const struct ck_content *c, const struct ck_model *m,
		      const struct ck_var *v, const struct ck_slice *sl)
{
	return c->map && ck_slice_runs(m, v, sl, run_touched, (void *)(uintptr_t)c) != 0;
}

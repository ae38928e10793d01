/* varmeta.c - see varmeta.h. Its text is read in varmeta_parse.c and written in varmeta_text.c. */
#include "saver/varmeta.h"

#include "core/read.h"

#include <errno.h>
#include <stdlib.h>

struct ck_varmeta *ck_varmeta_new(bool big_endian)
{
	struct ck_varmeta *m = calloc(1, sizeof(*m));

	if (m) {
		m->refs = 1;
		m->big_endian = big_endian;
	}
	return m;
}

struct ck_varmeta *ck_varmeta_ref(struct ck_varmeta *m)
{
	__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

struct ck_varmeta *ck_varmeta_unref(struct ck_varmeta *m)
{
	if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return NULL;
	free(m->shape);
	free(m->lengths);
	free(m->name);
	free(m);
	return NULL;
}

static int add_length(void *arg, uint64_t len)
{
	struct ck_varmeta *m = arg;

	m->lengths[m->nlengths++] = len;
	m->lengths_sum += len;
	return 0;
}

/* The format has checked that the shape is no larger than what is stored; damaged variables have
 * no lengths that could be read, partitioned ones none that could be joined. */
static int take_lengths(struct ck_varmeta *ret, struct ck_model *m, uint32_t var,
			struct ck_err *err)
{
	if (m->vars[var].dtype != CK_DT_STRING || m->vars[var].flags)
		return 0;
	ret->lengths = calloc(ret->elements + 1, sizeof(*ret->lengths));
	if (!ret->lengths)
		return ck_fail_nomem(err, m->path);
	return ck_var_lengths(m, var, add_length, ret, err);
}

int ck_varmeta_of(struct ck_model *m, uint32_t var, struct ck_varmeta **ret, struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	struct ck_varmeta *meta = ck_varmeta_new(m->big_endian);
	int r;

	if (!meta)
		return ck_fail_nomem(err, m->path);
	meta->has_dtype = meta->has_shape = true;
	meta->dtype = v->dtype;
	meta->native = v->native;
	meta->rank = v->rank;
	meta->elements = ck_var_elements(m, v);
	if (v->rank) {
		meta->shape = malloc(v->rank * sizeof(*meta->shape));
		if (meta->shape)
			memcpy(meta->shape, ck_var_shape(m, v), v->rank * sizeof(*meta->shape));
	}
	r = meta->shape || !v->rank ? take_lengths(meta, m, var, err) : ck_fail_nomem(err, m->path);
	if (r < 0)
		ck_varmeta_unref(meta);
	else
		*ret = meta;
	return r;
}

bool ck_varmeta_need(const struct ck_varmeta *m, uint64_t *ret)
{
	uint64_t size = ck_dtype_info(m->dtype)->size;

	if (!m->has_dtype || !m->has_shape)
		return false;
	if (m->dtype != CK_DT_STRING)
		return size && ck_mul_u64(m->elements, size, ret);
	if (m->rank == 0 || (m->elements && !m->lengths))
		return false;
	*ret = m->lengths_sum;
	return true;
}

enum ck_dtype ck_dtype_by_name(struct ck_span name)
{
	for (int t = CK_DT_UNKNOWN + 1; t < CK_DT_COUNT; t++) {
		const char *known = ck_dtype_info((enum ck_dtype)t)->name;

		if (ck_span_cmp(name, ck_span(known, strlen(known))) == 0)
			return (enum ck_dtype)t;
	}
	return CK_DT_UNKNOWN;
}

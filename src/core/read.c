/* read.c - see read.h. */
#include "core/read.h"

#include "core/join.h"
#include "core/strings.h"

#include <errno.h>
#include <inttypes.h>

static bool whole(const struct ck_var *v)
{
	return !(v->flags & (CK_VAR_SLICED | CK_VAR_DAMAGED));
}

/* Strings that stand in V one after the other. */
static bool strings(const struct ck_var *v)
{
	return whole(v) && v->dtype == CK_DT_STRING;
}

int ck_var_size(struct ck_model *m, uint32_t var, uint64_t *ret, struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	uint64_t head = 0;
	int r = strings(v) ? ck_strings_head(m, var, &head, err) : 0;

	if (r == 0)
		*ret = v->nbytes - head;
	return r;
}

int ck_var_readable(const struct ck_model *m, uint32_t var, struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	struct ck_span name = ck_var_name(m, v);
	char quoted[CK_QUOTE_ROOM];

	if (v->flags & CK_VAR_DAMAGED)
		return ck_fail(err, CK_CORRUPT, EIO, "%s", ck_model_problem(m, var));
	if (!ck_dtype_readable(v->dtype))
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: variable %s is of dtype %s (number %" PRId32 "), whose bytes "
			       "cannot be shown: the other variables can",
			       m->path, ck_quote(quoted, sizeof(quoted), name.p, name.n),
			       ck_dtype_info(v->dtype)->name, v->native);
	if ((v->flags & CK_VAR_SLICED) && !ck_dtype_info(v->dtype)->size)
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: variable %s is a partitioned string tensor, which cannot be "
			       "joined (TensorFlow cannot either): the other variables can be read",
			       m->path, ck_quote(quoted, sizeof(quoted), name.p, name.n));
	return 0;
}

const void *ck_var_map(struct ck_model *m, uint32_t var, uint64_t off, size_t n)
{
	const struct ck_var *v = &m->vars[var];
	uint64_t head = 0;

	if (!whole(v) || (strings(v) && ck_strings_head(m, var, &head, NULL) < 0))
		return NULL;
	return ck_source_map(m->shards[v->shard].source, v->offset + head + off, n);
}

int ck_var_read(struct ck_model *m, uint32_t var, uint64_t off, void *p, size_t n,
		struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	uint64_t head = 0;
	int r = ck_var_readable(m, var, err);

	if (r == 0 && (v->flags & CK_VAR_SLICED))
		return ck_join_read(m, v, off, p, n, err);
	if (r == 0 && strings(v))
		r = ck_strings_head(m, var, &head, err);
	if (r == 0)
		r = ck_source_read(m->shards[v->shard].source, v->offset + head + off, p, n, err);
	return r;
}

int ck_var_lengths(struct ck_model *m, uint32_t var, int (*fn)(void *arg, uint64_t len), void *arg,
		   struct ck_err *err)
{
	int r = ck_var_readable(m, var, err);

	return r < 0 ? r : ck_strings_scan(m, var, fn, arg, NULL, err);
}

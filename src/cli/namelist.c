/* namelist.c - see namelist.h. */
#include "cli/namelist.h"

#include <stdlib.h>

void ck_namelist_add(struct ck_namelist *l, struct ck_span name)
{
	if (l->n == l->room) {
		uint32_t room = l->room ? l->room * 2 : 64;
		struct ck_name_at *v =
			room > l->room ? reallocarray(l->v, room, sizeof(*v)) : NULL;

		if (!v) {
			l->failed = true;
			return;
		}
		l->v = v;
		l->room = room;
	}
	l->v[l->n++] = (struct ck_name_at){ .at = l->pool.n, .n = name.n };
	ck_buf_add(&l->pool, name.p, name.n);
}

static int by_name(const void *a, const void *b, void *pool)
{
	const struct ck_name_at *x = a, *y = b;
	const char *p = pool;

	return ck_span_cmp(ck_span(p + x->at, x->n), ck_span(p + y->at, y->n));
}

int ck_namelist_settle(struct ck_namelist *l, const char *where, struct ck_err *err)
{
	uint32_t kept = 0;

	if (l->failed || ck_buf_failed(&l->pool))
		return ck_fail_nomem(err, where);
	if (!l->n)
		return 0;
	qsort_r(l->v, l->n, sizeof(*l->v), by_name, l->pool.p);
	for (uint32_t i = 0; i < l->n; i++) {
		if (!i || by_name(&l->v[kept - 1], &l->v[i], l->pool.p) != 0)
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
	return 0;
}

void ck_namelist_done(struct ck_namelist *l)
{
	ck_buf_done(&l->pool);
	free(l->v);
	*l = (struct ck_namelist){ 0 };
}

static struct ck_span name_of(const void *self, uint32_t i)
{
	return ck_namelist_name(self, i);
}

struct ck_catalog ck_catalog_of_list(const struct ck_namelist *l, const char *where)
{
	return (struct ck_catalog){
		.where = where,
		.noun = "variable",
		.hint = CK_CATALOG_HINT,
		.n = l->n,
		.self = l,
		.name = name_of,
	};
}

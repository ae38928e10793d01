/*
 * namelist.h - names of variables that are no model's: of a checkpoint that is being edited.
 *
 * Filled in any order, then settled: sorted, each once. Adding has a sticky failure, as a buffer
 * has, which settling tells.
 */
#ifndef CK_CLI_NAMELIST_H
#define CK_CLI_NAMELIST_H

#include "cli/select.h"

struct ck_namelist {
	struct ck_buf pool;
	struct ck_name_at {
		size_t at, n; /* in the pool */
	} *v;
	uint32_t n, room;
	bool failed;
};

void ck_namelist_add(struct ck_namelist *l, struct ck_span name);
int ck_namelist_settle(struct ck_namelist *l, const char *where, struct ck_err *err);
void ck_namelist_done(struct ck_namelist *l);

static inline struct ck_span ck_namelist_name(const struct ck_namelist *l, uint32_t i)
{
	return ck_span(l->pool.p + l->v[i].at, l->v[i].n);
}

/* Of a settled list, which has to stay. */
struct ck_catalog ck_catalog_of_list(const struct ck_namelist *l, const char *where);

#endif

/* staged.c - see staged.h. */
#include "cli/staged.h"

#include "cli/through.h"

#include <stdlib.h>

int ck_staged_names(const json_t *status, const char *where, struct ck_namelist *ret,
			struct ck_err *err)
{
	static const char *const members[] = { "staged", "unfinished" };
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_namelist l = { 0 };
	json_t *element;
	size_t i;
	int r;

	for (size_t k = 0; k < sizeof(members) / sizeof(members[0]); k++) {
		json_array_foreach(json_object_get(status, members[k]), i, element) {
			ck_buf_clear(&name);
			if (ck_json_name(element, "name", &name))
				ck_namelist_add(&l, ck_span(name.p ? name.p : "", name.n));
		}
	}
	l.failed |= ck_buf_failed(&name);
	r = ck_namelist_settle(&l, where, err);
	if (r < 0)
		ck_namelist_done(&l);
	else
		*ret = l;
	return r;
}

int ck_staged_select(const struct ck_namelist *staged, const char *where,
		     const struct ck_args *args, struct ck_selection *ret, struct ck_err *err)
{
	struct ck_catalog c = ck_catalog_of_list(staged, where);

	c.noun = "staged edit of";
	c.hint = "ckptctl status shows what is staged";
	return ck_select(&c, args->names, args->nnames, ret, err);
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool is_selected(const json_t *element, const struct ck_catalog *c,
			const struct ck_selection *s)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	uint32_t at;

	if (!ck_json_name(element, "name", &name))
		return true;
	at = ck_catalog_find(c, ck_span(name.p ? name.p : "", name.n));
	return s->n && bsearch(&at, s->vars, s->n, sizeof(*s->vars), by_number);
}

void ck_staged_filter(json_t *status, const char *member, const struct ck_namelist *staged,
		      const struct ck_selection *s)
{
	struct ck_catalog c = ck_catalog_of_list(staged, "");
	json_t *kept = json_array(), *element;
	size_t i;

	json_array_foreach(json_object_get(status, member), i, element) {
		if (is_selected(element, &c, s))
			json_array_append(kept, element);
	}
	json_object_set_new(status, member, kept);
}

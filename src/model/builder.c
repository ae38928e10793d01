/* builder.c - see builder.h. */
#include "model/builder.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ck_builder_init(struct ck_builder *b, struct ck_model *m, bool force)
{
	*b = (struct ck_builder){ .m = m, .force = force };
}

/* Room for n more elements of the given size behind the first used ones. */
static int grow(void *array, size_t *room, size_t used, size_t n, size_t size, struct ck_err *err)
{
	void **p = array, *q;
	size_t want;

	if (n <= *room - used)
		return 0;
	want = *room ? 2 * *room : 64;
	while (want - used < n)
		want *= 2;
	if (want > SIZE_MAX / size || !(q = realloc(*p, want * size)))
		return ck_fail_nomem(err, "reading the index");
	*p = q;
	*room = want;
	return 0;
}

int ck_builder_var(struct ck_builder *b, struct ck_span name, const struct ck_var *v,
		   struct ck_err *err)
{
	struct ck_model *m = b->m;
	int r;

	if (m->nvars == CK_NO_VAR - 1)
		return ck_fail(err, CK_UNSUPPORTED, EFBIG,
			       "%s: holds more than four thousand million variables", m->path);
	r = grow(&m->vars, &b->vars_room, m->nvars, 1, sizeof(*m->vars), err);
	if (r == 0)
		r = grow(&m->names, &b->names_room, m->names_len, name.n, 1, err);
	if (r < 0)
		return r;
	m->vars[m->nvars] = *v;
	m->vars[m->nvars].name = m->names_len;
	m->vars[m->nvars].name_len = (uint32_t)name.n;
	if (name.n)
		memcpy(m->names + m->names_len, name.p, name.n);
	m->names_len += name.n;
	m->nvars++;
	return 0;
}

static size_t shape_hash(const uint64_t *dims, uint32_t n)
{
	uint64_t h = n;

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ dims[i]) * 0x9e3779b97f4a7c15ull;
	return (size_t)(h >> 40) % CK_BUILDER_SHAPES;
}

int ck_builder_dims(struct ck_builder *b, const uint64_t *dims, uint32_t n, uint32_t *ret,
		    struct ck_err *err)
{
	struct ck_model *m = b->m;
	size_t at;
	int r;

	if (n == 0) {
		*ret = 0;
		return 0;
	}
	at = shape_hash(dims, n);
	if (b->shapes[at].rank == n &&
	    memcmp(m->dims + b->shapes[at].first, dims, n * sizeof(*dims)) == 0) {
		*ret = b->shapes[at].first;
		return 0;
	}
	if (m->ndims > UINT32_MAX - n)
		return ck_fail(err, CK_UNSUPPORTED, EFBIG, "%s: holds too many dimensions", m->path);
	r = grow(&m->dims, &b->dims_room, m->ndims, n, sizeof(*m->dims), err);
	if (r < 0)
		return r;
	memcpy(m->dims + m->ndims, dims, n * sizeof(*dims));
	*ret = m->ndims;
	b->shapes[at].first = m->ndims;
	b->shapes[at].rank = n;
	m->ndims += n;
	return 0;
}

int ck_builder_slice(struct ck_builder *b, const struct ck_slice *s, struct ck_err *err)
{
	struct ck_model *m = b->m;
	int r;

	if (m->nslices == UINT32_MAX)
		return ck_fail(err, CK_UNSUPPORTED, EFBIG, "%s: holds too many slices", m->path);
	r = grow(&m->slices, &b->slices_room, m->nslices, 1, sizeof(*m->slices), err);
	if (r == 0)
		m->slices[m->nslices++] = *s;
	return r;
}

int ck_builder_problem(struct ck_builder *b, uint32_t var, struct ck_err *err, const char *fmt, ...)
{
	struct ck_model *m = b->m;
	char text[1000];
	va_list ap;
	int r;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!b->force)
		return ck_fail(err, CK_CORRUPT, EIO, "%s", text);
	r = grow(&m->problems, &b->problems_room, m->nproblems, 1, sizeof(*m->problems), err);
	if (r < 0)
		return r;
	m->problems[m->nproblems] = (struct ck_problem){ .var = var, .text = strdup(text) };
	if (!m->problems[m->nproblems].text)
		return ck_fail_nomem(err, m->path);
	m->nproblems++;
	if (var != CK_NO_VAR)
		m->vars[var].flags |= CK_VAR_DAMAGED;
	return 0;
}

static int by_var(const void *a, const void *b)
{
	const struct ck_problem *x = a, *y = b;

	return (x->var > y->var) - (x->var < y->var);
}

void ck_builder_drop(struct ck_builder *b, const bool *drop)
{
	struct ck_model *m = b->m;
	uint32_t kept = 0, p = 0, q = 0;

	if (m->nproblems)
		qsort(m->problems, m->nproblems, sizeof(*m->problems), by_var);
	for (uint32_t i = 0; i < m->nvars; i++) {
		for (; p < m->nproblems && m->problems[p].var == i; p++) {
			if (drop[i]) {
				free(m->problems[p].text);
				continue;
			}
			m->problems[q] = m->problems[p];
			m->problems[q++].var = kept;
		}
		if (!drop[i])
			m->vars[kept++] = m->vars[i];
	}
	while (p < m->nproblems)
		m->problems[q++] = m->problems[p++];
	m->nproblems = q;
	m->nvars = kept;
}

static bool is_string(const struct ck_var *v)
{
	return v->dtype == CK_DT_STRING && !v->flags;
}

static void trim(void *array, size_t n, size_t size)
{
	void **p = array, *q;

	if (n && (q = realloc(*p, n * size)))
		*p = q;
}

int ck_builder_finish(struct ck_builder *b, struct ck_err *err)
{
	struct ck_model *m = b->m;
	uint32_t n = 0;

	if (m->nproblems)
		qsort(m->problems, m->nproblems, sizeof(*m->problems), by_var);
	for (uint32_t i = 0; i < m->nvars; i++)
		n += is_string(&m->vars[i]);
	m->strings = calloc(n ? n : 1, sizeof(*m->strings));
	if (!m->strings)
		return ck_fail_nomem(err, m->path);
	for (uint32_t i = 0; i < m->nvars; i++)
		if (is_string(&m->vars[i]))
			m->strings[m->nstrings++].var = i;
	trim(&m->vars, m->nvars, sizeof(*m->vars));
	trim(&m->names, m->names_len, 1);
	trim(&m->dims, m->ndims, sizeof(*m->dims));
	trim(&m->slices, m->nslices, sizeof(*m->slices));
	return 0;
}

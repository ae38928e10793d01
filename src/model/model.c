/* model.c - see model.h. */
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>

struct ck_model *ck_model_new(const char *format, const char *path)
{
	struct ck_model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->refs = 1;
	m->format = format;
	m->path = strdup(path);
	pthread_mutex_init(&m->strings_lock, NULL);
	return m->path ? m : ck_model_unref(m);
}

struct ck_model *ck_model_ref(struct ck_model *m)
{
	__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

struct ck_model *ck_model_unref(struct ck_model *m)
{
	if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return NULL;
	for (uint32_t i = 0; i < m->nshards; i++)
		ck_source_unref(m->shards[i].source);
	for (uint32_t i = 0; i < m->nproblems; i++)
		free(m->problems[i].text);
	ck_source_unref(m->index);
	pthread_mutex_destroy(&m->strings_lock);
	free(m->strings);
	free(m->problems);
	free(m->shards);
	free(m->slices);
	free(m->dims);
	free(m->names);
	free(m->vars);
	free(m->path);
	free(m);
	return NULL;
}

uint64_t ck_var_elements(const struct ck_model *m, const struct ck_var *v)
{
	const uint64_t *shape = ck_var_shape(m, v);
	uint64_t n = 1;

	for (unsigned i = 0; i < v->rank; i++)
		n *= shape[i];
	return n;
}

uint32_t ck_model_find(const struct ck_model *m, struct ck_span name)
{
	uint32_t lo = 0, hi = m->nvars;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = ck_span_cmp(ck_var_name(m, &m->vars[mid]), name);

		if (c == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return CK_NO_VAR;
}

const char *ck_model_problem(const struct ck_model *m, uint32_t var)
{
	uint32_t lo = 0, hi = m->nproblems;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->problems[mid].var < var)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->nproblems && m->problems[lo].var == var ? m->problems[lo].text : NULL;
}

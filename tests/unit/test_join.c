/*
 * test_join.c - partitioned variables against a model that is too simple to be wrong.
 *
 * Random boxes tile a random tensor of up to five dimensions (by splitting boxes in two, again and
 * again). Every element holds its own index; each slice's bytes are copied element by element. Then
 * random ranges are read and compared.
 */
#include "core/join.h"
#include "core/read.h"
#include "model/builder.h"

#include "tap.h"

#include <stdlib.h>

#define RANK_MAX 5

struct box {
	uint64_t start[RANK_MAX], extent[RANK_MAX];
};

static unsigned pick(unsigned n)
{
	return (unsigned)rand() % n;
}

/* Splits a random box along a random axis that can be split. */
static unsigned split(struct box *boxes, unsigned n, unsigned most, unsigned rank)
{
	unsigned i = pick(n), axis = pick(rank);
	uint64_t at;

	if (n == most || boxes[i].extent[axis] < 2)
		return n;
	at = 1 + pick((unsigned)boxes[i].extent[axis] - 1);
	boxes[n] = boxes[i];
	boxes[i].extent[axis] = at;
	boxes[n].start[axis] += at;
	boxes[n].extent[axis] -= at;
	return n + 1;
}

/* Copies one box of the whole tensor to p, element by element; answers with how many. */
static size_t gather(const struct box *b, const uint64_t *shape, unsigned rank, uint16_t *p)
{
	uint64_t count = 1;

	for (unsigned d = 0; d < rank; d++)
		count *= b->extent[d];
	for (uint64_t i = 0; i < count; i++) {
		uint64_t left = i, at = 0, stride = 1;

		for (unsigned d = rank; d-- > 0;) {
			at += (b->start[d] + left % b->extent[d]) * stride;
			left /= b->extent[d];
			stride *= shape[d];
		}
		p[i] = (uint16_t)at;
	}
	return (size_t)count;
}

static int by_first(const void *a, const void *b)
{
	const struct ck_slice *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static void flatten(const struct box *b, const uint64_t *shape, unsigned rank, struct ck_slice *s)
{
	uint64_t stride = 2;

	s->first = s->last = 0;
	for (unsigned d = rank; d-- > 0;) {
		s->first += b->start[d] * stride;
		s->last += (b->start[d] + b->extent[d] - 1) * stride;
		stride *= shape[d];
	}
	s->last += 2;
}

static bool one_round(void)
{
	unsigned rank = 1 + pick(RANK_MAX), n = 1;
	uint64_t shape[RANK_MAX], elements = 1;
	struct ck_model *m = ck_model_new("tensorflow", "t");
	struct ck_builder b;
	struct box boxes[32];
	struct ck_var v = { .dtype = CK_DT_INT16, .flags = CK_VAR_SLICED };
	struct ck_err err = CK_ERR_INIT;
	uint16_t *stored, *whole;
	size_t at = 1; /* an odd offset, in elements */
	bool same = true;

	for (unsigned d = 0; d < rank; d++) {
		shape[d] = 1 + pick(rank > 2 ? 7 : 200);
		elements *= shape[d];
		boxes[0].start[d] = 0;
		boxes[0].extent[d] = shape[d];
	}
	for (unsigned i = pick(60); i--;)
		n = split(boxes, n, 32, rank);
	stored = calloc(elements + 1, 2);
	whole = calloc(elements, 2);
	ck_builder_init(&b, m, false);
	ck_builder_dims(&b, shape, rank, &v.shape, &err);
	v.rank = (uint8_t)rank;
	v.nbytes = 2 * elements;
	v.shard = n;
	for (unsigned i = 0; i < n; i++) {
		struct ck_slice s = { .offset = 2 * at };
		size_t count = gather(&boxes[i], shape, rank, stored + at);

		at += count;
		s.nbytes = 2 * count;
		flatten(&boxes[i], shape, rank, &s);
		ck_builder_dims(&b, boxes[i].start, rank, &s.start, &err);
		ck_builder_dims(&b, boxes[i].extent, rank, &s.extent, &err);
		ck_builder_slice(&b, &s, &err);
	}
	qsort(m->slices, n, sizeof(*m->slices), by_first);
	ck_builder_var(&b, ck_span("v", 1), &v, &err);
	m->shards = calloc(1, sizeof(*m->shards));
	m->nshards = 1;
	ck_source_mem(stored, 2 * (elements + 1), "t.data", &m->shards[0].source, NULL);
	ck_builder_finish(&b, &err);

	for (int i = 0; i < 8 && same; i++) {
		size_t size = 2 * (size_t)elements, off = pick((unsigned)size);
		size_t len = 1 + pick((unsigned)(size - off));
		uint8_t *p = malloc(len); /* exactly, for the sanitizer */

		if (i == 0) {
			off = 0;
			free(p);
			p = malloc(len = size);
		}
		for (uint64_t k = 0; k < elements; k++)
			whole[k] = (uint16_t)k;
		memset(p, 0xee, len);
		same = ck_var_read(m, 0, off, p, len, &err) == 0 &&
		       memcmp(p, (uint8_t *)whole + off, len) == 0;
		free(p);
	}
	ck_model_unref(m);
	free(stored);
	free(whole);
	return same;
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 20260102, right = 0;

	tap_plan(1);
	printf("# seed %u\n", seed);
	srand(seed);
	for (int i = 0; i < 3000; i++)
		right += one_round();
	tap_is_u64(right, 3000, "3000 random partitions, 8 random ranges each");
	return tap_done();
}

/* tf_rewrite.c - see tf_rewrite.h. */
#include "format/tf_rewrite.h"

#include "format/table.h"
#include "format/tf_check.h"
#include "format/tf_encode.h"
#include "format/tf_plan.h"

#include <stdlib.h>

struct merge {
	struct ck_tf_plan plan;
	struct ck_table_writer *out;
	size_t next; /* first put that is not written yet */
};

static int write_header(struct merge *g, struct ck_span old, struct ck_err *err)
{
	const struct ck_tf_rewrite *r = g->plan.r;
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	struct ck_span value = old;

	if (!r->old)
		ck_tf_put_header(r->num_shards, r->big_endian, &b);
	else if ((uint32_t)g->plan.header.num_shards != r->num_shards)
		ck_tf_put_with(old, 1, r->num_shards, &b);
	if (ck_buf_failed(&b))
		return ck_fail_nomem(err, g->plan.path);
	if (!r->old || (uint32_t)g->plan.header.num_shards != r->num_shards)
		value = ck_span(b.p, b.n);
	return ck_table_writer_add(g->out, ck_span("", 0), value, err);
}

static int write_put(struct merge *g, struct ck_err *err)
{
	const struct ck_tf_put *put = &g->plan.puts[g->next++];

	return ck_table_writer_add(g->out, put->key,
				   ck_span(g->plan.coming.p + put->value, put->value_len), err);
}

/* An entry of the old index: what comes before it is written, then itself if it stays. */
static int merge_entry(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		       struct ck_err *err)
{
	struct merge *g = arg;
	struct ck_tf_plan *p = &g->plan;
	int c = 1, r;

	if (!p->header_seen) {
		r = ck_tf_plan_header(p, block, key, value, err);
		return r < 0 ? r : write_header(g, value, err);
	}
	while (g->next < p->nputs && (c = ck_span_cmp(p->puts[g->next].key, key)) < 0) {
		r = write_put(g, err);
		if (r < 0)
			return r;
	}
	if (ck_tf_plan_drops(p, key))
		return 0;
	if (g->next < p->nputs && c == 0)
		return ck_tf_plan_clash(p, &p->puts[g->next], err);
	r = ck_tf_plan_carry(p, block, key, value, &value, err);
	return r < 0 ? r : ck_table_writer_add(g->out, key, value, err);
}

static int merge_all(struct merge *g, struct ck_err *err)
{
	const struct ck_tf_rewrite *r = g->plan.r;
	struct ck_table_visitor v = { .entry = merge_entry, .arg = g };
	int ret;

	if (r->old) {
		g->plan.header_seen = false;
		ret = ck_table_walk(r->old, &v, err);
		if (ret == 0 && !g->plan.header_seen)
			ret = ck_tf_header_missing(g->plan.path, err);
	} else {
		ret = write_header(g, ck_span(NULL, 0), err);
	}
	while (ret == 0 && g->next < g->plan.nputs)
		ret = write_put(g, err);
	return ret < 0 ? ret : ck_table_writer_finish(g->out, err);
}

int ck_tf_rewrite(const struct ck_tf_rewrite *r, const struct ck_sink *sink, struct ck_err *err)
{
	struct merge *g = calloc(1, sizeof(*g));
	int ret;

	if (!g)
		return ck_fail_nomem(err, "rewriting the index");
	ret = ck_tf_plan_make(&g->plan, r, err);
	if (ret == 0)
		ret = ck_table_writer_new(sink, &g->out, err);
	if (ret == 0)
		ret = merge_all(g, err);
	ck_table_writer_free(g->out);
	ck_tf_plan_done(&g->plan);
	free(g);
	return ret;
}

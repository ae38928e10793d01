/*
 * content.c - what the bytes of a file are made of, and where new ones go.
 *
 * A content is *homed* where the index knows its bytes: edits of it go to the journal, since its
 * bytes must stay as they are until COMMIT. A *fresh* one (created, or cut to nothing) has its
 * bytes written to a shard straight away, to the place where they can stay: of a file whose size is
 * known that is one region of just that size, else a region that grows while nothing is behind it.
 * Bytes that a record points at are never written over: what replaces them goes to the journal.
 */
#include "saver/stage_private.h"

#include "core/read.h"
#include "util/crc32c.h"

#include <errno.h>
#include <stdlib.h>

#define GROW_MIN (UINT64_C(1) << 20) /* bytes that a region of unknown size grows by */
#define GROW_MAX (UINT64_C(64) << 20)

struct ck_content *ck_content_new(struct ck_stage *s)
{
	struct ck_content *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->map = ck_extmap_new();
	if (!c->map) {
		free(c);
		return NULL;
	}
	c->refs = 1;
	c->var = CK_NO_VAR;
	c->region.which = CK_NO_SHARD;
	c->home_shard = CK_NO_SHARD;
	c->next = s->contents;
	if (c->next)
		c->next->prev = c;
	s->contents = c;
	return c;
}

struct ck_content *ck_content_of_var(struct ck_stage *s, struct ck_model *m, uint32_t var,
				     uint64_t size)
{
	struct ck_content *c = ck_content_new(s);

	if (!c)
		return NULL;
	ck_extmap_free(c->map);
	c->map = NULL;
	c->model = ck_model_ref(m);
	c->var = var;
	c->size = c->home_size = size;
	c->home_crc = m->vars[var].crc32c;
	c->homed = true;
	return c;
}

struct ck_content *ck_content_ref(struct ck_content *c)
{
	c->refs++;
	return c;
}

struct drop {
	struct ck_stage *s;
	uint64_t from; /* of the file: only what lies behind */
	bool logged; /* some of it was */
};

static int drop_extent(void *arg, const struct ck_ext *e)
{
	struct drop *d = arg;
	uint64_t skip = e->off < d->from ? d->from - e->off : 0;

	if (e->kind != CK_EXT_SHARD || skip >= e->len)
		return 0;
	d->logged |= e->logged;
	ck_shard_drop(d->s, e->which, e->at + skip, e->len - skip, e->logged);
	return 0;
}

/* What a region holds beyond the file's end was never written. */
void ck_content_settle(struct ck_stage *s, struct ck_content *c)
{
	struct ck_region *g = &c->region;
	uint64_t used;

	if (g->which == CK_NO_SHARD)
		return;
	used = c->size > g->off ? c->size - g->off : 0;
	if (used < g->len) {
		ck_shard_drop(s, g->which, g->at + used, g->len - used, false);
		g->len = used;
	}
	if (!g->len)
		g->which = CK_NO_SHARD;
}

struct ck_content *ck_content_unref(struct ck_stage *s, struct ck_content *c)
{
	struct drop d = { .s = s };

	if (!c || --c->refs > 0)
		return NULL;
	if (!c->homed) {
		ck_content_settle(s, c);
		if (!c->borrowed)
			ck_extmap_each(c->map, drop_extent, &d);
	}
	if (c->prev)
		c->prev->next = c->next;
	else
		s->contents = c->next;
	if (c->next)
		c->next->prev = c->prev;
	ck_extmap_free(c->map);
	ck_model_unref(c->model);
	free(c);
	return NULL;
}

static int copy_extent(void *arg, const struct ck_ext *e)
{
	return ck_extmap_set(arg, e);
}

/* The copy is homed as c is, but has no region: what c reserves stays c's. */
static struct ck_content *copy(struct ck_stage *s, struct ck_content *c)
{
	struct ck_content *n = ck_content_new(s);
	struct ck_ext all = { .len = c->size, .kind = CK_EXT_BASE, .durable = true,
			      .logged = true };
	int r = 0;

	if (!n)
		return NULL;
	n->model = c->model ? ck_model_ref(c->model) : NULL;
	n->var = c->var;
	n->size = c->size;
	n->homed = c->homed;
	n->borrowed = c->borrowed;
	n->home_shard = c->home_shard;
	n->home_at = c->home_at;
	n->home_size = c->home_size;
	n->home_crc = c->home_crc;
	if (c->map)
		r = ck_extmap_each(c->map, copy_extent, n->map);
	else if (c->size)
		r = ck_extmap_set(n->map, &all);
	if (r < 0) {
		n->homed = true; /* nothing of it is its own */
		return ck_content_unref(s, n);
	}
	return n;
}

int ck_content_edit(struct ck_stage *s, struct ck_snode *n, struct ck_content **ret,
		    struct ck_err *err)
{
	struct ck_content *c = n->now.content;

	if (!c || c == n->pub.content || c->refs > 1 || !c->map) {
		c = c ? copy(s, c) : ck_content_new(s);
		if (!c)
			return ck_fail_nomem(err, s->prefix);
		ck_state_write(s);
		ck_content_unref(s, n->now.content);
		n->now.content = c;
		ck_state_written(s);
	}
	*ret = c;
	return 0;
}

int ck_ext_read(struct ck_stage *s, const struct ck_content *c, const struct ck_ext *e,
		uint64_t skip, void *p, size_t n, struct ck_err *err)
{
	struct ck_journal *j;

	switch ((enum ck_ext_kind)e->kind) {
	case CK_EXT_ZERO:
		memset(p, 0, n);
		return 0;
	case CK_EXT_BASE:
		return ck_var_read(c->model, c->var, e->at + skip, p, n, err);
	case CK_EXT_SHARD:
		return ck_shard_read(s, e->which, e->at + skip, p, n, err);
	case CK_EXT_JOURNAL:
		j = ck_slog_generation(s, e->which);
		if (!j)
			return ck_fail(err, CK_CORRUPT, EIO, "%s: a staged edit's journal is gone: "
				       "discard the edit", s->prefix);
		return ck_journal_read(j, e->at + skip, p, n, err);
	}
	return -EIO;
}

int ck_content_read(struct ck_stage *s, struct ck_content *c, uint64_t off, void *p, size_t n,
		    struct ck_err *err)
{
	uint8_t *to = p;

	if (!c->map)
		return n ? ck_var_read(c->model, c->var, off, p, n, err) : 0;
	while (n) {
		struct ck_ext e;
		size_t k;
		int r;

		if (!ck_extmap_get(c->map, off, &e))
			return ck_fail(err, CK_CORRUPT, EIO, "%s: a file's extents end too early",
				       s->prefix);
		k = e.off + e.len - off < n ? (size_t)(e.off + e.len - off) : n;
		r = ck_ext_read(s, c, &e, off - e.off, to, k, err);
		if (r < 0)
			return r;
		to += k;
		off += k;
		n -= k;
	}
	return 0;
}

/* Whether a record points at some of these bytes, or they lie in one. */
static bool is_logged(const struct ck_content *c, uint64_t off, uint64_t n)
{
	struct ck_ext e;

	for (uint64_t at = off; at < off + n && ck_extmap_get(c->map, at, &e); at = e.off + e.len)
		if (e.kind == CK_EXT_JOURNAL || e.kind == CK_EXT_BASE ||
		    (e.kind == CK_EXT_SHARD && e.logged))
			return true;
	return false;
}

static uint64_t expected_size(const struct ck_snode *n)
{
	uint64_t need;

	return n->now.meta && ck_varmeta_need(n->now.meta, &need) ? need : 0;
}

/* A place in the target for n bytes of the file at off. */
static int place(struct ck_stage *s, struct ck_snode *node, struct ck_content *c, uint64_t off,
		 uint64_t n, uint32_t *which, uint64_t *at, struct ck_err *err)
{
	struct ck_region *g = &c->region;
	struct ck_sshard *t;
	uint64_t want, more;
	int r = ck_shard_target(s, &t, err);

	if (r < 0)
		return r;
	*which = (uint32_t)(t - s->shards);
	if (g->which == *which && off >= g->off) {
		if (off + n <= g->off + g->len)
			goto inside;
		more = off + n - (g->off + g->len);
		if (off <= g->off + g->len) {
			uint64_t grow = g->len < GROW_MIN ? GROW_MIN :
					g->len > GROW_MAX ? GROW_MAX : g->len;

			if (expected_size(node) && off + n <= expected_size(node))
				grow = expected_size(node) - (g->off + g->len);
			if (grow > more && ck_space_extend(t->space, g->at + g->len, grow))
				more = grow;
			else if (!ck_space_extend(t->space, g->at + g->len, more))
				more = 0;
			g->len += more;
			if (more)
				goto inside;
		}
	}
	/* A new region: of the whole file where nothing was written yet, else from here on. */
	ck_content_settle(s, c);
	want = expected_size(node);
	if (c->size > want)
		want = c->size;
	if (off + n > want)
		want = off + n;
	if (g->which != CK_NO_SHARD || is_logged(c, 0, c->size)) {
		g->off = off;
		want = want > off ? want - off : n;
	} else {
		g->off = 0;
	}
	r = ck_space_alloc(t->space, want, 0, 1, &g->at);
	if (r < 0)
		return ck_fail(err, CK_PUBLISH, -r, "%s: no room for %llu bytes: %s", t->path,
			       (unsigned long long)want, strerror(-r));
	g->which = *which;
	g->len = want;
inside:
	*at = g->at + (off - g->off);
	return 0;
}

void ck_content_pend(struct ck_stage *s, struct ck_snode *n)
{
	n->unlogged = true;
	if (n->pending)
		return;
	n->pending = true;
	n->pending_next = s->pending;
	s->pending = n;
}

static int set(struct ck_stage *s, struct ck_content *c, const struct ck_ext *e,
	       struct ck_err *err)
{
	int r;

	ck_state_write(s);
	r = ck_extmap_set(c->map, e);
	c->size = ck_extmap_size(c->map);
	ck_state_written(s);
	return r < 0 ? ck_fail(err, CK_PUBLISH, -r, "%s: cannot keep track of what is staged: %s",
			       s->prefix, strerror(-r)) : 0;
}

static int write_to_journal(struct ck_stage *s, struct ck_snode *n, struct ck_content *c,
			    uint64_t off, const void *p, size_t len, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_record rec = { .type = CK_REC_WRITE, .offset = off, .nbytes = len,
				 .data = ck_span(p, len) };
	struct ck_ext e = { .off = off, .len = len, .kind = CK_EXT_JOURNAL, .logged = true,
			    .crc = ck_crc32c(p, len), .crc_ok = true };
	int r;

	ck_snode_path(n, &path);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, s->prefix);
	rec.path = ck_span(path.p, path.n);
	r = ck_slog_add(s, &rec, &e.at, err);
	if (r < 0)
		return r;
	e.which = s->generation;
	return set(s, c, &e, err);
}

int ck_content_write(struct ck_stage *s, struct ck_snode *n, uint64_t off, const void *p,
		     size_t len, struct ck_err *err)
{
	struct ck_ext e = { .off = off, .len = len, .kind = CK_EXT_SHARD, .crc_ok = true };
	struct ck_content *c;
	struct ck_sshard *t;
	int r;

	if (len == 0)
		return 0;
	if (off > INT64_MAX - len)
		return -EFBIG;
	r = ck_content_edit(s, n, &c, err);
	if (r < 0)
		return r;
	if (c->homed || is_logged(c, off, len)) {
		if (n->entry)
			return write_to_journal(s, n, c, off, p, len, err);
		/* Deleted: nothing of it is logged, but what was may be durable before that is. */
		ck_content_settle(s, c);
		c->region.which = CK_NO_SHARD;
	}
	/* What is free is known without a sync while no journal gives up anything. */
	r = s->journal ? 0 : ck_shard_target(s, &t, err);
	if (r == 0)
		r = ck_slog_begin(s, err); /* it says that the shard may be touched */
	if (r == 0)
		r = place(s, n, c, off, len, &e.which, &e.at, err);
	if (r == 0)
		r = ck_shard_write(s, e.which, e.at, p, len, err);
	if (r < 0)
		return r;
	e.crc = ck_crc32c(p, len);
	r = set(s, c, &e, err);
	if (r == 0)
		ck_content_pend(s, n);
	return r;
}

int ck_content_resize(struct ck_stage *s, struct ck_snode *n, uint64_t size, struct ck_err *err)
{
	struct drop d = { .s = s, .from = size };
	struct ck_content *c;
	int r;

	if (size > INT64_MAX)
		return -EFBIG;
	r = ck_content_edit(s, n, &c, err);
	if (r < 0)
		return r;
	if (!c->homed && size < c->size) {
		ck_content_settle(s, c);
		if (!c->borrowed)
			ck_extmap_each(c->map, drop_extent, &d);
		/* The region may hold bytes that a durable record points at. */
		c->region.which = CK_NO_SHARD;
	}
	ck_state_write(s);
	r = ck_extmap_resize(c->map, size);
	if (r == 0)
		c->size = size;
	if (r == 0 && size == 0) {
		c->homed = false;
		c->home_shard = CK_NO_SHARD;
		c->region.which = CK_NO_SHARD;
	}
	ck_state_written(s);
	return r < 0 ? ck_fail_nomem(err, s->prefix) : 0;
}

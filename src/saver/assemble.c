/*
 * assemble.c - the bytes of what is published are put where the new index says, before COMMIT.
 *
 * Only bytes that nothing points at are written. A checksum follows from the bytes as they are
 * written, or, where an unchanged rest is not looked at, from the old one: a CRC is linear, so
 * exchanging one range changes it by the CRC of the difference, shifted by what lies behind.
 */
#include "saver/stage_private.h"

#include "util/crc32c.h"

#include <errno.h>
#include <stdlib.h>

#define PIECE (1u << 20)
#define BLOCK 4096 /* what is shared between ranges comes in these */

struct work {
	struct ck_stage *s;
	struct ck_plan *p;
	struct ck_err *err;
	uint8_t *piece, *other;
	struct ck_sshard *target;
	uint32_t which;
	uint64_t done, total; /* bytes, for progress */
};

static void progress(struct work *w, uint64_t n)
{
	w->done += n;
	if (w->s->o.progress.fn)
		w->s->o.progress.fn(w->s->o.progress.arg, "copying", w->done, w->total);
}

static int reach_target(struct work *w)
{
	int r = ck_shard_target(w->s, &w->target, w->err);

	if (r == 0)
		w->which = (uint32_t)(w->target - w->s->shards);
	return r;
}

static int alloc(struct work *w, uint64_t n, uint64_t like, uint64_t block, uint64_t *ret)
{
	int r = reach_target(w);

	if (r == 0 && (r = ck_space_alloc(w->target->space, n, like, block, ret)) < 0)
		ck_fail(w->err, CK_PUBLISH, -r, "%s: no room: %s", w->target->path, strerror(-r));
	return r;
}

bool ck_ext_is_home(const struct ck_content *c, const struct ck_ext *e)
{
	if (e->kind == CK_EXT_BASE)
		return e->at == e->off;
	return c->home_shard != CK_NO_SHARD && e->kind == CK_EXT_SHARD &&
	       e->which == c->home_shard && e->at == c->home_at + e->off;
}

/* Bytes of the item's home as they are published. */
static int read_home(struct work *w, const struct ck_item *i, uint64_t off, void *p, size_t n)
{
	struct ck_sshard *sh = &w->s->shards[i->home];
	int r;

	if (sh->source && i->home_at + off + n <= ck_source_size(sh->source))
		return ck_source_read(sh->source, i->home_at + off, p, n, w->err);
	r = ck_shard_open(w->s, i->home, false, w->err);
	return r < 0 ? r : ck_shard_read(w->s, i->home, i->home_at + off, p, n, w->err);
}

/* One range [off, off + n) of the item is no longer as it was published; now is its CRC. */
static int exchange_crc(struct work *w, struct ck_item *i, uint64_t off, uint64_t n, uint32_t now,
			uint32_t *crc)
{
	uint32_t was = 0;

	for (uint64_t at = 0; at < n;) {
		size_t k = n - at < PIECE ? (size_t)(n - at) : PIECE;
		int r = read_home(w, i, off + at, w->other, k);

		if (r < 0)
			return r;
		was = ck_crc32c_extend(was, w->other, k);
		at += k;
	}
	*crc ^= ck_crc32c_combine(was ^ now, 0, i->nbytes - off - n);
	return 0;
}

/* Calls fn for each piece of the file that was edited. */
struct edits {
	struct work *w;
	struct ck_item *i;
	uint32_t crc;
	uint64_t to; /* CLONE: where the copy lies in the target */
	bool write;
};

static int edit_extent(void *arg, const struct ck_ext *e)
{
	struct edits *x = arg;
	struct ck_content *c = x->i->n->now.content;

	if (ck_ext_is_home(c, e))
		return 0;
	if (e->crc_ok && !x->write)
		return exchange_crc(x->w, x->i, e->off, e->len, e->crc, &x->crc);
	for (uint64_t at = 0; at < e->len;) {
		size_t k = e->len - at < PIECE ? (size_t)(e->len - at) : PIECE;
		int r = ck_ext_read(x->w->s, c, e, at, x->w->piece, k, x->w->err);

		if (r == 0)
			r = exchange_crc(x->w, x->i, e->off + at, k, ck_crc32c(x->w->piece, k),
					 &x->crc);
		if (r == 0 && x->write)
			r = ck_shard_write(x->w->s, x->w->which, x->to + e->off + at, x->w->piece,
					   k, x->w->err);
		if (r < 0)
			return r;
		at += k;
	}
	return 0;
}

/* The checksum of a whole file from those of its extents. */
struct sum {
	struct work *w;
	struct ck_content *c;
	uint32_t crc;
};

static int add_crc(void *arg, const struct ck_ext *e)
{
	struct sum *x = arg;
	uint32_t crc = e->crc_ok ? e->crc : 0;

	for (uint64_t at = 0; at < e->len && !e->crc_ok;) {
		size_t k = e->len - at < PIECE ? (size_t)(e->len - at) : PIECE;
		int r = ck_ext_read(x->w->s, x->c, e, at, x->w->piece, k, x->w->err);

		if (r < 0)
			return r;
		crc = ck_crc32c_extend(crc, x->w->piece, k);
		at += k;
	}
	x->crc = ck_crc32c_combine(x->crc, crc, e->len);
	return 0;
}

static int is_home(void *arg, const struct ck_ext *e)
{
	return ck_ext_is_home(arg, e);
}

static int add_patch(struct work *w, const struct ck_item *i, uint64_t off, uint64_t n,
		     uint64_t data)
{
	struct ck_plan *p = w->p;

	if (p->npatches == p->patches_room) {
		size_t room = p->patches_room ? 2 * p->patches_room : 64;
		void *a = realloc(p->patches, room * sizeof(*p->patches)), *b;

		if (a)
			p->patches = a;
		b = a ? realloc(p->files, room * sizeof(*p->files)) : NULL;
		if (!b)
			return ck_fail_nomem(w->err, w->s->prefix);
		p->files = b;
		p->patches_room = room;
	}
	p->patches[p->npatches] = (struct ck_rec_patch){ w->s->shards[i->home].id,
							 i->home_at + off, n, data };
	p->files[p->npatches++] = w->s->shards[i->home].file;
	p->report.in_place += n;
	return 0;
}

static int patch_extent(void *arg, const struct ck_ext *e)
{
	struct edits *x = arg;

	if (ck_ext_is_home(x->i->n->now.content, e))
		return 0;
	return add_patch(x->w, x->i, e->off, e->len, e->at);
}

static int redo_in_place(struct work *w, struct ck_item *i)
{
	struct ck_content *c = i->n->now.content;
	struct edits x = { .w = w, .i = i, .crc = i->home_crc };
	struct sum sum = { .w = w, .c = c };
	struct ck_extmap *map = c->map;
	int r;

	if (ck_extmap_each(map, is_home, c)) {
		r = ck_extmap_each(map, edit_extent, &x);
	} else { /* nothing is left of what was there */
		r = ck_extmap_each(map, add_crc, &sum);
		x.crc = sum.crc;
	}
	if (r == 0)
		r = ck_extmap_each(map, patch_extent, &x);
	i->place = (struct ck_tf_place){ w->s->shards[i->home].id, i->home_at, i->nbytes, x.crc };
	return r;
}

/* Everything but the edges is shared; then the edits are written over the copy. */
static int share(struct work *w, struct ck_item *i, bool *shared)
{
	struct ck_sshard *home = &w->s->shards[i->home];
	struct edits x = { .w = w, .i = i, .crc = i->home_crc, .write = true };
	uint64_t skip = (BLOCK - i->home_at % BLOCK) % BLOCK, n;
	int r;

	*shared = false;
	r = alloc(w, i->nbytes, i->home_at, BLOCK, &x.to);
	if (r == 0)
		r = ck_shard_open(w->s, i->home, false, w->err);
	if (r < 0)
		return r;
	if (i->nbytes < skip + BLOCK)
		return 0;
	n = (i->nbytes - skip) / BLOCK * BLOCK;
	w->target->dirty = w->target->grown = true;
	r = w->s->vfs->clone(w->target->file, x.to + skip, home->file, i->home_at + skip, n);
	ck_shard_note(w->target);
	if (r < 0)
		return 0; /* then it is copied */
	*shared = true;
	r = ck_vfs_copy(w->target->file, x.to, home->file, i->home_at, skip);
	if (r == 0)
		r = ck_vfs_copy(w->target->file, x.to + skip + n, home->file,
				i->home_at + skip + n, i->nbytes - skip - n);
	ck_shard_note(w->target);
	if (r < 0)
		return ck_fail(w->err, CK_PUBLISH, -r, "%s: cannot be written: %s",
			       w->target->path, strerror(-r));
	r = ck_extmap_each(i->n->now.content->map, edit_extent, &x);
	i->place = (struct ck_tf_place){ w->target->id, x.to, i->nbytes, x.crc };
	w->p->report.cloned += n;
	return r;
}

static void swap_words(uint8_t *p, size_t n, size_t word)
{
	for (size_t at = 0; at + word <= n; at += word)
		for (size_t i = 0; i < word / 2; i++) {
			uint8_t b = p[at + i];

			p[at + i] = p[at + word - 1 - i];
			p[at + word - 1 - i] = b;
		}
}

/* The file's bytes, in the checkpoint's byte order, one after the other to the target. */
static int copy_bytes(struct work *w, struct ck_item *i, uint64_t to, uint32_t *crc)
{
	struct ck_content *c = i->n->now.content;
	const struct ck_varmeta *m = i->n->now.meta;
	size_t word = m->big_endian != w->s->big_endian ? ck_dtype_info(m->dtype)->word : 1;

	for (uint64_t at = 0; at < c->size;) {
		size_t k = c->size - at < PIECE ? (size_t)(c->size - at) : PIECE;
		int r = ck_content_read(w->s, c, at, w->piece, k, w->err);

		if (r < 0)
			return r;
		if (word > 1)
			swap_words(w->piece, k, word);
		*crc = ck_crc32c_extend(*crc, w->piece, k);
		r = ck_shard_write(w->s, w->which, to + at, w->piece, k, w->err);
		if (r < 0)
			return r;
		at += k;
		w->p->report.copied += k;
		progress(w, k);
	}
	return 0;
}

static int copy_strings(struct work *w, struct ck_item *i)
{
	const struct ck_varmeta *m = i->n->now.meta;
	struct ck_buf ck_auto_buf head = CK_BUF_INIT;
	uint64_t one = i->n->now.content->size, at;
	uint32_t crc = 0;
	int r;

	if (m->rank == 0)
		ck_tf_put_lengths(&one, 1, w->s->big_endian, &head, &crc);
	else
		ck_tf_put_lengths(m->lengths, m->nlengths, w->s->big_endian, &head, &crc);
	if (ck_buf_failed(&head))
		return ck_fail_nomem(w->err, w->s->prefix);
	r = alloc(w, head.n + i->nbytes, 0, 1, &at);
	if (r == 0)
		r = ck_shard_write(w->s, w->which, at, head.p, head.n, w->err);
	if (r == 0)
		r = copy_bytes(w, i, at + head.n, &crc);
	i->place = (struct ck_tf_place){ r == 0 ? w->target->id : 0, at, head.n + i->nbytes, crc };
	return r;
}

/* --- what was written to the target already ------------------------------------------------- */

struct in_piece {
	struct work *w;
	uint32_t which;
	uint64_t at; /* where byte 0 of the file would lie */
	bool first, not;
};

static int look_piece(void *arg, const struct ck_ext *e)
{
	struct in_piece *x = arg;

	if (e->kind != CK_EXT_SHARD || (!x->first && (e->which != x->which ||
						      e->at != x->at + e->off)))
		x->not = true;
	x->which = e->which;
	x->at = e->at - e->off;
	x->first = false;
	return x->not;
}

static int place_as_is(struct work *w, struct ck_item *i, bool *placed)
{
	struct ck_content *c = i->n->now.content;
	struct in_piece x = { .w = w, .first = true };
	struct sum sum = { .w = w, .c = c };
	int r;

	*placed = false;
	if (!c->map || !c->size || c->homed)
		return 0;
	ck_extmap_each(c->map, look_piece, &x);
	if (x.not || x.which != w->s->target)
		return 0;
	r = ck_extmap_each(c->map, add_crc, &sum);
	if (r < 0)
		return r;
	*placed = true;
	i->how = CK_ITEM_PLACED;
	i->place = (struct ck_tf_place){ w->s->shards[x.which].id, x.at, c->size, sum.crc };
	return 0;
}

static int whole(struct work *w, struct ck_item *i)
{
	const struct ck_varmeta *m = i->n->now.meta;
	bool placed = false;
	uint32_t crc = 0;
	uint64_t at = 0;
	int r = 0;

	if (m->dtype == CK_DT_STRING)
		return copy_strings(w, i);
	if (m->big_endian == w->s->big_endian || ck_dtype_info(m->dtype)->word == 1)
		r = place_as_is(w, i, &placed);
	if (r < 0 || placed)
		return r;
	r = i->nbytes ? alloc(w, i->nbytes, 0, 1, &at) : reach_target(w);
	if (r == 0)
		r = copy_bytes(w, i, at, &crc);
	i->place = (struct ck_tf_place){ r == 0 && i->nbytes ? w->target->id : 0, at, i->nbytes,
					 crc };
	return r;
}

/* --- slices ---------------------------------------------------------------------------------- */

struct gather {
	struct work *w;
	struct ck_item *i;
	uint64_t to;
	size_t n; /* bytes in the piece */
	uint64_t at; /* of the slice: where the piece begins */
	uint32_t crc;
};

static int gather_out(struct gather *g)
{
	int r;

	g->crc = ck_crc32c_extend(g->crc, g->w->piece, g->n);
	r = ck_shard_write(g->w->s, g->w->which, g->to + g->at, g->w->piece, g->n, g->w->err);
	g->w->p->report.copied += g->n;
	progress(g->w, g->n);
	g->at += g->n;
	g->n = 0;
	return r;
}

static int gather_run(void *arg, uint64_t var_off, uint64_t slice_off, uint64_t len)
{
	struct gather *g = arg;
	int r = 0;

	(void)slice_off;
	while (len && r == 0) {
		size_t k = len < PIECE - g->n ? (size_t)len : PIECE - g->n;

		r = ck_content_read(g->w->s, g->i->n->now.content, var_off, g->w->piece + g->n, k,
				    g->w->err);
		g->n += k;
		var_off += k;
		len -= k;
		if (r == 0 && g->n == PIECE)
			r = gather_out(g);
	}
	return r;
}

/* The edits that lie in one run of the slice, for its checksum and as patches. */
static int redo_run(void *arg, uint64_t var_off, uint64_t slice_off, uint64_t len)
{
	struct edits *x = arg;
	struct ck_content *c = x->i->n->now.content;
	struct ck_ext e;

	for (uint64_t at = var_off; at < var_off + len && ck_extmap_get(c->map, at, &e);) {
		uint64_t end = e.off + e.len < var_off + len ? e.off + e.len : var_off + len;
		uint64_t off = slice_off + (at - var_off);
		int r = 0;

		if (e.kind == CK_EXT_JOURNAL)
			r = add_patch(x->w, x->i, off, end - at, e.at + (at - e.off));
		while (e.kind == CK_EXT_JOURNAL && at < end && r == 0) {
			size_t k = end - at < PIECE ? (size_t)(end - at) : PIECE;

			r = ck_ext_read(x->w->s, c, &e, at - e.off, x->w->piece, k, x->w->err);
			if (r == 0)
				r = exchange_crc(x->w, x->i, slice_off + (at - var_off), k,
						 ck_crc32c(x->w->piece, k), &x->crc);
			at += k;
		}
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

static int one_slice(struct work *w, struct ck_item *i)
{
	const struct ck_content *was = i->n->pub.content;
	const struct ck_var *v = &was->model->vars[was->var];
	const struct ck_slice *sl = &was->model->slices[v->offset + i->slice];
	struct edits x = { .w = w, .i = i, .crc = i->home_crc };
	struct gather g = { .w = w, .i = i };
	int r;

	if (i->how == CK_ITEM_INPLACE) {
		r = ck_slice_runs(was->model, v, sl, redo_run, &x);
		i->place = (struct ck_tf_place){ w->s->shards[i->home].id, i->home_at, i->nbytes,
						 x.crc };
		return r;
	}
	r = alloc(w, i->nbytes, 0, 1, &g.to);
	if (r == 0)
		r = ck_slice_runs(was->model, v, sl, gather_run, &g);
	if (r == 0 && g.n)
		r = gather_out(&g);
	i->place = (struct ck_tf_place){ r == 0 ? w->target->id : 0, g.to, i->nbytes, g.crc };
	return r;
}

static int add_slice_place(struct work *w, const struct ck_item *i)
{
	struct ck_tf_change *ch = &w->p->changes[i->change];
	struct ck_tf_slice_place *p = realloc((void *)(uintptr_t)ch->slices,
					      (ch->nslices + 1) * sizeof(*p));

	if (!p)
		return ck_fail_nomem(w->err, w->s->prefix);
	p[ch->nslices++] = (struct ck_tf_slice_place){ i->slice, i->place };
	ch->slices = p;
	return 0;
}

static int one_item(struct work *w, struct ck_item *i)
{
	bool shared = false;
	int r;

	if (i->slice != UINT32_MAX) {
		r = one_slice(w, i);
		return r < 0 ? r : add_slice_place(w, i);
	}
	switch (i->how) {
	case CK_ITEM_KEEP:
		i->place = (struct ck_tf_place){ w->s->shards[i->home].id, i->home_at, i->nbytes,
						 i->home_crc };
		r = 0;
		break;
	case CK_ITEM_INPLACE:
		r = redo_in_place(w, i);
		break;
	case CK_ITEM_CLONE:
		r = share(w, i, &shared);
		if (r == 0 && !shared) {
			i->how = CK_ITEM_COPY;
			r = whole(w, i);
		}
		break;
	default:
		r = whole(w, i);
	}
	w->p->changes[i->change].place = i->place;
	return r;
}

int ck_plan_assemble(struct ck_stage *s, struct ck_plan *p, struct ck_err *err)
{
	struct work w = { .s = s, .p = p, .err = err };
	int r = 0;

	w.piece = malloc(PIECE);
	w.other = malloc(PIECE);
	if (!w.piece || !w.other)
		r = ck_fail_nomem(err, s->prefix);
	for (size_t i = 0; i < p->nitems; i++)
		if (p->items[i].how == CK_ITEM_COPY)
			w.total += p->items[i].nbytes;
	for (size_t i = 0; i < p->nitems && r == 0; i++)
		r = one_item(&w, &p->items[i]);
	free(w.piece);
	free(w.other);
	return r;
}

/*
 * slog.c - what is staged becomes records, and records become durable.
 *
 * The order is the point: bytes are in the shard before the record that points at them; records
 * stand in the order in which things were done; and a sync makes the shards durable first, says so
 * (SYNC), and then the journal.
 */
#include "saver/stage_private.h"

#include "journal/identity.h"
#include "journal/pointer.h"
#include "util/crc32c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PIECE (1u << 20)

static int base_record(struct ck_stage *s, struct ck_record *rec, struct ck_err *err)
{
	rec->type = CK_REC_BASE;
	rec->num_shards = s->num_shards;
	if (s->foreign)
		rec->source = ck_span(s->source, strlen(s->source));
	if (!s->index_known) {
		struct ck_buf ck_auto_buf path = CK_BUF_INIT;

		ck_buf_printf(&path, "%s.index", s->foreign ? s->source : s->prefix);
		if (ck_buf_failed(&path))
			return ck_fail_nomem(err, s->prefix);
		if (ck_rec_index_of(s->vfs, path.p, &s->index, err) < 0)
			return -EIO;
		s->index_known = true;
	}
	rec->index = s->index;
	rec->shards = calloc(s->nshards + 1, sizeof(*rec->shards));
	if (!rec->shards)
		return ck_fail_nomem(err, s->prefix);
	for (uint32_t i = 0; i < s->nshards; i++) {
		struct ck_sshard *sh = &s->shards[i];

		if (sh->id == CK_REC_STAGE || !sh->stat.ino)
			continue;
		ck_rec_shard_of(&sh->stat, sh->id, i == s->target,
				&rec->shards[rec->nshards++]);
	}
	return 0;
}

static int relog_below(struct ck_stage *s, struct ck_snode *dir, struct ck_err *err);

/* Makes the journal, and what leads to it. */
static int create_journal(struct ck_stage *s, struct ck_journal **ret, struct ck_err *err)
{
	mode_t mode = s->index_stat.mode ? s->index_stat.mode & 0777 : 0666;
	struct ck_record rec = { 0 };
	int r = ck_shard_choose(s, err); /* BASE says which shard may be touched */

	if (r == 0)
		r = base_record(s, &rec, err);
	if (r == 0)
		r = ck_recover_orphan(s, err);
	if (r == 0)
		r = ck_journal_create(s->vfs, s->draft ? s->draft_path : s->journal_path, mode,
				      &rec, ret, err);
	free(rec.shards);
	if (r < 0 || !s->pointer_path)
		return r;
	r = ck_pointer_write(s->vfs, s->pointer_path, s->journal_path, mode, err);
	if (r < 0) { /* a pointer that is half there must not lead to nothing */
		ck_journal_close(*ret, false, NULL);
		ck_slog_remove(s);
	}
	return r;
}

int ck_slog_begin(struct ck_stage *s, struct ck_err *err)
{
	struct ck_journal *j;
	int r;

	if (s->journal)
		return 0;
	s->draft = s->o.transient && !s->pointer_path;
	r = create_journal(s, &j, err);
	if (r < 0)
		return r;
	s->shards[s->target].touched = true;
	ck_state_write(s);
	s->journal = j;
	s->generation++; /* both at once: readers go by them */
	s->relogging = true;
	r = relog_below(s, s->root, err);
	s->relogging = false;
	ck_state_written(s);
	if (r < 0) /* it would know less than there is */
		ck_slog_retire(s, NULL);
	return r;
}

static int log_extents(struct ck_stage *s, struct ck_err *err);

int ck_slog_add(struct ck_stage *s, struct ck_record *r, uint64_t *data_at, struct ck_err *err)
{
	int q;

	if (s->replaying)
		return 0;
	q = ck_slog_begin(s, err);
	if (q == 0 && r->type != CK_REC_WRITE && r->type != CK_REC_EXTENT && !s->relogging)
		q = log_extents(s, err);
	if (q == 0)
		q = ck_journal_append(s->journal, r, data_at, err);
	if (q == 0)
		s->edits++;
	return q;
}

struct walk {
	struct ck_stage *s;
	struct ck_snode *n;
	struct ck_buf path;
	uint8_t *piece;
	struct ck_err *err;
};

static int extent_crc(struct walk *w, struct ck_ext *e)
{
	uint32_t crc = 0;

	if (e->crc_ok)
		return 0;
	for (uint64_t at = 0; at < e->len;) {
		size_t k = e->len - at < PIECE ? (size_t)(e->len - at) : PIECE;
		int r = ck_ext_read(w->s, w->n->now.content, e, at, w->piece, k, w->err);

		if (r < 0)
			return r;
		crc = ck_crc32c_extend(crc, w->piece, k);
		at += k;
	}
	e->crc = crc;
	e->crc_ok = true;
	return 0;
}

static int log_extent(void *arg, struct ck_ext *e)
{
	struct walk *w = arg;
	struct ck_record rec = { .type = CK_REC_EXTENT };
	int r;

	if (e->kind != CK_EXT_SHARD || e->logged)
		return 0;
	r = extent_crc(w, e);
	if (r < 0)
		return r;
	rec.path = ck_span(w->path.p, w->path.n);
	rec.offset = e->off;
	rec.nbytes = e->len;
	rec.shard = w->s->shards[e->which].id;
	rec.shard_offset = e->at;
	rec.crc32c = e->crc;
	r = ck_slog_add(w->s, &rec, NULL, w->err);
	if (r == 0)
		e->logged = true;
	return r;
}

static int log_extents(struct ck_stage *s, struct ck_err *err)
{
	struct walk w = { .s = s, .err = err };
	int r = 0;

	for (struct ck_snode *n = s->pending; n && r == 0; n = n->pending_next) {
		/* (Without a map: what was staged has been taken back.) */
		if (!n->unlogged || !n->entry || !n->now.content || !n->now.content->map)
			continue;
		if (!w.piece && !(w.piece = malloc(PIECE)))
			return ck_fail_nomem(err, s->prefix);
		w.n = n;
		ck_buf_clear(&w.path);
		ck_snode_path(n, &w.path);
		r = ck_buf_failed(&w.path) ? ck_fail_nomem(err, s->prefix) : 0;
		ck_state_write(s); /* the walk joins what has become alike */
		if (r == 0)
			r = ck_extmap_walk(n->now.content->map, log_extent, &w);
		ck_state_written(s);
		if (r == 0)
			n->unlogged = false;
	}
	free(w.piece);
	ck_buf_done(&w.path);
	return r;
}

int ck_slog_extents(struct ck_stage *s, struct ck_err *err)
{
	int r = s->pending ? ck_slog_begin(s, err) : 0;

	return r < 0 ? r : log_extents(s, err);
}

/* --- what a journal that is begun has to know ------------------------------------------------- */

/* Bytes of the checkpoint as they lie in a shard, if they do so in one piece. */
static bool in_shard(const struct ck_stage *s, const struct ck_content *c, struct ck_ext *e)
{
	const struct ck_var *v = e->kind == CK_EXT_BASE ? &c->model->vars[c->var] : NULL;

	if (!v || v->flags || v->dtype == CK_DT_STRING)
		return e->kind == CK_EXT_SHARD;
	e->kind = CK_EXT_SHARD;
	e->which = ck_shard_by_id(s, c->model->shards[v->shard].id);
	e->at += v->offset;
	if (!e->off && e->len == c->home_size) {
		e->crc = c->home_crc;
		e->crc_ok = true;
	}
	return e->which != CK_NO_SHARD;
}

static int relog_bytes(struct walk *w, const struct ck_ext *e)
{
	struct ck_record rec = { .type = CK_REC_WRITE, .path = ck_span(w->path.p, w->path.n) };
	int r = 0;

	for (uint64_t at = 0; at < e->len && r == 0;) {
		size_t k = e->len - at < PIECE ? (size_t)(e->len - at) : PIECE;

		r = ck_ext_read(w->s, w->n->now.content, e, at, w->piece, k, w->err);
		rec.offset = e->off + at;
		rec.nbytes = k;
		rec.data = ck_span(w->piece, k);
		if (r == 0)
			r = ck_slog_add(w->s, &rec, NULL, w->err);
		at += k;
	}
	return r;
}

static int relog_extent(void *arg, struct ck_ext *e)
{
	struct walk *w = arg;
	struct ck_ext there = *e;
	int r;

	if (e->kind == CK_EXT_ZERO)
		return 0;
	if (!in_shard(w->s, w->n->now.content, &there))
		return relog_bytes(w, e);
	there.logged = false;
	if (e->kind == CK_EXT_BASE && (r = ck_shard_open(w->s, there.which, false, w->err)) < 0)
		return r;
	r = log_extent(w, &there);
	if (r == 0 && e->kind == CK_EXT_SHARD)
		*e = there;
	return r;
}

static int relog_file(struct ck_stage *s, struct ck_snode *n, struct ck_err *err)
{
	struct walk w = { .s = s, .n = n, .err = err };
	struct ck_record rec = { .type = CK_REC_CREATE };
	struct ck_content *c;
	int r = ck_content_edit(s, n, &c, err);

	if (r < 0)
		return r;
	w.piece = malloc(PIECE);
	ck_snode_path(n, &w.path);
	if (!w.piece || ck_buf_failed(&w.path))
		r = ck_fail_nomem(err, s->prefix);
	rec.path = ck_span(w.path.p, w.path.n);
	if (r == 0)
		r = ck_slog_add(s, &rec, NULL, err);
	if (r == 0 && n->now.meta)
		r = ck_slog_meta(s, rec.path, n->now.meta, n->suffixed, err);
	rec.type = CK_REC_TRUNCATE;
	rec.offset = c->size;
	if (r == 0)
		r = ck_slog_add(s, &rec, NULL, err);
	if (r == 0)
		r = ck_extmap_walk(c->map, relog_extent, &w);
	if (r == 0)
		ck_content_pend(s, n); /* so that a SYNC comes behind these */
	free(w.piece);
	ck_buf_done(&w.path);
	return r;
}

/* Whether who opens the checkpoint now sees that folder, spelt like this. */
static bool is_shown(struct ck_stage *s, const struct ck_snode *dir)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;

	if (s->last.any || dir->base == CK_NO_NODE ||
	    dir->now.dir->base != ck_tree_parent(s->tree, dir->base))
		return false;
	ck_tree_spell(s->tree, s->root_base,
		      (struct ck_entry){ .node = dir->base, .kind = CK_KIND_DIR }, &name);
	return !ck_buf_failed(&name) && strcmp(name.p, dir->entry->name) == 0;
}

/* What the index does not tell: scratch files, folders that are empty or have a spelling of their
 * own. (Replaying does not mind a folder that is there already.) */
static int relog_below(struct ck_stage *s, struct ck_snode *dir, struct ck_err *err)
{
	int r = 0;

	for (struct ck_sentry *e = dir->children; e && r == 0; e = e->next) {
		struct ck_buf ck_auto_buf path = CK_BUF_INIT;
		struct ck_record rec = { .type = CK_REC_MKDIR };
		struct ck_snode *n = e->node;

		if (!n)
			continue;
		if (!n->is_dir) {
			if (ck_name_is_scratch(e->name) && n->now.content)
				r = relog_file(s, n, err);
			continue;
		}
		if (!is_shown(s, n)) {
			ck_snode_path(n, &path);
			rec.path = ck_span(path.p, path.n);
			r = ck_buf_failed(&path) ? ck_fail_nomem(err, s->prefix) :
						   ck_slog_add(s, &rec, NULL, err);
		}
		if (r == 0)
			r = relog_below(s, n, err);
	}
	return r;
}

void ck_slog_meta_text(const struct ck_varmeta *meta, bool suffixed, struct ck_buf *out)
{
	struct ck_buf ck_auto_buf packed = CK_BUF_INIT;

	ck_varmeta_pack(meta, &packed);
	out->failed |= packed.failed;
	if (ck_buf_failed(out))
		return;
	ck_buf_str(out, suffixed ? CK_META_SUFFIXED : "{");
	ck_buf_add(out, packed.p + 1, packed.n - 1);
}

int ck_slog_meta(struct ck_stage *s, struct ck_span path, const struct ck_varmeta *meta,
		 bool suffixed, struct ck_err *err)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct ck_record rec = { .type = CK_REC_META, .path = path };

	ck_slog_meta_text(meta, suffixed, &text);
	if (ck_buf_failed(&text))
		return ck_fail_nomem(err, s->prefix);
	rec.data = ck_span(text.p, text.n);
	return ck_slog_add(s, &rec, NULL, err);
}

/* --- durable --------------------------------------------------------------------------------- */

/* After a failed sync what was written may be lost though reads still see it: write it again. */
static int rewrite_extent(void *arg, const struct ck_ext *e)
{
	struct walk *w = arg;

	if (e->kind != CK_EXT_SHARD || e->durable || !w->s->shards[e->which].suspect)
		return 0;
	for (uint64_t at = 0; at < e->len;) {
		size_t k = e->len - at < PIECE ? (size_t)(e->len - at) : PIECE;
		int r = ck_ext_read(w->s, w->n->now.content, e, at, w->piece, k, w->err);

		if (r == 0)
			r = ck_shard_write(w->s, e->which, e->at + at, w->piece, k, w->err);
		if (r < 0)
			return r;
		at += k;
	}
	return 0;
}

static int rewrite_suspects(struct ck_stage *s, struct ck_err *err)
{
	struct walk w = { .s = s, .err = err };
	bool any = false;
	int r = 0;

	for (uint32_t i = 0; i < s->nshards; i++)
		any |= s->shards[i].suspect;
	if (!any)
		return 0;
	w.piece = malloc(PIECE);
	if (!w.piece)
		return ck_fail_nomem(err, s->prefix);
	for (struct ck_snode *n = s->pending; n && r == 0; n = n->pending_next) {
		w.n = n;
		if (n->entry && n->now.content && n->now.content->map)
			r = ck_extmap_each(n->now.content->map, rewrite_extent, &w);
	}
	free(w.piece);
	return r;
}

int ck_shards_sync(struct ck_stage *s, struct ck_err *err)
{
	int r = rewrite_suspects(s, err);

	for (uint32_t i = 0; i < s->nshards && r == 0; i++) {
		struct ck_sshard *sh = &s->shards[i];

		if (!sh->dirty && !sh->suspect)
			continue;
		r = ck_vfs_sync(sh->file);
		if (r == 0 && sh->id == CK_REC_STAGE && !s->stage_named) {
			r = s->vfs->sync_dir(s->vfs, sh->path);
			s->stage_named = r == 0;
		}
		sh->suspect = r < 0;
		if (r < 0)
			return ck_fail(err, CK_PUBLISH, -r, "%s: cannot be made durable: %s: what is "
				       "staged is kept, try again", sh->path, strerror(-r));
		sh->dirty = false;
		ck_shard_note(sh);
	}
	return r;
}

static int mark_durable(void *arg, struct ck_ext *e)
{
	(void)arg;
	if (e->kind == CK_EXT_SHARD)
		e->durable = true;
	return 0;
}

int ck_slog_sync(struct ck_stage *s, struct ck_err *err)
{
	struct ck_record rec = { .type = CK_REC_SYNC };
	int r;

	if (s->pending) {
		r = ck_slog_extents(s, err);
		if (r == 0)
			r = ck_shards_sync(s, err);
		if (r == 0 && s->journal)
			r = ck_slog_add(s, &rec, NULL, err);
		if (r < 0)
			return r;
	}
	if (!s->journal)
		return 0;
	r = ck_journal_sync(s->journal, err);
	if (r < 0)
		return r;
	while (s->pending) {
		struct ck_snode *n = s->pending;

		s->pending = n->pending_next;
		n->pending = false;
		ck_state_write(s);
		if (n->now.content && n->now.content->map)
			ck_extmap_walk(n->now.content->map, mark_durable, NULL);
		ck_snode_maybe_free(s, n);
		ck_state_written(s);
	}
	ck_shard_drop_limbo(s, true);
	return 0;
}

struct ck_journal *ck_slog_generation(const struct ck_stage *s, uint32_t generation)
{
	if (s->journal && generation == s->generation)
		return s->journal;
	for (struct ck_sold_journal *o = s->old_journals; o; o = o->next)
		if (o->generation == generation)
			return o->j;
	return NULL;
}

static int remove_name(struct ck_stage *s, const char *path)
{
	int r = s->vfs->unlink(s->vfs, path);

	return r == 0 || r == -ENOENT ? s->vfs->sync_dir(s->vfs, path) : r;
}

/* The pointer first: one that points to nothing would say that edits are out of reach. */
int ck_slog_remove(struct ck_stage *s)
{
	int r = s->pointer_path ? remove_name(s, s->pointer_path) : 0;

	return r < 0 ? r : remove_name(s, s->draft ? s->draft_path : s->journal_path);
}

int ck_slog_settle(struct ck_stage *s, struct ck_err *err)
{
	int r;

	if (!s->journal || !s->draft)
		return 0;
	r = ck_journal_sync(s->journal, err);
	if (r == 0)
		r = ck_journal_move(s->journal, s->journal_path, err);
	s->draft = r < 0;
	return r;
}

int ck_slog_retire(struct ck_stage *s, struct ck_err *err)
{
	struct ck_sold_journal *o;
	int r;

	if (!s->journal)
		return 0;
	o = malloc(sizeof(*o));
	if (!o)
		return ck_fail_nomem(err, s->prefix);
	r = ck_slog_remove(s);
	if (r < 0) {
		free(o);
		return ck_fail(err, CK_PUBLISH, -r, "%s: cannot be removed: %s", s->journal_path,
			       strerror(-r));
	}
	ck_state_write(s);
	*o = (struct ck_sold_journal){ s->generation, s->journal, s->old_journals };
	s->old_journals = o;
	s->journal = NULL;
	ck_state_written(s);
	return 0;
}

struct needs {
	struct ck_stage *s;
	uint32_t generation;
};

static int needs_it(void *arg, const struct ck_ext *e)
{
	const struct needs *n = arg;

	return e->kind == CK_EXT_JOURNAL && e->which == n->generation;
}

void ck_slog_drop_old(struct ck_stage *s)
{
	struct ck_sold_journal **at = &s->old_journals;

	while (*at) {
		struct ck_sold_journal *o = *at;
		struct needs n = { s, o->generation };
		bool needed = false;

		for (struct ck_content *c = s->contents; c && !needed; c = c->next)
			needed = c->map && ck_extmap_each(c->map, needs_it, &n) != 0;
		if (needed) {
			at = &o->next;
			continue;
		}
		ck_state_write(s);
		*at = o->next;
		ck_state_written(s);
		ck_journal_close(o->j, false, NULL);
		free(o);
	}
}

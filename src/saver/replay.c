/*
 * replay.c - the records of a journal that was found, done again.
 *
 * They go through the functions that did them first, without being logged. Bytes that an EXTENT
 * points at are trusted where a SYNC stands behind it; else they are read and compared, and the
 * first that do not match end the replay: that edit and all behind it were never promised.
 */
#include "saver/stage_private.h"

#include "util/crc32c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PIECE (1u << 20)
#define STOP 1 /* an answer of ours: what follows is dropped */

struct replay {
	struct ck_stage *s;
	uint64_t synced; /* records before this byte are durable, their bytes too */
	uint64_t edits;
	uint64_t stop; /* where the record begins that ended it early */
};

static int open_for_reading(struct ck_stage *s, uint32_t id, uint32_t *which, struct ck_err *err)
{
	struct ck_sshard *sh;
	uint32_t before = s->target;
	int r = 0;

	*which = ck_shard_by_id(s, id);
	if (id == CK_REC_STAGE && (*which == CK_NO_SHARD || !s->shards[*which].file)) {
		/* It is made where it is not there, and then ends too early for the extent. */
		s->target = CK_NO_SHARD;
		r = ck_stage_data_open(s, err);
		*which = ck_shard_by_id(s, id);
		s->target = before;
	}
	if (r == 0 && *which == CK_NO_SHARD && id < s->num_shards)
		r = ck_shard_add(s, id, which, err); /* no entry lies in it */
	if (r < 0)
		return r;
	if (*which == CK_NO_SHARD)
		return ck_fail(err, CK_CORRUPT, EIO, "the journal names a shard that is not there");
	sh = &s->shards[*which];
	return sh->file ? 0 : ck_shard_open(s, *which, false, err);
}

/* 0, or STOP where the bytes are not there or others. */
static int verify(struct ck_stage *s, uint32_t which, const struct ck_record *rec)
{
	uint8_t *piece = malloc(PIECE);
	uint32_t crc = 0;
	int r = piece ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < rec->nbytes && r == 0;) {
		size_t k = rec->nbytes - at < PIECE ? (size_t)(rec->nbytes - at) : PIECE;

		r = ck_shard_read(s, which, rec->shard_offset + at, piece, k, NULL) < 0 ? STOP : 0;
		if (r == 0)
			crc = ck_crc32c_extend(crc, piece, k);
		at += k;
	}
	free(piece);
	if (r < 0)
		return r;
	return r == STOP || crc != rec->crc32c ? STOP : 0;
}

static int find_file(struct ck_stage *s, struct ck_span path, struct ck_snode **ret,
		     struct ck_err *err)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_snode *dir;
	struct ck_span last;
	struct ck_found f;
	int r = ck_sfind_parent(s, path, &dir, &last, err);

	if (r < 0)
		return r;
	ck_buf_add(&name, last.p, last.n);
	if (ck_buf_failed(&name))
		return -ENOMEM;
	r = ck_sfind(s, dir, CK_NO_NODE, name.p, name.n, &f);
	if (r == 0 && f.kind != CK_STAGE_DATA)
		r = -EISDIR;
	if (r == -ENOENT) { /* a variable that has only metadata so far */
		struct ck_sentry *e = ck_sentry_find(s, dir, name.p, name.n);

		if (e && e->node && !e->node->is_dir) {
			*ret = e->node;
			return 0;
		}
	}
	return r < 0 ? r : ck_found_node(s, &f, ret, err);
}

static int redo_bytes(struct replay *p, uint64_t at, const struct ck_record *rec,
		      struct ck_err *err)
{
	struct ck_stage *s = p->s;
	struct ck_ext e = { .off = rec->offset, .len = rec->nbytes, .logged = true };
	struct ck_content *c;
	struct ck_snode *n;
	int r = find_file(s, rec->path, &n, err);

	if (r < 0)
		return r;
	if (!rec->nbytes)
		return 0;
	if (rec->type == CK_REC_WRITE) {
		e.kind = CK_EXT_JOURNAL;
		e.at = rec->data_at;
		e.which = s->generation;
		e.crc = ck_crc32c(rec->data.p, rec->data.n);
		e.crc_ok = true;
	} else {
		r = open_for_reading(s, rec->shard, &e.which, err);
		if (r == 0 && at >= p->synced)
			r = verify(s, e.which, rec);
		if (r)
			return r;
		e.kind = CK_EXT_SHARD;
		e.at = rec->shard_offset;
		e.crc = rec->crc32c;
		e.crc_ok = true;
		e.durable = at < p->synced;
		if (!e.durable) { /* a process died, the power may go yet */
			r = ck_shard_open(s, e.which, true, err);
			if (r < 0)
				return r;
			s->shards[e.which].dirty = true;
			/* Perhaps it died of a sync that failed. */
			s->shards[e.which].suspect = true;
			ck_content_pend(s, n);
		}
	}
	r = ck_content_edit(s, n, &c, err);
	if (r == 0)
		r = ck_extmap_set(c->map, &e);
	if (r < 0)
		return r;
	c->size = ck_extmap_size(c->map);
	c->borrowed |= e.kind == CK_EXT_SHARD; /* scratch files keep what was published */
	return 0;
}

/* Where a variable was made or moved to, no folder was called so: it was spelt with .d, though its
 * own variable had gone and is in no index any more. */
static int make_way(struct ck_stage *s, struct ck_snode *dir, const char *name, struct ck_err *err)
{
	struct ck_buf ck_auto_buf spelt = CK_BUF_INIT;
	struct ck_found f;
	bool durable;

	if (ck_sfind(s, dir, CK_NO_NODE, name, strlen(name), &f) < 0 || f.kind != CK_STAGE_DIR)
		return 0;
	ck_buf_printf(&spelt, "%s.d", name);
	if (ck_buf_failed(&spelt))
		return -ENOMEM;
	return ck_do_rename(s, dir, name, dir, spelt.p, 0, &durable, err);
}

static int redo_meta(struct ck_stage *s, struct ck_span path, struct ck_span text,
		     struct ck_err *err)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_varmeta *meta;
	struct ck_snode *dir, *n;
	struct ck_span last;
	int r = ck_sfind_parent(s, path, &dir, &last, err);

	if (r < 0)
		return r;
	ck_buf_add(&name, last.p, last.n);
	if (ck_buf_failed(&name))
		return -ENOMEM;
	r = make_way(s, dir, name.p, err);
	ck_buf_str(&name, ".json");
	if (r == 0)
		r = ck_buf_failed(&name) ? -ENOMEM : ck_json_owner(s, dir, name.p, &n, err);
	if (r == 0)
		r = ck_varmeta_parse(text, NULL, s->big_endian, "journal", &meta, err);
	if (r == 0)
		r = ck_do_meta(s, n, meta, err);
	if (r == 0 && text.n >= strlen(CK_META_SUFFIXED) &&
	    memcmp(text.p, CK_META_SUFFIXED, strlen(CK_META_SUFFIXED)) == 0)
		n->suffixed = true;
	return r;
}

/* A folder that is there already may only be spelt otherwise. */
static int redo_mkdir(struct replay *p, struct ck_snode *dir, const char *name, struct ck_err *err)
{
	struct ck_stage *s = p->s;
	struct ck_snode *n;
	struct ck_found f;
	bool durable;
	int r = ck_sfind(s, dir, CK_NO_NODE, name, strlen(name), &f);

	if (r == 0 && f.kind == CK_STAGE_DIR)
		return 0;
	if ((r == 0 && f.kind == CK_STAGE_ALIAS) || ck_other_spelling(s, dir, name, &f)) {
		r = ck_found_node(s, &f, &n, err);
		if (r < 0)
			return r;
		return ck_do_rename(s, dir, n->entry->name, dir, name, 0, &durable, err);
	}
	p->edits++;
	return ck_do_mkdir(s, dir, name, s->o.dir_mode, &n, err);
}

/* Operations on a name. */
static int redo_name(struct replay *p, const struct ck_record *rec, struct ck_err *err)
{
	struct ck_stage *s = p->s;
	struct ck_buf ck_auto_buf name = CK_BUF_INIT, to = CK_BUF_INIT;
	struct ck_snode *dir, *to_dir, *n;
	struct ck_span last;
	struct ck_found f;
	bool durable;
	int r = ck_sfind_parent(s, rec->path, &dir, &last, err);

	if (r < 0)
		return r;
	ck_buf_add(&name, last.p, last.n);
	if (rec->type == CK_REC_RENAME) {
		r = ck_sfind_parent(s, rec->to, &to_dir, &last, err);
		if (r < 0)
			return r;
		ck_buf_add(&to, last.p, last.n);
	}
	if (ck_buf_failed(&name) || ck_buf_failed(&to))
		return -ENOMEM;
	switch (rec->type) {
	case CK_REC_CREATE:
		r = make_way(s, dir, name.p, err);
		return r < 0 ? r : ck_do_create(s, dir, name.p, s->o.file_mode, &n, err);
	case CK_REC_UNLINK:
		return ck_do_unlink(s, dir, name.p, err);
	case CK_REC_MKDIR:
		return redo_mkdir(p, dir, name.p, err);
	case CK_REC_RMDIR:
		return ck_do_rmdir(s, dir, name.p, err);
	case CK_REC_RENAME:
		if (ck_sfind(s, dir, CK_NO_NODE, name.p, name.n, &f) == 0 &&
		    f.kind == CK_STAGE_DATA && !(rec->flags & CK_REC_EXCHANGE))
			r = make_way(s, to_dir, to.p, err);
		if (r < 0)
			return r;
		return ck_do_rename(s, dir, name.p, to_dir, to.p, rec->flags << 1, &durable, err);
	default:
		return -EINVAL;
	}
}

static int redo(struct replay *p, uint64_t at, const struct ck_record *rec, struct ck_err *err)
{
	struct ck_stage *s = p->s;
	struct ck_snode *n;
	int r;

	switch (rec->type) {
	case CK_REC_BASE:
		for (uint32_t i = 0; i < rec->nshards; i++) {
			uint32_t which = ck_shard_by_id(s, rec->shards[i].id);

			if (which == CK_NO_SHARD)
				continue;
			s->shards[which].touched = rec->shards[i].touched;
			s->shards[which].grown = rec->shards[i].touched;
			if (rec->shards[i].size < s->shards[which].found)
				s->shards[which].found = rec->shards[i].size;
		}
		return 0;
	case CK_REC_SYNC:
	case CK_REC_PREPARE:
	case CK_REC_COMMIT:
		return 0;
	case CK_REC_WRITE:
	case CK_REC_EXTENT:
		p->edits++;
		return redo_bytes(p, at, rec, err);
	case CK_REC_TRUNCATE:
		p->edits++;
		r = find_file(s, rec->path, &n, err);
		return r < 0 ? r : ck_content_resize(s, n, rec->offset, err);
	case CK_REC_META:
		p->edits++;
		return redo_meta(s, rec->path, rec->data, err);
	case CK_REC_DISCARD:
		if (!rec->path.n)
			return ck_discard_all(s, err);
		r = ck_discard_node(s, rec->path, err);
		return r == -ENOENT || r == -EEXIST ? 0 : r;
	case CK_REC_MKDIR:
		return redo_name(p, rec, err);
	default:
		p->edits++;
		r = redo_name(p, rec, err);
		if (r == 0 && rec->data.n)
			r = redo_meta(s, rec->type == CK_REC_RENAME ? rec->to : rec->path,
				      rec->data, err);
		return r;
	}
}

static int redo_one(void *arg, uint64_t at, const struct ck_record *rec, struct ck_err *err)
{
	struct replay *p = arg;
	int r = redo(p, at, rec, err);

	if (r)
		p->stop = at;
	return r == STOP ? -ECANCELED : r;
}

int ck_replay(struct ck_stage *s, struct ck_err *err)
{
	struct replay p = { .s = s };
	struct ck_journal_scan scan;
	struct ck_err why = CK_ERR_INIT;
	struct ck_vstat st;
	uint64_t dropped;
	int r;

	if (s->ignored || s->unled)
		return 0;
	r = s->vfs->lstat(s->vfs, s->journal_path, &st);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", s->journal_path,
			       strerror(-r));
	r = ck_journal_scan(s->vfs, s->journal_path, NULL, NULL, &scan, err);
	if (r < 0)
		return r;
	s->generation = 1;
	s->replaying = true;
	p.synced = scan.synced;
	r = ck_journal_scan(s->vfs, s->journal_path, redo_one, &p, &scan, &why);
	s->replaying = false;
	if (r < 0 && r != -ECANCELED)
		return ck_fail(err, why.cls == CK_OK ? CK_CORRUPT : why.cls, -r,
			       "%s: the staged edits cannot be laid over the checkpoint: %s: set the "
			       "journal aside, or give them up with ckptctl discard",
			       s->journal_path, why.cls == CK_OK ? strerror(-r) : why.text);
	if (r == -ECANCELED) {
		r = ck_journal_scan_until(s->vfs, s->journal_path, p.stop, &scan, err);
		if (r < 0)
			return r;
	}
	dropped = st.size - scan.end;
	r = s->o.look ? 0 : ck_journal_resume(s->vfs, s->journal_path, &scan, &s->journal, err);
	if (r < 0)
		return r;
	if (dropped && !s->o.look)
		ck_buf_printf(&s->notice, "%s: %" PRIu64 " bytes at its end were never made durable, and "
			      "are dropped\n", s->journal_path, dropped);
	s->recovered = p.edits > 0; /* even if they come to nothing: who looks is told so */
	s->found = s->recovered ? scan.end : 0;
	if (s->recovered && !s->o.tells_recovered)
		ck_buf_printf(&s->notice, "%s: edits that were not published are here again: publish "
			      "them (ckptctl commit) or give them up (ckptctl discard)\n", s->prefix);
	return 0;
}

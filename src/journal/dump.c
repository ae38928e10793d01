/*
 * dump.c - a journal as text, for people and tests (ck_journal_dump of journal.h).
 *
 * A record is a line that begins with its offset; elements of its lists follow on lines that begin
 * with two spaces; the last lines say where the valid part ends. Tests compare this text, so it
 * changes only with the format.
 */
#include "journal/journal.h"

#include <inttypes.h>
#include <stdlib.h>

static void put_name(struct ck_buf *out, struct ck_span s)
{
	size_t room = 4 * s.n + 16;
	char *p = malloc(room);

	if (p)
		ck_buf_str(out, ck_quote(p, room, s.p, s.n));
	else
		out->failed = true;
	free(p);
}

static void put_index(struct ck_buf *out, const struct ck_rec_index *x)
{
	if (x->absent)
		ck_buf_str(out, " no index");
	else
		ck_buf_printf(out, " index of %" PRIu64 " bytes, crc32c %08" PRIx32
			      ", fnv %016" PRIx64, x->size, x->crc32c, x->fnv);
}

static void put_time(struct ck_buf *out, const char *what, int64_t ns)
{
	uint64_t abs = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

	ck_buf_printf(out, "%s%s%" PRIu64 ".%09" PRIu64, what, ns < 0 ? "-" : "", abs / 1000000000,
		      abs % 1000000000);
}

static void put_base(struct ck_buf *out, const struct ck_record *r)
{
	put_index(out, &r->index);
	ck_buf_printf(out, ", %" PRIu32 " shards", r->num_shards);
	if (r->source.n) {
		ck_buf_str(out, ", source ");
		put_name(out, r->source);
	}
	for (uint32_t i = 0; i < r->nshards; i++) {
		const struct ck_rec_shard *s = &r->shards[i];

		ck_buf_printf(out, "\n  shard %" PRIu32 ": inode %" PRIu64 ", %" PRIu64 " bytes",
			      s->id, s->ino, s->size);
		put_time(out, ", modified ", s->mtime_ns);
		if (s->btime_ns)
			put_time(out, ", born ", s->btime_ns);
		if (s->touched)
			ck_buf_str(out, ", touched");
	}
}

/* Metadata that a file takes from another of its name. */
static void put_heritage(struct ck_buf *out, const struct ck_record *r)
{
	if (!r->data.n)
		return;
	ck_buf_str(out, " as ");
	put_name(out, r->data);
}

static void put_files(struct ck_buf *out, const struct ck_record *r)
{
	for (uint32_t i = 0; i < r->npaths; i++) {
		ck_buf_str(out, "\n  file ");
		put_name(out, r->paths[i]);
	}
}

static void put_commit(struct ck_buf *out, const struct ck_record *r)
{
	put_index(out, &r->index);
	put_files(out, r);
	for (uint32_t i = 0; i < r->npatches; i++) {
		const struct ck_rec_patch *p = &r->patches[i];

		ck_buf_printf(out,
			      "\n  patch shard %" PRIu32 " at %" PRIu64 ": %" PRIu64
			      " bytes at %" PRIu64, p->shard, p->offset, p->nbytes, p->data);
	}
}

static void put_extent(struct ck_buf *out, const struct ck_record *r)
{
	ck_buf_printf(out, " at %" PRIu64 ": %" PRIu64 " bytes in ", r->offset, r->nbytes);
	if (r->shard == CK_REC_STAGE)
		ck_buf_str(out, "the stage");
	else
		ck_buf_printf(out, "shard %" PRIu32, r->shard);
	ck_buf_printf(out, " at %" PRIu64 ", crc32c %08" PRIx32, r->shard_offset, r->crc32c);
}

static int put_record(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err)
{
	struct ck_buf *out = arg;

	(void)err;
	ck_buf_printf(out, "%" PRIu64 " %s", at, ck_rec_type_name(r->type));
	if (r->path.n || r->type == CK_REC_DISCARD) {
		ck_buf_char(out, ' ');
		put_name(out, r->path);
	}
	switch (r->type) {
	case CK_REC_BASE:
		put_base(out, r);
		break;
	case CK_REC_WRITE:
		ck_buf_printf(out, " at %" PRIu64 ": %" PRIu64 " bytes at %" PRIu64, r->offset,
			      r->nbytes, r->data_at);
		break;
	case CK_REC_EXTENT:
		put_extent(out, r);
		break;
	case CK_REC_TRUNCATE:
		ck_buf_printf(out, " to %" PRIu64, r->offset);
		break;
	case CK_REC_META:
		ck_buf_char(out, ' ');
		put_name(out, r->data);
		break;
	case CK_REC_RENAME:
		ck_buf_str(out, r->flags & CK_REC_EXCHANGE ? " with " : " to ");
		put_name(out, r->to);
		put_heritage(out, r);
		break;
	case CK_REC_CREATE:
		put_heritage(out, r);
		break;
	case CK_REC_PREPARE:
		put_files(out, r);
		break;
	case CK_REC_COMMIT:
		put_commit(out, r);
		break;
	default:
		break;
	}
	ck_buf_char(out, '\n');
	return 0;
}

int ck_journal_dump(const struct ck_vfs *vfs, const char *path, struct ck_buf *out,
		    struct ck_err *err)
{
	struct ck_journal_scan s;
	int r = ck_journal_scan(vfs, path, put_record, out, &s, err);

	if (r < 0)
		return r;
	if (s.has_base)
		ck_buf_printf(out, "%" PRIu64 " end: %" PRIu64 " records, salt %016" PRIx64
			      ", synced to %" PRIu64 "\n", s.end, s.records, s.salt, s.synced);
	else
		ck_buf_str(out, "0 end: its making was interrupted\n");
	if (s.size > s.end)
		ck_buf_printf(out, "%" PRIu64 " bytes behind the end are dropped\n",
			      s.size - s.end);
	return ck_buf_failed(out) ? ck_fail_nomem(err, path) : 0;
}

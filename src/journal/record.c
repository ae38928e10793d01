/*
 * record.c - see record.h; doc/format-journal.md has the payloads byte by byte.
 *
 * Decoding allocates nothing by a count before the payload has shown that it could hold as many,
 * and hands out no number that does not fit a file's offset. What decodes is what ck_record_check()
 * accepts, so that nothing is ever written that could not be read again.
 */
#include "journal/record.h"

#include "util/varint.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes that the smallest element of a list takes. */
#define SHARD_MIN 34
#define FILE_MIN 2
#define PATCH_MIN 4

#define INDEX_ABSENT 1
#define SHARD_TOUCHED 1

static const char *const type_names[] = {
	[CK_REC_BASE] = "BASE",		  [CK_REC_CREATE] = "CREATE",
	[CK_REC_WRITE] = "WRITE",	  [CK_REC_EXTENT] = "EXTENT",
	[CK_REC_TRUNCATE] = "TRUNCATE",	  [CK_REC_META] = "META",
	[CK_REC_UNLINK] = "UNLINK",	  [CK_REC_MKDIR] = "MKDIR",
	[CK_REC_RMDIR] = "RMDIR",	  [CK_REC_RENAME] = "RENAME",
	[CK_REC_SYNC] = "SYNC",		  [CK_REC_PREPARE] = "PREPARE",
	[CK_REC_COMMIT] = "COMMIT",	  [CK_REC_DISCARD] = "DISCARD",
};

const char *ck_rec_type_name(enum ck_rec_type t)
{
	return (unsigned)t < sizeof(type_names) / sizeof(type_names[0]) ? type_names[t] : NULL;
}

/* --- what is allowed ------------------------------------------------------------------------- */

static bool is_dots(const uint8_t *p, size_t n)
{
	return (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
}

/* Components divided by single '/', none of them empty, "." or "..", no NUL. */
static bool path_ok(struct ck_span s)
{
	size_t start = 0;

	if (!s.n || memchr(s.p, 0, s.n))
		return false;
	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '/')
			continue;
		if (i == start || is_dots(s.p + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

static bool file_ok(struct ck_span s)
{
	return path_ok(s) && !memchr(s.p, '/', s.n);
}

/* A range that a file can have. */
static bool range_ok(uint64_t off, uint64_t n)
{
	uint64_t end;

	return ck_add_u64(off, n, &end) && end <= INT64_MAX;
}

static bool files_ok(const struct ck_record *r)
{
	for (uint32_t i = 0; i < r->npaths; i++) {
		if (!file_ok(r->paths[i]))
			return false;
	}
	return true;
}

static bool patches_ok(const struct ck_record *r)
{
	for (uint32_t i = 0; i < r->npatches; i++) {
		const struct ck_rec_patch *p = &r->patches[i];

		if (!p->nbytes || !range_ok(p->offset, p->nbytes) || !range_ok(p->data, p->nbytes))
			return false;
	}
	return true;
}

bool ck_record_check(const struct ck_record *r)
{
	switch (r->type) {
	case CK_REC_BASE:
		return !r->source.n || !memchr(r->source.p, 0, r->source.n);
	case CK_REC_WRITE:
		return path_ok(r->path) && range_ok(r->offset, r->data.n);
	case CK_REC_EXTENT:
		return path_ok(r->path) && range_ok(r->offset, r->nbytes) &&
		       range_ok(r->shard_offset, r->nbytes);
	case CK_REC_TRUNCATE:
		return path_ok(r->path) && r->offset <= INT64_MAX;
	case CK_REC_CREATE:
	case CK_REC_META:
	case CK_REC_UNLINK:
	case CK_REC_MKDIR:
	case CK_REC_RMDIR:
		return path_ok(r->path);
	case CK_REC_RENAME:
		return path_ok(r->path) && path_ok(r->to) && !(r->flags & ~CK_REC_EXCHANGE);
	case CK_REC_SYNC:
		return true;
	case CK_REC_PREPARE:
		return files_ok(r);
	case CK_REC_COMMIT: /* there is always an index to come */
		return r->npaths && !r->index.absent && files_ok(r) && patches_ok(r);
	case CK_REC_DISCARD:
		return !r->path.n || path_ok(r->path);
	}
	return false;
}

bool ck_rec_file_is_of(struct ck_span file, const char *prefix)
{
	const char *slash = strrchr(prefix, '/');
	const char *base = slash ? slash + 1 : prefix;
	size_t n = strlen(base);

	return n && file_ok(file) && file.n > n + 1 && memcmp(file.p, base, n) == 0 &&
	       file.p[n] == '.';
}

/* --- encoding --------------------------------------------------------------------------------- */

static void put_varint(struct ck_buf *out, uint64_t v)
{
	uint8_t p[10];

	ck_buf_add(out, p, ck_varint_put(p, v));
}

static void put_u32(struct ck_buf *out, uint32_t v)
{
	uint8_t p[4];

	ck_put_le32(p, v);
	ck_buf_add(out, p, sizeof(p));
}

static void put_u64(struct ck_buf *out, uint64_t v)
{
	uint8_t p[8];

	ck_put_le64(p, v);
	ck_buf_add(out, p, sizeof(p));
}

static void put_string(struct ck_buf *out, struct ck_span s)
{
	put_varint(out, s.n);
	ck_buf_add(out, s.p, s.n);
}

static void put_index(struct ck_buf *out, const struct ck_rec_index *x)
{
	ck_buf_char(out, x->absent ? INDEX_ABSENT : 0);
	put_u64(out, x->size);
	put_u32(out, x->crc32c);
	put_u64(out, x->fnv);
}

static void put_base(struct ck_buf *out, const struct ck_record *r)
{
	put_index(out, &r->index);
	put_varint(out, r->num_shards);
	put_varint(out, r->nshards);
	for (uint32_t i = 0; i < r->nshards; i++) {
		const struct ck_rec_shard *s = &r->shards[i];

		put_varint(out, s->id);
		put_u64(out, s->ino);
		put_u64(out, s->size);
		put_u64(out, (uint64_t)s->mtime_ns);
		put_u64(out, (uint64_t)s->btime_ns);
		ck_buf_char(out, s->touched ? SHARD_TOUCHED : 0);
	}
	put_string(out, r->source);
}

static void put_files(struct ck_buf *out, const struct ck_record *r)
{
	put_varint(out, r->npaths);
	for (uint32_t i = 0; i < r->npaths; i++)
		put_string(out, r->paths[i]);
}

static void put_commit(struct ck_buf *out, const struct ck_record *r)
{
	put_index(out, &r->index);
	put_files(out, r);
	put_varint(out, r->npatches);
	for (uint32_t i = 0; i < r->npatches; i++) {
		put_varint(out, r->patches[i].shard);
		put_varint(out, r->patches[i].offset);
		put_varint(out, r->patches[i].nbytes);
		put_varint(out, r->patches[i].data);
	}
}

void ck_record_encode_head(const struct ck_record *r, struct ck_buf *out)
{
	switch (r->type) {
	case CK_REC_BASE:
		put_base(out, r);
		return;
	case CK_REC_SYNC:
		return;
	case CK_REC_PREPARE:
		put_files(out, r);
		return;
	case CK_REC_COMMIT:
		put_commit(out, r);
		return;
	default:
		break;
	}
	put_string(out, r->path);
	if (r->type == CK_REC_WRITE || r->type == CK_REC_TRUNCATE) {
		put_varint(out, r->offset);
	} else if (r->type == CK_REC_EXTENT) {
		put_varint(out, r->offset);
		put_varint(out, r->nbytes);
		put_u32(out, r->shard);
		put_varint(out, r->shard_offset);
		put_u32(out, r->crc32c);
	} else if (r->type == CK_REC_RENAME) {
		put_string(out, r->to);
		put_varint(out, r->flags);
	}
	if (r->type == CK_REC_META || r->type == CK_REC_CREATE || r->type == CK_REC_RENAME)
		ck_buf_add(out, r->data.p, r->data.n);
}

void ck_record_encode(const struct ck_record *r, struct ck_buf *out)
{
	ck_record_encode_head(r, out);
	if (r->type == CK_REC_WRITE)
		ck_buf_add(out, r->data.p, r->data.n);
}

/* --- decoding --------------------------------------------------------------------------------- */

static bool take_u8(struct ck_span *s, uint8_t *ret)
{
	struct ck_span t;

	if (!ck_span_take(s, 1, &t))
		return false;
	*ret = t.p[0];
	return true;
}

static bool take_u32(struct ck_span *s, uint32_t *ret)
{
	struct ck_span t;

	if (!ck_span_take(s, 4, &t))
		return false;
	*ret = ck_le32(t.p);
	return true;
}

static bool take_u64(struct ck_span *s, uint64_t *ret)
{
	struct ck_span t;

	if (!ck_span_take(s, 8, &t))
		return false;
	*ret = ck_le64(t.p);
	return true;
}

static bool take_i64(struct ck_span *s, int64_t *ret)
{
	uint64_t v;

	if (!take_u64(s, &v))
		return false;
	memcpy(ret, &v, sizeof(v));
	return true;
}

static bool take_string(struct ck_span *s, struct ck_span *ret)
{
	uint64_t n;

	return ck_varint64(s, &n) && n <= s->n && ck_span_take(s, (size_t)n, ret);
}

/* The number of elements that follow, each of them of at least `least` bytes. */
static bool take_count(struct ck_span *s, size_t least, uint32_t *ret)
{
	return ck_varint32(s, ret) && *ret <= s->n / least;
}

static bool take_index(struct ck_span *s, struct ck_rec_index *x)
{
	uint8_t flags;

	if (!take_u8(s, &flags) || (flags & ~INDEX_ABSENT))
		return false;
	x->absent = flags & INDEX_ABSENT;
	return take_u64(s, &x->size) && take_u32(s, &x->crc32c) && take_u64(s, &x->fnv);
}

static bool take_shard(struct ck_span *s, struct ck_rec_shard *x)
{
	uint8_t flags;

	if (!ck_varint32(s, &x->id) || !take_u64(s, &x->ino) || !take_u64(s, &x->size) ||
	    !take_i64(s, &x->mtime_ns) || !take_i64(s, &x->btime_ns) || !take_u8(s, &flags) ||
	    (flags & ~SHARD_TOUCHED))
		return false;
	x->touched = flags & SHARD_TOUCHED;
	return true;
}

static bool take_patch(struct ck_span *s, struct ck_rec_patch *x)
{
	return ck_varint32(s, &x->shard) && ck_varint64(s, &x->offset) &&
	       ck_varint64(s, &x->nbytes) && ck_varint64(s, &x->data);
}

/* The lists: 0, -EBADMSG, -ENOMEM. */

static int take_shards(struct ck_span *s, struct ck_record *r)
{
	uint32_t n;

	if (!take_count(s, SHARD_MIN, &n))
		return -EBADMSG;
	r->shards = calloc(n ? n : 1, sizeof(*r->shards));
	if (!r->shards)
		return -ENOMEM;
	for (r->nshards = 0; r->nshards < n; r->nshards++) {
		if (!take_shard(s, &r->shards[r->nshards]))
			return -EBADMSG;
	}
	return 0;
}

static int take_files(struct ck_span *s, struct ck_record *r)
{
	uint32_t n;

	if (!take_count(s, FILE_MIN, &n))
		return -EBADMSG;
	r->paths = calloc(n ? n : 1, sizeof(*r->paths));
	if (!r->paths)
		return -ENOMEM;
	for (r->npaths = 0; r->npaths < n; r->npaths++) {
		if (!take_string(s, &r->paths[r->npaths]))
			return -EBADMSG;
	}
	return 0;
}

static int take_patches(struct ck_span *s, struct ck_record *r)
{
	uint32_t n;

	if (!take_count(s, PATCH_MIN, &n))
		return -EBADMSG;
	r->patches = calloc(n ? n : 1, sizeof(*r->patches));
	if (!r->patches)
		return -ENOMEM;
	for (r->npatches = 0; r->npatches < n; r->npatches++) {
		if (!take_patch(s, &r->patches[r->npatches]))
			return -EBADMSG;
	}
	return 0;
}

static int take_base(struct ck_span *s, struct ck_record *r)
{
	int e;

	if (!take_index(s, &r->index) || !ck_varint32(s, &r->num_shards))
		return -EBADMSG;
	e = take_shards(s, r);
	if (e < 0)
		return e;
	return take_string(s, &r->source) ? 0 : -EBADMSG;
}

static int take_commit(struct ck_span *s, struct ck_record *r)
{
	int e;

	if (!take_index(s, &r->index))
		return -EBADMSG;
	e = take_files(s, r);
	return e < 0 ? e : take_patches(s, r);
}

/* Those that begin with a path. */
static bool take_edit(struct ck_span *s, struct ck_record *r)
{
	if (!take_string(s, &r->path))
		return false;
	switch (r->type) {
	case CK_REC_WRITE:
		if (!ck_varint64(s, &r->offset))
			return false;
		r->nbytes = s->n;
		return ck_span_take(s, s->n, &r->data);
	case CK_REC_EXTENT:
		return ck_varint64(s, &r->offset) && ck_varint64(s, &r->nbytes) &&
		       take_u32(s, &r->shard) && ck_varint64(s, &r->shard_offset) &&
		       take_u32(s, &r->crc32c);
	case CK_REC_TRUNCATE:
		return ck_varint64(s, &r->offset);
	case CK_REC_CREATE:
	case CK_REC_META:
		return ck_span_take(s, s->n, &r->data);
	case CK_REC_RENAME:
		return take_string(s, &r->to) && ck_varint32(s, &r->flags) &&
		       ck_span_take(s, s->n, &r->data);
	default:
		return true;
	}
}

int ck_record_decode(enum ck_rec_type type, struct ck_span payload, struct ck_record *ret)
{
	int e = 0;

	*ret = (struct ck_record){ .type = type };
	if (!ck_rec_type_name(type))
		return -EBADMSG;
	if (type == CK_REC_BASE)
		e = take_base(&payload, ret);
	else if (type == CK_REC_PREPARE)
		e = take_files(&payload, ret);
	else if (type == CK_REC_COMMIT)
		e = take_commit(&payload, ret);
	else if (type != CK_REC_SYNC)
		e = take_edit(&payload, ret) ? 0 : -EBADMSG;
	if (e < 0)
		return e;
	return !payload.n && ck_record_check(ret) ? 0 : -EBADMSG;
}

void ck_record_done(struct ck_record *r)
{
	free(r->shards);
	free(r->paths);
	free(r->patches);
	r->shards = NULL;
	r->paths = NULL;
	r->patches = NULL;
	r->nshards = r->npaths = r->npatches = 0;
}

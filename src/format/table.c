/* table.c - see table.h. */
#include "format/table.h"

#include "util/crc32c.h"
#include "util/varint.h"

#include <errno.h>
#include <snappy-c.h>
#include <stdlib.h>

struct handle {
	uint64_t offset;
	uint64_t size; /* without the trailer */
};

/* The bytes of one block, as stored and as they are meant. */
struct block {
	uint8_t *stored;
	uint8_t *unpacked; /* NULL when stored raw */
	struct ck_span raw;
};

static void block_done(struct block *b)
{
	free(b->stored);
	free(b->unpacked);
	*b = (struct block){ 0 };
}

static bool take_handle(struct ck_span *s, struct handle *ret)
{
	return ck_varint64(s, &ret->offset) && ck_varint64(s, &ret->size);
}

static int damaged(struct ck_source *s, uint64_t off, const char *what, struct ck_err *err)
{
	return ck_fail(err, CK_CORRUPT, EIO,
		       "%s: damaged at byte %llu: %s: restore it from a backup or save it again",
		       ck_source_path(s), (unsigned long long)off, what);
}

/* Takes a block's compressed bytes apart. A copy of snappy's makes at most 64 bytes of 3, so an
 * announced length beyond that cannot be true. */
static int unpack(struct ck_source *s, struct handle h, struct block *b, struct ck_err *err)
{
	size_t n;

	if (snappy_uncompressed_length((char *)b->stored, h.size, &n) != SNAPPY_OK)
		return damaged(s, h.offset, "a compressed block has no length", err);
	if (n > h.size * 22 + 64)
		return damaged(s, h.offset, "a compressed block announces an impossible length", err);
	b->unpacked = malloc(n ? n : 1);
	if (!b->unpacked)
		return ck_fail_nomem(err, ck_source_path(s));
	if (snappy_uncompress((char *)b->stored, h.size, (char *)b->unpacked, &n) != SNAPPY_OK)
		return damaged(s, h.offset, "a compressed block does not decompress", err);
	b->raw = ck_span(b->unpacked, n);
	return 0;
}

/* Reads, checks and unpacks the block at h. On failure *b is empty. */
static int block_read(struct ck_source *s, struct handle h, struct block *b, struct ck_err *err)
{
	uint64_t room = ck_source_size(s) - CK_TABLE_FOOTER;
	const uint8_t *trailer;
	int r;

	*b = (struct block){ 0 };
	if (h.offset > room || h.size > room - h.offset ||
	    room - h.offset - h.size < CK_TABLE_TRAILER)
		return damaged(s, h.offset, "a block runs past the end of the file", err);
	b->stored = malloc(h.size + CK_TABLE_TRAILER);
	if (!b->stored)
		return ck_fail_nomem(err, ck_source_path(s));
	r = ck_source_read(s, h.offset, b->stored, h.size + CK_TABLE_TRAILER, err);
	if (r < 0)
		goto fail;
	trailer = b->stored + h.size;
	if (ck_crc32c_unmask(ck_le32(trailer + 1)) != ck_crc32c(b->stored, h.size + 1)) {
		r = damaged(s, h.offset, "a block's checksum does not match", err);
		goto fail;
	}
	if (trailer[0] == 0) {
		b->raw = ck_span(b->stored, h.size);
		return 0;
	}
	r = trailer[0] == 1 ? unpack(s, h, b, err) :
			      damaged(s, h.offset, "a block is of an unknown type", err);
	if (r == 0)
		return 0;
fail:
	block_done(b);
	return r;
}

int ck_block_open(struct ck_block_cursor *c, struct ck_span raw)
{
	uint32_t restarts;

	*c = (struct ck_block_cursor){ 0 };
	if (raw.n < 4)
		return -EBADMSG;
	restarts = ck_le32(raw.p + raw.n - 4);
	if (restarts > (raw.n - 4) / 4)
		return -EBADMSG;
	c->left = ck_span(raw.p, raw.n - 4 - 4 * (size_t)restarts);
	return 0;
}

int ck_block_next(struct ck_block_cursor *c)
{
	struct ck_span s = c->left, suffix;
	uint32_t shared, unshared, value_len;
	size_t len;

	if (!s.n)
		return 0;
	if (!ck_varint32(&s, &shared) || !ck_varint32(&s, &unshared) ||
	    !ck_varint32(&s, &value_len) || shared > c->key.n ||
	    !ck_span_take(&s, unshared, &suffix) || !ck_span_take(&s, value_len, &c->value))
		return -EBADMSG;
	len = (size_t)shared + unshared;
	if (len > c->key_room) {
		size_t room = len * 2;
		uint8_t *p = realloc(c->key_bytes, room);

		if (!p)
			return -ENOMEM;
		c->key_bytes = p;
		c->key_room = room;
	}
	if (unshared)
		memcpy(c->key_bytes + shared, suffix.p, unshared);
	c->key = ck_span(c->key_bytes, len);
	c->left = s;
	return 1;
}

void ck_block_done(struct ck_block_cursor *c)
{
	free(c->key_bytes);
	*c = (struct ck_block_cursor){ 0 };
}

/* The state of one walk. */
struct walk {
	struct ck_source *source;
	const struct ck_table_visitor *visitor;
	uint8_t *last; /* the last key, to see that keys rise */
	size_t last_len;
	size_t last_room;
	bool any;
	uint64_t key_bytes; /* sum of all keys so far ... */
	uint64_t block_bytes; /* ... and of all raw blocks */
	uint64_t stored_bytes; /* sum of all blocks as stored: no more than the file has */
};

static int check_key(struct walk *w, struct handle h, struct ck_span key, struct ck_err *err)
{
	if (w->any && ck_span_cmp(key, ck_span(w->last, w->last_len)) <= 0)
		return damaged(w->source, h.offset, "keys are out of order in this block", err);
	w->key_bytes += key.n;
	if (w->key_bytes > CK_TABLE_KEY_EXPANSION * w->block_bytes)
		return damaged(w->source, h.offset, "keys expand beyond all measure in this block",
			       err);
	if (key.n > w->last_room) {
		uint8_t *p = realloc(w->last, 2 * key.n);

		if (!p)
			return ck_fail_nomem(err, ck_source_path(w->source));
		w->last = p;
		w->last_room = 2 * key.n;
	}
	if (key.n)
		memcpy(w->last, key.p, key.n);
	w->last_len = key.n;
	w->any = true;
	return 0;
}

/* Walks one data block. *visited tells the visitor's own refusal from damage. */
static int walk_block(struct walk *w, struct handle h, bool *visited, struct ck_err *err)
{
	struct ck_block_cursor c = { 0 };
	struct block b;
	int r;

	*visited = false;
	r = block_read(w->source, h, &b, err);
	if (r < 0)
		return r;
	w->block_bytes += b.raw.n;
	r = ck_block_open(&c, b.raw);
	while (r >= 0 && (r = ck_block_next(&c)) > 0) {
		r = check_key(w, h, c.key, err);
		if (r < 0)
			break;
		r = w->visitor->entry(w->visitor->arg, h.offset, c.key, c.value, err);
		if (r) {
			*visited = true;
			break;
		}
	}
	if (r == -EBADMSG && !*visited)
		r = damaged(w->source, h.offset, "a block's entries are malformed", err);
	if (r == -ENOMEM)
		ck_fail_nomem(err, ck_source_path(w->source));
	ck_block_done(&c);
	block_done(&b);
	return r;
}

static int walk_index(struct walk *w, struct ck_block_cursor *index, uint64_t index_off,
		      struct ck_err *err)
{
	int r;

	while ((r = ck_block_next(index)) > 0) {
		struct ck_span value = index->value;
		struct ck_err why = CK_ERR_INIT;
		struct handle h = { .offset = index_off };
		bool visited = false;

		/* Bytes behind the handle are tolerated, as TensorFlow does. */
		if (!take_handle(&value, &h)) {
			r = damaged(w->source, index_off, "the index block holds a bad handle",
				    &why);
		} else if (!ck_add_u64(w->stored_bytes, h.size, &w->stored_bytes) ||
			   w->stored_bytes > ck_source_size(w->source)) {
			/* Always fatal: walking one block again and again would take forever. */
			return damaged(w->source, index_off, "the index block's handles overlap",
				       err);
		} else {
			r = walk_block(w, h, &visited, &why);
		}
		if (r < 0 && r != -ENOMEM && !visited && w->visitor->damage)
			r = w->visitor->damage(w->visitor->arg, &why);
		if (r) {
			if (why.cls != CK_OK)
				ck_fail(err, why.cls, why.errnum, "%s", why.text);
			return r;
		}
	}
	if (r == -EBADMSG)
		return damaged(w->source, index_off, "the index block's entries are malformed", err);
	return r;
}

/* 1, 0, or the error of reading it. */
static int probe(struct ck_source *s, struct ck_err *err)
{
	uint8_t magic[8];
	uint64_t size = ck_source_size(s);
	int r;

	if (size < CK_TABLE_FOOTER)
		return 0;
	r = ck_source_read(s, size - 8, magic, 8, err);
	return r < 0 ? r : ck_le64(magic) == CK_TABLE_MAGIC;
}

bool ck_table_probe(struct ck_source *s)
{
	return probe(s, NULL) == 1;
}

int ck_table_walk(struct ck_source *s, const struct ck_table_visitor *v, struct ck_err *err)
{
	struct walk w = { .source = s, .visitor = v };
	struct ck_block_cursor index = { 0 };
	uint64_t size = ck_source_size(s), end;
	uint8_t footer[CK_TABLE_FOOTER];
	struct ck_span f = ck_span(footer, CK_TABLE_FOOTER - 8);
	struct handle meta, at;
	struct block b;
	int r;

	r = probe(s, err);
	if (r < 0)
		return r;
	if (!r)
		return ck_fail(err, CK_FOREIGN, EINVAL,
			       "%s: does not end like a TensorFlow table: it was cut short, or is "
			       "no TensorFlow index", ck_source_path(s));
	end = size - CK_TABLE_FOOTER;
	r = ck_source_read(s, end, footer, sizeof(footer), err);
	if (r < 0)
		return r;
	if (!take_handle(&f, &meta) || !take_handle(&f, &at))
		return damaged(s, end, "the footer holds a bad block handle", err);
	r = block_read(s, at, &b, err);
	if (r < 0)
		return r;
	r = ck_block_open(&index, b.raw);
	if (r < 0)
		r = damaged(s, at.offset, "the index block's restart array does not fit", err);
	else
		r = walk_index(&w, &index, at.offset, err);
	ck_block_done(&index);
	block_done(&b);
	free(w.last);
	return r;
}

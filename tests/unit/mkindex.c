/* mkindex.c - see mkindex.h. */
#include "mkindex.h"

#include "util/crc32c.h"
#include "util/varint.h"

#include <snappy-c.h>
#include <stdlib.h>

static void put_varint(struct ck_buf *b, uint64_t v)
{
	uint8_t p[10];

	ck_buf_add(b, p, ck_varint_put(p, v));
}

static void put_u32(struct ck_buf *b, uint32_t v)
{
	uint8_t p[4];

	ck_put_le32(p, v);
	ck_buf_add(b, p, 4);
}

void put_varint_field(struct ck_buf *b, unsigned number, uint64_t value)
{
	put_varint(b, number << 3);
	put_varint(b, value);
}

void put_bytes_field(struct ck_buf *b, unsigned number, const struct ck_buf *value)
{
	put_varint(b, number << 3 | 2);
	put_varint(b, value->n);
	ck_buf_add(b, value->p, value->n);
}

void put_fixed32_field(struct ck_buf *b, unsigned number, uint32_t value)
{
	put_varint(b, number << 3 | 5);
	put_u32(b, value);
}

void put_header(struct ck_buf *b, unsigned num_shards, bool big_endian)
{
	struct ck_buf version = CK_BUF_INIT;

	put_varint_field(b, 1, num_shards);
	if (big_endian)
		put_varint_field(b, 2, 1);
	put_varint_field(&version, 1, 1);
	put_bytes_field(b, 3, &version);
	ck_buf_done(&version);
}

void put_entry(struct ck_buf *b, unsigned dtype, const uint64_t *shape, unsigned rank,
	       unsigned shard, uint64_t offset, uint64_t size, uint32_t crc)
{
	struct ck_buf dims = CK_BUF_INIT, dim = CK_BUF_INIT;

	put_varint_field(b, 1, dtype);
	for (unsigned i = 0; i < rank; i++) {
		ck_buf_clear(&dim);
		if (shape[i])
			put_varint_field(&dim, 1, shape[i]);
		put_bytes_field(&dims, 2, &dim);
	}
	put_bytes_field(b, 2, &dims);
	if (shard)
		put_varint_field(b, 3, shard);
	if (offset)
		put_varint_field(b, 4, offset);
	if (size)
		put_varint_field(b, 5, size);
	put_fixed32_field(b, 6, ck_crc32c_mask(crc));
	ck_buf_done(&dims);
	ck_buf_done(&dim);
}

void mkindex_start(struct mkindex *t)
{
	*t = (struct mkindex){ .restart_interval = 16 };
}

void mkindex_add_raw(struct mkindex *t, unsigned shared, const void *suffix, size_t n,
		     const struct ck_buf *value)
{
	put_varint(&t->block, shared);
	put_varint(&t->block, n);
	put_varint(&t->block, value->n);
	ck_buf_add(&t->block, suffix, n);
	ck_buf_add(&t->block, value->p, value->n);
	t->in_block++;
}

void mkindex_add(struct mkindex *t, const void *key, size_t key_len, const struct ck_buf *value)
{
	unsigned shared = 0;

	if (t->in_block % t->restart_interval)
		while (shared < key_len && shared < t->last.n &&
		       ((const char *)key)[shared] == t->last.p[shared])
			shared++;
	mkindex_add_raw(t, shared, (const char *)key + shared, key_len - shared, value);
	ck_buf_clear(&t->last);
	ck_buf_add(&t->last, key, key_len);
}

/* Appends a block with its trailer; answers with its handle. The restart array names no restarts
 * but the first: readers that walk from the front need no more. */
static void put_block(struct mkindex *t, struct ck_buf *entries, bool snappy, struct ck_buf *handle)
{
	uint8_t type = snappy;
	uint32_t crc;

	put_u32(entries, 0);
	put_u32(entries, 1);
	if (snappy) {
		size_t n = snappy_max_compressed_length(entries->n);
		char *p = malloc(n);

		if (!p || snappy_compress(entries->p, entries->n, p, &n) != SNAPPY_OK)
			abort();
		ck_buf_clear(entries);
		ck_buf_add(entries, p, n);
		free(p);
	}
	put_varint(handle, t->file.n);
	put_varint(handle, entries->n);
	crc = ck_crc32c_extend(ck_crc32c(entries->p, entries->n), &type, 1);
	ck_buf_add(&t->file, entries->p, entries->n);
	ck_buf_add(&t->file, &type, 1);
	put_u32(&t->file, ck_crc32c_mask(crc) ^ t->flip);
	t->flip = 0;
	ck_buf_clear(entries);
}

void mkindex_cut(struct mkindex *t)
{
	struct ck_buf handle = CK_BUF_INIT;

	put_block(t, &t->block, t->snappy, &handle);
	put_varint(&t->handles, 0);
	put_varint(&t->handles, t->last.n);
	put_varint(&t->handles, handle.n);
	ck_buf_add(&t->handles, t->last.p, t->last.n);
	ck_buf_add(&t->handles, handle.p, handle.n);
	t->in_block = 0;
	ck_buf_done(&handle);
}

void mkindex_end(struct mkindex *t)
{
	struct ck_buf empty = CK_BUF_INIT, footer = CK_BUF_INIT;

	if (t->in_block)
		mkindex_cut(t);
	put_block(t, &empty, false, &footer);
	put_block(t, &t->handles, false, &footer);
	while (footer.n < 40)
		ck_buf_char(&footer, 0);
	ck_buf_add(&footer, "\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
	ck_buf_add(&t->file, footer.p, footer.n);
	ck_buf_done(&empty);
	ck_buf_done(&footer);
}

void mkindex_done(struct mkindex *t)
{
	ck_buf_done(&t->file);
	ck_buf_done(&t->block);
	ck_buf_done(&t->handles);
	ck_buf_done(&t->last);
}

static int collect(void *arg, const void *p, size_t n, struct ck_err *err)
{
	struct ck_buf *file = arg;

	(void)err;
	ck_buf_add(file, p, n);
	return 0;
}

struct ck_sink mkindex_sink(struct ck_buf *file)
{
	return (struct ck_sink){ .write = collect, .arg = file };
}

struct ck_buf *mkrows_add(struct mkrows *t, const void *key, size_t n)
{
	t->v = realloc(t->v, (t->n + 1) * sizeof(*t->v));
	if (!t->v)
		abort();
	t->v[t->n] = (struct mkrow){ 0 };
	ck_buf_add(&t->v[t->n].key, key, n);
	return &t->v[t->n++].value;
}

static int by_key(const void *a, const void *b)
{
	const struct mkrow *x = a, *y = b;

	return ck_span_cmp(ck_span(x->key.p, x->key.n), ck_span(y->key.p, y->key.n));
}

void mkrows_finish(struct mkrows *t, struct ck_buf *file)
{
	struct ck_sink sink = mkindex_sink(file);
	struct ck_table_writer *w;

	if (ck_table_writer_new(&sink, &w, NULL) < 0)
		abort();
	if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), by_key);
	for (size_t i = 0; i < t->n; i++) {
		if (ck_table_writer_add(w, ck_span(t->v[i].key.p, t->v[i].key.n),
					ck_span(t->v[i].value.p, t->v[i].value.n), NULL) < 0)
			abort();
		ck_buf_done(&t->v[i].key);
		ck_buf_done(&t->v[i].value);
	}
	if (ck_table_writer_finish(w, NULL) < 0)
		abort();
	ck_table_writer_free(w);
	free(t->v);
	*t = (struct mkrows){ 0 };
}

/* table_write.c - see table_write.h. */
#include "format/table_write.h"

#include "format/table.h"
#include "util/crc32c.h"
#include "util/varint.h"

#include <errno.h>
#include <stdlib.h>

/* A key and value of twice a block's size do not join the entries before them. */
#define OVERLY_LARGE (2 * CK_TABLE_BLOCK_SIZE)

/* Entries of a block that is not written yet. */
struct block {
	struct ck_buf bytes;
	struct ck_buf restarts; /* uint32 each; the first is always 0 */
	unsigned interval;
	unsigned since; /* entries since the last restart */
};

struct ck_table_writer {
	struct ck_sink sink;
	uint64_t size; /* bytes given to it */
	struct block data, index;
	struct ck_buf last; /* the last key */
	bool any; /* there is one */
	bool closed; /* finished, or given up after an error */
	/* A data block was written whose index entry is not: its key depends on the next one. */
	bool pending;
	uint8_t handle[20];
	size_t handle_len;
};

static void put_u32(struct ck_buf *b, uint32_t v)
{
	uint8_t p[4];

	ck_put_le32(p, v);
	ck_buf_add(b, p, sizeof(p));
}

static void block_reset(struct block *b)
{
	ck_buf_clear(&b->bytes);
	ck_buf_clear(&b->restarts);
	put_u32(&b->restarts, 0);
	b->since = 0;
}

static size_t common_prefix(struct ck_span a, struct ck_span b)
{
	size_t n = a.n < b.n ? a.n : b.n, i = 0;

	while (i < n && a.p[i] == b.p[i])
		i++;
	return i;
}

/* last: the key before, whose prefix this one may share. */
static void block_add(struct block *b, struct ck_span last, struct ck_span key,
		      struct ck_span value)
{
	uint8_t head[30];
	size_t shared = 0, n;

	if (b->since == b->interval) {
		put_u32(&b->restarts, (uint32_t)b->bytes.n);
		b->since = 0;
	} else if (b->since) {
		shared = common_prefix(last, key);
	}
	b->since++;
	n = ck_varint_put(head, shared);
	n += ck_varint_put(head + n, key.n - shared);
	n += ck_varint_put(head + n, value.n);
	ck_buf_add(&b->bytes, head, n);
	if (key.n > shared)
		ck_buf_add(&b->bytes, key.p + shared, key.n - shared);
	ck_buf_add(&b->bytes, value.p, value.n);
}

static struct ck_span last_key(const struct ck_table_writer *w)
{
	return ck_span(w->last.p, w->last.n);
}

/* After an error of the sink nobody knows what it has taken. */
static int give_up(struct ck_table_writer *w, int r)
{
	w->closed = true;
	return r;
}

static int emit(struct ck_table_writer *w, const void *p, size_t n, struct ck_err *err)
{
	int r = w->sink.write(w->sink.arg, p, n, err);

	if (r < 0)
		return give_up(w, r);
	w->size += n;
	return 0;
}

static size_t put_handle(uint8_t *p, uint64_t offset, uint64_t size)
{
	size_t n = ck_varint_put(p, offset);

	return n + ck_varint_put(p + n, size);
}

/* Writes the block with its trailer and empties it; its handle goes to handle (room for 20). */
static int block_write(struct ck_table_writer *w, struct block *b, uint8_t *handle, size_t *len,
		       struct ck_err *err)
{
	uint64_t at = w->size;
	size_t n;
	int r;

	ck_buf_add(&b->bytes, b->restarts.p, b->restarts.n);
	put_u32(&b->bytes, (uint32_t)(b->restarts.n / 4));
	n = b->bytes.n;
	ck_buf_char(&b->bytes, 0); /* stored as it is */
	put_u32(&b->bytes, ck_crc32c_mask(ck_crc32c(b->bytes.p, b->bytes.n)));
	if (ck_buf_failed(&b->bytes) || ck_buf_failed(&b->restarts) || ck_buf_failed(&w->last))
		return give_up(w, ck_fail_nomem(err, "writing the index"));
	r = emit(w, b->bytes.p, b->bytes.n, err);
	if (r < 0)
		return r;
	*len = put_handle(handle, at, n);
	block_reset(b);
	return 0;
}

static int flush(struct ck_table_writer *w, struct ck_err *err)
{
	int r;

	if (!w->data.bytes.n)
		return 0;
	r = block_write(w, &w->data, w->handle, &w->handle_len, err);
	if (r == 0)
		w->pending = true;
	return r;
}

/* Makes the last key of a block the shortest that still lies before the next block's first. */
static void shorten_between(struct ck_buf *last, struct ck_span next)
{
	size_t i = common_prefix(ck_span(last->p, last->n), next);
	uint8_t c;

	if (i == last->n || i == next.n)
		return;
	c = (uint8_t)last->p[i];
	if (c < 0xff && c + 1 < next.p[i]) {
		last->p[i]++;
		last->n = i + 1;
	}
}

/* Likewise where no block follows. */
static void shorten_end(struct ck_buf *last)
{
	for (size_t i = 0; i < last->n; i++)
		if ((uint8_t)last->p[i] != 0xff) {
			last->p[i]++;
			last->n = i + 1;
			return;
		}
}

static void add_to_index(struct ck_table_writer *w)
{
	block_add(&w->index, ck_span(NULL, 0), last_key(w), ck_span(w->handle, w->handle_len));
	w->pending = false;
}

int ck_table_writer_new(const struct ck_sink *sink, struct ck_table_writer **ret,
			struct ck_err *err)
{
	struct ck_table_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return ck_fail_nomem(err, "writing the index");
	w->sink = *sink;
	w->data.interval = CK_TABLE_RESTART_INTERVAL;
	w->index.interval = 1;
	block_reset(&w->data);
	block_reset(&w->index);
	*ret = w;
	return 0;
}

static int refuse(struct ck_span key, const char *what, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];

	return ck_fail(err, CK_PUBLISH, EINVAL, "the index cannot be written: the entry %s %s",
		       ck_quote(quoted, sizeof(quoted), key.p, key.n), what);
}

int ck_table_writer_add(struct ck_table_writer *w, struct ck_span key, struct ck_span value,
			struct ck_err *err)
{
	int r = 0;

	if (w->closed)
		return refuse(key, "comes after its end", err);
	if (key.n > UINT32_MAX || value.n > UINT32_MAX)
		return refuse(key, "is larger than 4 GiB", err);
	if (w->any && ck_span_cmp(key, last_key(w)) <= 0)
		return refuse(key, "is out of order", err);
	if (w->any && (uint64_t)key.n + value.n >= OVERLY_LARGE)
		r = flush(w, err);
	if (r < 0)
		return r;
	if (w->pending) {
		shorten_between(&w->last, key);
		add_to_index(w);
	}
	block_add(&w->data, last_key(w), key, value);
	ck_buf_clear(&w->last);
	ck_buf_add(&w->last, key.p, key.n);
	w->any = true;
	if (ck_buf_failed(&w->last) || ck_buf_failed(&w->data.bytes))
		return give_up(w, ck_fail_nomem(err, "writing the index"));
	if (w->data.bytes.n + w->data.restarts.n + 4 >= CK_TABLE_BLOCK_SIZE)
		r = flush(w, err);
	return r;
}

int ck_table_writer_finish(struct ck_table_writer *w, struct ck_err *err)
{
	uint8_t footer[CK_TABLE_FOOTER] = { 0 };
	struct block meta = { .interval = 1 };
	uint8_t handle[20];
	size_t n, len;
	int r;

	if (w->closed)
		return ck_fail(err, CK_PUBLISH, EINVAL,
			       "the index cannot be written: it is at its end already");
	r = flush(w, err);
	if (r < 0)
		return r;
	block_reset(&meta);
	r = block_write(w, &meta, footer, &n, err);
	ck_buf_done(&meta.bytes);
	ck_buf_done(&meta.restarts);
	if (r < 0)
		return r;
	if (w->pending) {
		shorten_end(&w->last);
		add_to_index(w);
	}
	r = block_write(w, &w->index, handle, &len, err);
	if (r < 0)
		return r;
	memcpy(footer + n, handle, len);
	ck_put_le64(footer + CK_TABLE_FOOTER - 8, CK_TABLE_MAGIC);
	r = emit(w, footer, sizeof(footer), err);
	w->closed = true;
	return r;
}

uint64_t ck_table_writer_size(const struct ck_table_writer *w)
{
	return w->size;
}

static void block_done(struct block *b)
{
	ck_buf_done(&b->bytes);
	ck_buf_done(&b->restarts);
}

struct ck_table_writer *ck_table_writer_free(struct ck_table_writer *w)
{
	if (!w)
		return NULL;
	block_done(&w->data);
	block_done(&w->index);
	ck_buf_done(&w->last);
	free(w);
	return NULL;
}

/* listing.c - see listing.h. */
#include "fuse/listing.h"

#include "core/meta.h"
#include "fuse/path.h"
#include "util/json.h"

#include <stdlib.h>

#define BLOCK 1024u /* rows */

static const char tail[] = CK_LISTING_TAIL;

void ck_listing_init(struct ck_listing *l, const char *cwd)
{
	*l = (struct ck_listing){ .cwd = cwd };
	pthread_mutex_init(&l->lock, NULL);
}

void ck_listing_done(struct ck_listing *l)
{
	ck_buf_done(&l->head);
	free(l->blocks);
	pthread_mutex_destroy(&l->lock);
}

static uint32_t blocks_of(const struct ck_model *m)
{
	return m->nvars / BLOCK + (m->nvars % BLOCK != 0);
}

static void text_member(struct ck_buf *b, const char *name, const char *text)
{
	ck_buf_printf(b, "  \"%s\": ", name);
	ck_json_bytes(ck_span(text, strlen(text)), b);
	ck_buf_str(b, ",\n");
}

static void add_path(struct ck_buf *b, const char *cwd, const char *path)
{
	char *absolute = ck_path_absolute(cwd, path);

	if (absolute)
		ck_json_bytes(ck_span(absolute, strlen(absolute)), b);
	else
		b->failed = true;
	free(absolute);
}

static void file_row(struct ck_buf *b, const char *cwd, const struct ck_source *s, bool *first)
{
	ck_buf_str(b, *first ? "\n    {\"path\": " : ",\n    {\"path\": ");
	add_path(b, cwd, ck_source_path(s));
	ck_buf_printf(b, ", \"bytes\": %llu}", (unsigned long long)ck_source_size(s));
	*first = false;
}

static void files_member(struct ck_buf *b, const char *cwd, const struct ck_model *m)
{
	bool first = true;

	ck_buf_str(b, "  \"files\": [");
	if (m->index)
		file_row(b, cwd, m->index, &first);
	for (uint32_t i = 0; i < m->nshards; i++)
		if (m->shards[i].source && m->shards[i].source != m->index)
			file_row(b, cwd, m->shards[i].source, &first);
	ck_buf_str(b, first ? "],\n" : "\n  ],\n");
}

/* There are some only where force was given. */
static void problems_member(struct ck_buf *b, const struct ck_model *m)
{
	if (!m->nproblems)
		return;
	ck_buf_str(b, "  \"problems\": [\n");
	for (uint32_t i = 0; i < m->nproblems; i++) {
		const struct ck_problem *p = &m->problems[i];

		ck_buf_str(b, "    {");
		if (p->var != CK_NO_VAR) {
			ck_buf_str(b, "\"name\": ");
			ck_json_bytes(ck_var_name(m, &m->vars[p->var]), b);
			ck_buf_str(b, ", ");
		}
		ck_buf_str(b, "\"problem\": ");
		ck_json_bytes(ck_span(p->text, strlen(p->text)), b);
		ck_buf_str(b, i + 1 < m->nproblems ? "},\n" : "}\n");
	}
	ck_buf_str(b, "  ],\n");
}

void ck_listing_head(const char *cwd, const struct ck_model *m, uint64_t count, uint64_t bytes,
		     struct ck_buf *b)
{
	ck_buf_str(b, "{\n");
	text_member(b, "format", m->format);
	ck_buf_printf(b, "  \"format_version\": %d,\n", m->producer);
	text_member(b, "program", "ckptfuse " PACKAGE_VERSION);
	ck_buf_str(b, "  \"source\": ");
	add_path(b, cwd, m->path);
	ck_buf_str(b, ",\n");
	files_member(b, cwd, m);
	ck_buf_printf(b, "  \"shards\": %u,\n", m->num_shards);
	text_member(b, "byte_order", m->big_endian ? "big" : "little");
	ck_buf_printf(b, "  \"bytes\": %llu,\n", (unsigned long long)bytes);
	ck_buf_printf(b, "  \"count\": %llu,\n", (unsigned long long)count);
	problems_member(b, m);
	ck_buf_str(b, "  \"variables\": [\n");
}

static void render_head(struct ck_buf *b, const char *cwd, const struct ck_model *m)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < m->nvars; i++)
		if (!ck_add_u64(bytes, m->vars[i].nbytes, &bytes))
			bytes = UINT64_MAX;
	ck_listing_head(cwd, m, m->nvars, bytes, b);
}

static void render_block(struct ck_buf *b, const struct ck_model *m, uint32_t block)
{
	uint32_t i = block * BLOCK;

	for (uint32_t n = 0; n < BLOCK && i < m->nvars; n++, i++) {
		ck_buf_str(b, "    ");
		ck_meta_row(m, i, b);
		ck_buf_str(b, i + 1 < m->nvars ? ",\n" : "\n");
	}
}

static int measure_locked(struct ck_listing *l, const struct ck_model *m, struct ck_err *err)
{
	uint32_t nblocks = blocks_of(m);
	ck_auto_buf struct ck_buf b = CK_BUF_INIT;
	uint64_t *blocks = calloc((size_t)nblocks + 1, sizeof(*blocks));
	uint64_t at;

	if (blocks)
		render_head(&l->head, l->cwd, m);
	if (!blocks || ck_buf_failed(&l->head))
		goto nomem;
	at = l->head.n;
	for (uint32_t i = 0; i < nblocks; i++) {
		blocks[i] = at;
		ck_buf_clear(&b);
		render_block(&b, m, i);
		if (ck_buf_failed(&b))
			goto nomem;
		at += b.n;
	}
	blocks[nblocks] = at;
	l->blocks = blocks;
	l->size = at + sizeof(tail) - 1;
	l->ready = true;
	return 0;
nomem:
	free(blocks);
	ck_buf_done(&l->head);
	return ck_fail_nomem(err, "checkpoint.json");
}

static int make_ready(struct ck_listing *l, const struct ck_model *m, struct ck_err *err)
{
	int r = 0;

	pthread_mutex_lock(&l->lock);
	if (!l->ready)
		r = measure_locked(l, m, err);
	pthread_mutex_unlock(&l->lock);
	return r;
}

int ck_listing_size(struct ck_listing *l, const struct ck_model *m, uint64_t *ret,
		    struct ck_err *err)
{
	int r = make_ready(l, m, err);

	if (r == 0)
		*ret = l->size;
	return r;
}

/* The part of the piece that the reader wants: the piece lies at *at, *off is the next byte
 * wanted, and *n is how many are. */
static void add_part(struct ck_buf *out, const void *piece, size_t len, uint64_t at, uint64_t *off,
		     size_t *n)
{
	size_t skip, take;

	if (*off < at || *off >= at + len)
		return;
	skip = (size_t)(*off - at);
	take = len - skip < *n ? len - skip : *n;
	ck_buf_add(out, (const char *)piece + skip, take);
	*off += take;
	*n -= take;
}

/* The last block that begins at or before off; there is one, as off lies in the rows. */
static uint32_t block_at(const struct ck_listing *l, uint32_t nblocks, uint64_t off)
{
	uint32_t lo = 0, hi = nblocks;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (l->blocks[mid] <= off)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int ck_listing_read(struct ck_listing *l, const struct ck_model *m, uint64_t off, size_t n,
		    struct ck_buf *out, struct ck_err *err)
{
	uint32_t nblocks = blocks_of(m);
	ck_auto_buf struct ck_buf b = CK_BUF_INIT;
	int r = make_ready(l, m, err);

	if (r < 0)
		return r;
	add_part(out, l->head.p, l->head.n, 0, &off, &n);
	while (n && off >= l->head.n && off < l->blocks[nblocks]) {
		uint32_t i = block_at(l, nblocks, off);

		ck_buf_clear(&b);
		render_block(&b, m, i);
		if (ck_buf_failed(&b))
			return ck_fail_nomem(err, "checkpoint.json");
		add_part(out, b.p, b.n, l->blocks[i], &off, &n);
	}
	if (n)
		add_part(out, tail, sizeof(tail) - 1, l->blocks[nblocks], &off, &n);
	if (ck_buf_failed(out))
		return ck_fail_nomem(err, "checkpoint.json");
	return 0;
}

/*
 * mkbundle.c - writes TensorFlow V2 checkpoints to measure with.
 *
 *     mkbundle many   PREFIX N         N variables of 4 to 64 bytes, a trainer's names
 *     mkbundle big    PREFIX BYTES     a float32 matrix at an odd offset, and a small variable
 *     mkbundle slices PREFIX BYTES K   the same, the matrix stored as K slices of its columns
 *     mkbundle sparse PREFIX BYTES N   N float32 vectors, all zeros, BYTES together; sparse
 *
 * TensorFlow itself needs minutes and gigabytes of memory for some of these. The index is what
 * its own writer would have made of the same variables, byte for byte, and all checksums are
 * right. "big" and "slices" hold the same values. Names and values are the same at every run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <isa-l/crc.h>

#define BLOCK_BYTES 262144u
#define RESTART_INTERVAL 16
#define PIECE (1u << 20)
#define SMALL_BYTES 1003u /* odd, and no multiple of a page: the matrix starts behind it */

enum { DT_FLOAT = 1, DT_UINT8 = 4 };

/* A byte string that grows. */
struct str {
	unsigned char *p;
	size_t len, room;
};

static void die(const char *what)
{
	fprintf(stderr, "mkbundle: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		die("memory");
	return p;
}

static void put(struct str *s, const void *p, size_t n)
{
	if (s->len + n > s->room) {
		s->room = (s->len + n) * 2 + 64;
		s->p = must(realloc(s->p, s->room));
	}
	if (n)
		memcpy(s->p + s->len, p, n);
	s->len += n;
}

static void put_byte(struct str *s, unsigned char c)
{
	put(s, &c, 1);
}

static void put_varint(struct str *s, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		put_byte(s, (unsigned char)(v | 0x80));
	put_byte(s, (unsigned char)v);
}

static void put_le32(struct str *s, uint32_t v)
{
	unsigned char b[4] = { (unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
			       (unsigned char)(v >> 24) };

	put(s, b, 4);
}

static uint32_t crc_extend(uint32_t crc, const void *p, size_t n)
{
	unsigned char *q = (unsigned char *)(uintptr_t)p; /* ISA-L only reads */
	size_t k;

	for (crc = ~crc; n; q += k, n -= k) {
		k = n < PIECE ? n : PIECE;
		crc = crc32_iscsi(q, (int)k, crc);
	}
	return ~crc;
}

static uint32_t crc_mask(uint32_t crc)
{
	return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

/* ---- files ---- */

struct out {
	int fd;
	struct str buf;
	uint64_t pos;
};

static void out_open(struct out *o, const char *prefix, const char *suffix)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof path, "%s%s", prefix, suffix) >= sizeof path) {
		errno = ENAMETOOLONG;
		die(prefix);
	}
	memset(o, 0, sizeof *o);
	o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (o->fd < 0)
		die(path);
}

static void out_flush(struct out *o)
{
	size_t done = 0;

	while (done < o->buf.len) {
		ssize_t n = write(o->fd, o->buf.p + done, o->buf.len - done);

		if (n < 0)
			die("write");
		done += (size_t)n;
	}
	o->buf.len = 0;
}

static void out_put(struct out *o, const void *p, size_t n)
{
	put(&o->buf, p, n);
	o->pos += n;
	if (o->buf.len >= PIECE)
		out_flush(o);
}

static void out_close(struct out *o)
{
	out_flush(o);
	/* Pages that are not on the disk yet cannot be dropped from the page cache. */
	if (fsync(o->fd) < 0 || close(o->fd) < 0)
		die("close");
	free(o->buf.p);
}

/* ---- the index: a sorted table ---- */

struct table {
	struct out out;
	struct str block;    /* entries so far */
	struct str restarts; /* uint32 each */
	unsigned since_restart;
	struct str last_key;
	struct str index; /* the index block's entries */
	struct str index_restarts;
	struct str handle; /* of the block just written, not in the index yet */
};

static void block_reset(struct table *t)
{
	t->block.len = 0;
	t->restarts.len = 0;
	put_le32(&t->restarts, 0);
	t->since_restart = 0;
}

/* Writes entries, restart array and trailer; *handle becomes the block's handle. */
static void write_block(struct table *t, struct str *entries, struct str *restarts,
			struct str *handle)
{
	uint64_t pos = t->out.pos;
	struct str trailer = { 0 };
	uint32_t crc;

	put(entries, restarts->p, restarts->len);
	put_le32(entries, (uint32_t)(restarts->len / 4));
	put_byte(&trailer, 0);
	crc = crc_extend(crc_extend(0, entries->p, entries->len), trailer.p, 1);
	put_le32(&trailer, crc_mask(crc));
	out_put(&t->out, entries->p, entries->len);
	out_put(&t->out, trailer.p, trailer.len);
	free(trailer.p);

	handle->len = 0;
	put_varint(handle, pos);
	put_varint(handle, entries->len);
}

static void finish_block(struct table *t)
{
	if (!t->block.len)
		return;
	write_block(t, &t->block, &t->restarts, &t->handle);
	block_reset(t);
}

static void index_add(struct table *t, const unsigned char *key, size_t len)
{
	if (t->index.len)
		put_le32(&t->index_restarts, (uint32_t)t->index.len);
	put_varint(&t->index, 0);
	put_varint(&t->index, len);
	put_varint(&t->index, t->handle.len);
	put(&t->index, key, len);
	put(&t->index, t->handle.p, t->handle.len);
	t->handle.len = 0;
}

static size_t common_prefix(const unsigned char *a, size_t na, const unsigned char *b, size_t nb)
{
	size_t i = 0;

	while (i < na && i < nb && a[i] == b[i])
		i++;
	return i;
}

/* The block before ends with last_key, the next begins with key: any key between will do, and the
 * writer takes a short one. */
static void index_add_between(struct table *t, const unsigned char *key, size_t len)
{
	struct str *last = &t->last_key;
	size_t i = common_prefix(last->p, last->len, key, len);

	if (i < last->len && i < len && last->p[i] < 0xff && last->p[i] + 1 < key[i]) {
		last->p[i]++;
		last->len = i + 1;
	}
	index_add(t, last->p, last->len);
}

static void table_add(struct table *t, const unsigned char *key, size_t len, const struct str *val)
{
	size_t shared = 0;

	if (t->handle.len) {
		index_add_between(t, key, len);
		t->last_key.len = 0;
	}
	if (t->since_restart == RESTART_INTERVAL) {
		put_le32(&t->restarts, (uint32_t)t->block.len);
		t->since_restart = 0;
	} else if (t->since_restart) {
		shared = common_prefix(t->last_key.p, t->last_key.len, key, len);
	}
	t->since_restart++;
	put_varint(&t->block, shared);
	put_varint(&t->block, len - shared);
	put_varint(&t->block, val->len);
	put(&t->block, key + shared, len - shared);
	put(&t->block, val->p, val->len);
	t->last_key.len = 0;
	put(&t->last_key, key, len);
	if (t->block.len + t->restarts.len + 4 >= BLOCK_BYTES)
		finish_block(t);
}

static void table_open(struct table *t, const char *prefix)
{
	/* Header: one shard, little endian, producer 1. */
	static unsigned char header[] = { 0x08, 0x01, 0x1a, 0x02, 0x08, 0x01 };
	struct str val = { .p = header, .len = sizeof header };

	memset(t, 0, sizeof *t);
	out_open(&t->out, prefix, ".index");
	block_reset(t);
	put_le32(&t->index_restarts, 0);
	table_add(t, header, 0, &val);
}

static void table_close(struct table *t)
{
	static const unsigned char magic[8] = { 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb };
	struct str meta = { 0 }, no_restarts = { 0 }, meta_handle = { 0 }, index_handle = { 0 };
	struct str footer = { 0 };

	finish_block(t);
	put_le32(&no_restarts, 0);
	write_block(t, &meta, &no_restarts, &meta_handle);
	if (t->handle.len) {
		for (size_t i = 0; i < t->last_key.len; i++) {
			if (t->last_key.p[i] != 0xff) {
				t->last_key.p[i]++;
				t->last_key.len = i + 1;
			}
		}
		index_add(t, t->last_key.p, t->last_key.len);
	}
	write_block(t, &t->index, &t->index_restarts, &index_handle);
	put(&footer, meta_handle.p, meta_handle.len);
	put(&footer, index_handle.p, index_handle.len);
	while (footer.len < 40)
		put_byte(&footer, 0);
	put(&footer, magic, sizeof magic);
	out_put(&t->out, footer.p, footer.len);
	out_close(&t->out);
	/* The rest goes with the process. */
}

/* ---- entries ---- */

static void put_dim(struct str *s, unsigned char tag, uint64_t size)
{
	struct str dim = { 0 };

	if (size) {
		put_byte(&dim, 0x08);
		put_varint(&dim, size);
	}
	put_byte(s, tag);
	put_varint(s, dim.len);
	put(s, dim.p, dim.len);
	free(dim.p);
}

static void put_shape(struct str *s, unsigned rank, const uint64_t *dims)
{
	struct str shape = { 0 };

	for (unsigned i = 0; i < rank; i++)
		put_dim(&shape, 0x12, dims[i]);
	put_byte(s, 0x12);
	put_varint(s, shape.len);
	put(s, shape.p, shape.len);
	free(shape.p);
}

/* A BundleEntryProto in *s, which is emptied first. Fields that are zero are left out. */
static void make_entry(struct str *s, unsigned dtype, unsigned rank, const uint64_t *dims,
		       uint64_t offset, uint64_t size, uint32_t crc)
{
	s->len = 0;
	put_byte(s, 0x08);
	put_varint(s, dtype);
	put_shape(s, rank, dims);
	if (offset) {
		put_byte(s, 0x20);
		put_varint(s, offset);
	}
	if (size) {
		put_byte(s, 0x28);
		put_varint(s, size);
	}
	if (crc_mask(crc)) {
		put_byte(s, 0x35);
		put_le32(s, crc_mask(crc));
	}
}

static void put_extent(struct str *s, uint64_t start, uint64_t len)
{
	struct str e = { 0 };

	if (start) {
		put_byte(&e, 0x08);
		put_varint(&e, start);
	}
	put_byte(&e, 0x10);
	put_varint(&e, len);
	put_byte(s, 0x0a);
	put_varint(s, e.len);
	put(s, e.p, e.len);
	free(e.p);
}

/* The order-preserving number of a slice key; v is not negative here. */
static void put_ordered(struct str *s, uint64_t v)
{
	static const unsigned char headers[] = { 0x80, 0xc0, 0xe0, 0xf0, 0xf8, 0xfc, 0xfe, 0xff };
	unsigned n = 1;

	while (n < 8 && v >= UINT64_C(1) << (7 * n - 1))
		n++;
	for (unsigned i = n; i--;) {
		unsigned char c = (unsigned char)(v >> (8 * i));

		put_byte(s, i == n - 1 ? c ^ headers[n - 1] : c);
	}
}

static void make_slice_key(struct str *s, const char *name, unsigned rank, const uint64_t *starts,
			   const uint64_t *lens)
{
	s->len = 0;
	put_byte(s, 0);
	put(s, name, strlen(name)); /* plain ASCII: nothing to escape */
	put(s, "\0\1", 2);
	put_byte(s, 1);
	put_byte(s, (unsigned char)rank);
	for (unsigned i = 0; i < rank; i++) {
		put_ordered(s, starts[i]);
		put_ordered(s, lens[i]);
	}
}

/* ---- many ---- */

struct names {
	char **v;
	uint64_t n, want;
};

static void add_name(struct names *ns, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_name(struct names *ns, const char *fmt, ...)
{
	va_list ap;
	char *s;

	if (ns->n == ns->want)
		return;
	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		die("memory");
	va_end(ap);
	ns->v[ns->n++] = s;
}

/*
 * A TensorFlow 1 trainer's names: half of them a network of layers, blocks and dense layers whose
 * kernels and biases have the optimizer's slots below them (so "kernel" is a variable and a scope,
 * in many small folders), half of them the parts of big embedding tables (few folders, of 20000
 * variables each).
 */
static void make_names(struct names *ns)
{
	static const char *const modules[] = { "attention/query", "attention/key",
					       "attention/value", "attention/output",
					       "dense_in",	  "dense_out" };
	static const char *const vars[] = { "kernel", "bias" };
	uint64_t network = ns->want / 2;

	for (unsigned layer = 0; ns->n < network; layer++) {
		for (unsigned i = 0; i < 8 * 6 * 2 && ns->n < network; i++) {
			unsigned block = i / 12, module = i / 2 % 6;
			const char *var = vars[i % 2];

			add_name(ns, "model/decoder/layer_%u/block_%u/%s/%s", layer, block,
				 modules[module], var);
			add_name(ns, "model/decoder/layer_%u/block_%u/%s/%s/Adam", layer, block,
				 modules[module], var);
			add_name(ns, "model/decoder/layer_%u/block_%u/%s/%s/Adam_1", layer, block,
				 modules[module], var);
		}
	}
	for (uint64_t i = 0; ns->n < ns->want; i++)
		add_name(ns, "model/embedding/features_%" PRIu64 "/table/bucket_%05" PRIu64,
			 i / 20000, i % 20000);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint32_t scramble(uint32_t x)
{
	x = (x ^ (x >> 16)) * 0x7feb352du;
	x = (x ^ (x >> 15)) * 0x846ca68bu;
	return x ^ (x >> 16);
}

/* A float between 1 and 2. */
static uint32_t value_bits(uint64_t i)
{
	return 0x3f800000u | scramble((uint32_t)i) >> 9;
}

static void make_many(const char *prefix, uint64_t n)
{
	struct names ns = { .want = n };
	struct str entry = { 0 };
	struct table t;
	struct out data;
	uint64_t name_bytes = 0;

	ns.v = must(calloc(n + 1, sizeof *ns.v));
	make_names(&ns);
	qsort(ns.v, ns.n, sizeof *ns.v, compare_names);

	table_open(&t, prefix);
	out_open(&data, prefix, ".data-00000-of-00001");
	for (uint64_t i = 0; i < n; i++) {
		uint64_t dims[1] = { scramble((uint32_t)i) % 16 + 1 };
		uint32_t values[16];
		size_t len = strlen(ns.v[i]);

		for (unsigned k = 0; k < dims[0]; k++)
			values[k] = value_bits(i * 16 + k);
		make_entry(&entry, DT_FLOAT, 1, dims, data.pos, dims[0] * 4,
			   crc_extend(0, values, dims[0] * 4));
		out_put(&data, values, dims[0] * 4);
		table_add(&t, (unsigned char *)ns.v[i], len, &entry);
		name_bytes += len;
	}
	out_close(&data);
	table_close(&t);
	printf("variables=%" PRIu64 " name_bytes=%" PRIu64 "\n", n, name_bytes);
}

/* ---- big, slices ---- */

#define BIG_NAME "model/embedding/table"
#define SMALL_NAME "model/embedding/used"

/* The small variable's bytes, which also push the matrix to an odd offset. */
static uint32_t write_small(struct out *data)
{
	unsigned char small[SMALL_BYTES];

	for (unsigned i = 0; i < SMALL_BYTES; i++)
		small[i] = (unsigned char)scramble(i);
	out_put(data, small, sizeof small);
	return crc_extend(0, small, sizeof small);
}

/* Rows of 64 KiB; a byte count that they do not divide is rounded down. */
static void matrix_shape(uint64_t bytes, uint64_t dims[2])
{
	dims[1] = 16384;
	while (dims[1] > 64 && bytes < dims[1] * dims[1] * 4)
		dims[1] /= 2;
	dims[0] = bytes / (4 * dims[1]);
	if (!dims[0]) {
		errno = EINVAL;
		die("too few bytes");
	}
}

/* Columns from..from+count of every row; returns their checksum. */
static uint32_t write_columns(struct out *data, const uint64_t dims[2], uint64_t from,
			      uint64_t count)
{
	uint32_t *row = must(malloc(count * 4));
	uint32_t crc = 0;

	for (uint64_t r = 0; r < dims[0]; r++) {
		for (uint64_t c = 0; c < count; c++)
			row[c] = value_bits(r * dims[1] + from + c);
		crc = crc_extend(crc, row, count * 4);
		out_put(data, row, count * 4);
	}
	free(row);
	return crc;
}

static void make_big(const char *prefix, uint64_t bytes)
{
	uint64_t dims[2], small_dims[1] = { SMALL_BYTES };
	struct str entry = { 0 };
	struct table t;
	struct out data;
	uint32_t crc, small_crc;

	matrix_shape(bytes, dims);
	out_open(&data, prefix, ".data-00000-of-00001");
	small_crc = write_small(&data);
	crc = write_columns(&data, dims, 0, dims[1]);
	out_close(&data);

	table_open(&t, prefix);
	make_entry(&entry, DT_FLOAT, 2, dims, SMALL_BYTES, dims[0] * dims[1] * 4, crc);
	table_add(&t, (const unsigned char *)BIG_NAME, strlen(BIG_NAME), &entry);
	make_entry(&entry, DT_UINT8, 1, small_dims, 0, SMALL_BYTES, small_crc);
	table_add(&t, (const unsigned char *)SMALL_NAME, strlen(SMALL_NAME), &entry);
	table_close(&t);
	printf("big=%s small=%s offset=%u bytes=%" PRIu64 "\n", BIG_NAME, SMALL_NAME, SMALL_BYTES,
	       dims[0] * dims[1] * 4);
}

/* Slices in the order of their keys, as the sorted index wants them. */
struct slice {
	struct str key, entry;
};

static int compare_slices(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->key.len < y->key.len ? x->key.len : y->key.len;
	int r = memcmp(x->key.p, y->key.p, n);

	return r ? r : (x->key.len > y->key.len) - (x->key.len < y->key.len);
}

static void make_slices(const char *prefix, uint64_t bytes, uint64_t k)
{
	uint64_t dims[2], small_dims[1] = { SMALL_BYTES };
	struct str entry = { 0 }, full = { 0 };
	struct slice *slices;
	struct table t;
	struct out data;
	uint32_t small_crc;

	matrix_shape(bytes, dims);
	if (!k || k > dims[1]) {
		errno = EINVAL;
		die("number of slices");
	}
	slices = must(calloc(k, sizeof *slices));
	out_open(&data, prefix, ".data-00000-of-00001");
	small_crc = write_small(&data);
	put_byte(&full, 0x08);
	put_varint(&full, DT_FLOAT);
	put_shape(&full, 2, dims);
	for (uint64_t i = 0; i < k; i++) {
		uint64_t starts[2] = { 0, dims[1] * i / k };
		uint64_t lens[2] = { dims[0], dims[1] * (i + 1) / k - starts[1] };
		uint64_t offset = data.pos;
		uint32_t crc = write_columns(&data, dims, starts[1], lens[1]);
		struct str extents = { 0 };

		make_slice_key(&slices[i].key, BIG_NAME, 2, starts, lens);
		make_entry(&slices[i].entry, DT_FLOAT, 2, lens, offset, lens[0] * lens[1] * 4, crc);
		for (unsigned d = 0; d < 2; d++)
			put_extent(&extents, starts[d], lens[d]);
		put_byte(&full, 0x3a);
		put_varint(&full, extents.len);
		put(&full, extents.p, extents.len);
		free(extents.p);
	}
	out_close(&data);
	qsort(slices, k, sizeof *slices, compare_slices);

	table_open(&t, prefix);
	for (uint64_t i = 0; i < k; i++)
		table_add(&t, slices[i].key.p, slices[i].key.len, &slices[i].entry);
	table_add(&t, (const unsigned char *)BIG_NAME, strlen(BIG_NAME), &full);
	make_entry(&entry, DT_UINT8, 1, small_dims, 0, SMALL_BYTES, small_crc);
	table_add(&t, (const unsigned char *)SMALL_NAME, strlen(SMALL_NAME), &entry);
	table_close(&t);
	printf("big=%s small=%s bytes=%" PRIu64 "\n", BIG_NAME, SMALL_NAME, dims[0] * dims[1] * 4);
}

/* ---- sparse ---- */

static void make_sparse(const char *prefix, uint64_t bytes, uint64_t n)
{
	static const unsigned char zeros[PIECE];
	uint64_t dims[1] = { n ? bytes / n / 4 : 0 };
	uint64_t each = dims[0] * 4;
	struct str entry = { 0 };
	struct table t;
	struct out data;
	uint32_t crc = 0;
	char name[64];

	/* All are of one size, so one checksum does for all. */
	for (uint64_t left = each; left;) {
		size_t k = left < PIECE ? left : PIECE;

		crc = crc_extend(crc, zeros, k);
		left -= k;
	}
	out_open(&data, prefix, ".data-00000-of-00001");
	if (ftruncate(data.fd, (off_t)(each * n)) < 0)
		die("ftruncate");
	out_close(&data);

	table_open(&t, prefix);
	for (uint64_t i = 0; i < n; i++) {
		int len = snprintf(name, sizeof name, "model/layer_%06" PRIu64 "/dense/kernel", i);

		make_entry(&entry, DT_FLOAT, 1, dims, each * i, each, crc);
		table_add(&t, (unsigned char *)name, (size_t)len, &entry);
	}
	table_close(&t);
	printf("variables=%" PRIu64 " bytes=%" PRIu64 "\n", n, each * n);
}

int main(int argc, char **argv)
{
	uint64_t a = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
	uint64_t b = argc > 4 ? strtoull(argv[4], NULL, 0) : 0;

	if (crc_extend(0, "123456789", 9) != 0xe3069283u) {
		fprintf(stderr, "mkbundle: ISA-L computes something other than CRC-32C\n");
		return 1;
	}
	if (argc == 4 && !strcmp(argv[1], "many")) {
		make_many(argv[2], a);
	} else if (argc == 4 && !strcmp(argv[1], "big")) {
		make_big(argv[2], a);
	} else if (argc == 5 && !strcmp(argv[1], "slices")) {
		make_slices(argv[2], a, b);
	} else if (argc == 5 && !strcmp(argv[1], "sparse")) {
		make_sparse(argv[2], a, b);
	} else {
		fprintf(stderr, "usage: mkbundle many PREFIX N\n"
				"       mkbundle big PREFIX BYTES\n"
				"       mkbundle slices PREFIX BYTES K\n"
				"       mkbundle sparse PREFIX BYTES N\n");
		return 2;
	}
	return 0;
}

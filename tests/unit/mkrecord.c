/* mkrecord.c - see mkrecord.h. */
#include "mkrecord.h"

#define S(text) { (const uint8_t *)(text), sizeof(text) - 1 }

static struct ck_rec_shard shards[] = {
	{ 0, 4711, 1u << 20, 1700000000123456789, 1600000000000000001, true },
	{ 3, UINT64_MAX, UINT64_MAX, -1, 0, false },
};
static struct ck_span files[] = { S("m.index.ckptfuse-new"), S("m.data-00001-of-00002") };
static struct ck_rec_patch patches[] = {
	{ 0, 4096, 2, 60 },
	{ 3, INT64_MAX - 4, 4, 61 },
};
static uint8_t large[40000]; /* more than is copied into one piece with its record */

static const struct ck_record records[] = {
	{ .type = CK_REC_BASE,
	  .index = { false, 12345, 0xdeadbeef, 0x0123456789abcdef },
	  .num_shards = 4, .shards = shards, .nshards = 2,
	  .source = S("/models/m") },
	{ .type = CK_REC_CREATE, .path = S("dense/kernel") },
	{ .type = CK_REC_WRITE, .path = S("dense/kernel"), .offset = 300, .data = S("\0\1\2\3") },
	{ .type = CK_REC_WRITE, .path = S("v"), .data = { large, sizeof(large) } },
	{ .type = CK_REC_WRITE, .path = S("v"), .offset = 1 }, /* of nothing */
	{ .type = CK_REC_EXTENT, .path = S("v"), .offset = 4096, .nbytes = 1u << 30, .shard = 7,
	  .shard_offset = UINT64_C(1) << 40, .crc32c = 0x11223344 },
	{ .type = CK_REC_EXTENT, .path = S("v"), .nbytes = 16, .shard = CK_REC_STAGE },
	{ .type = CK_REC_TRUNCATE, .path = S("v"), .offset = UINT64_C(10) << 30 },
	{ .type = CK_REC_META, .path = S("v"), .data = S("{\"dtype\": \"float32\"}") },
	{ .type = CK_REC_UNLINK, .path = S("a b\xff") },
	{ .type = CK_REC_MKDIR, .path = S("scope") },
	{ .type = CK_REC_RMDIR, .path = S("scope") },
	{ .type = CK_REC_RENAME, .path = S("old"), .to = S("new/name"), .flags = CK_REC_EXCHANGE },
	{ .type = CK_REC_RENAME, .path = S("old"), .to = S("new") },
	{ .type = CK_REC_SYNC },
	{ .type = CK_REC_DISCARD, .path = S("v") },
	{ .type = CK_REC_DISCARD },
	{ .type = CK_REC_PREPARE, .paths = files, .npaths = 2 },
	{ .type = CK_REC_COMMIT,
	  .index = { false, 54321, 1, UINT64_MAX },
	  .paths = files, .npaths = 2,
	  .patches = patches, .npatches = 2 },
};

unsigned made_records(void)
{
	return sizeof(records) / sizeof(records[0]);
}

bool make_record(unsigned i, struct ck_record *ret)
{
	if (i >= made_records())
		return false;
	for (size_t k = 0; k < sizeof(large); k++)
		large[k] = (uint8_t)(k * 7 + k / 256);
	*ret = records[i];
	return true;
}

static bool shards_same(const struct ck_record *a, const struct ck_record *b)
{
	if (a->num_shards != b->num_shards || a->nshards != b->nshards)
		return false;
	for (uint32_t i = 0; i < a->nshards; i++) {
		const struct ck_rec_shard *x = &a->shards[i], *y = &b->shards[i];

		if (x->id != y->id || x->ino != y->ino || x->size != y->size ||
		    x->mtime_ns != y->mtime_ns || x->btime_ns != y->btime_ns ||
		    x->touched != y->touched)
			return false;
	}
	return true;
}

static bool lists_same(const struct ck_record *a, const struct ck_record *b)
{
	if (a->npaths != b->npaths || a->npatches != b->npatches)
		return false;
	for (uint32_t i = 0; i < a->npaths; i++) {
		if (ck_span_cmp(a->paths[i], b->paths[i]) != 0)
			return false;
	}
	for (uint32_t i = 0; i < a->npatches; i++) {
		const struct ck_rec_patch *x = &a->patches[i], *y = &b->patches[i];

		if (x->shard != y->shard || x->offset != y->offset || x->nbytes != y->nbytes ||
		    x->data != y->data)
			return false;
	}
	return true;
}

bool record_same(const struct ck_record *a, const struct ck_record *b)
{
	uint64_t a_bytes = a->type == CK_REC_WRITE ? a->data.n : a->nbytes;
	uint64_t b_bytes = b->type == CK_REC_WRITE ? b->data.n : b->nbytes;

	return a->type == b->type && ck_span_cmp(a->path, b->path) == 0 &&
	       ck_span_cmp(a->to, b->to) == 0 && a->flags == b->flags && a->offset == b->offset &&
	       a_bytes == b_bytes && ck_span_cmp(a->data, b->data) == 0 && a->shard == b->shard &&
	       a->shard_offset == b->shard_offset && a->crc32c == b->crc32c &&
	       a->index.absent == b->index.absent && a->index.size == b->index.size &&
	       a->index.crc32c == b->index.crc32c && a->index.fnv == b->index.fnv &&
	       ck_span_cmp(a->source, b->source) == 0 && shards_same(a, b) && lists_same(a, b);
}

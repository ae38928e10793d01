/*
 * test_stage_bytes.c - bytes of files while they are edited: where they may be written, what a
 * handle sees, and what a close answers.
 */
#include "stagekit.h"
#include "tap.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <unistd.h>

#define KERNEL "dense/kernel" /* float32[4,8] */
#define JSON(dtype, shape) "{\"dtype\": \"" dtype "\", \"shape\": " shape "}"

static void row(uint8_t *p, size_t n, uint8_t first)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(first + i);
}

static void test_inside(void)
{
	struct ck_buf ck_auto_buf was = CK_BUF_INIT;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_cat(&k, KERNEL, &was);
	tap_ok(was.n == 128, "the variable is there");
	memcpy(was.p + 40, "ABCDEFGH", 8);
	tap_ok(kit_pwrite(&k, KERNEL, 40, "ABCDEFGH", 8) == 0 && kit_is(&k, KERNEL, was.p, was.n),
	       "bytes inside it are written and seen");
	memcpy(was.p + 44, "xy", 2);
	memcpy(was.p + 126, "yz", 2);
	tap_ok(kit_pwrite(&k, KERNEL, 44, "xy", 2) == 0 &&
		       kit_pwrite(&k, KERNEL, 126, "yz", 2) == 0 &&
		       kit_is(&k, KERNEL, was.p, was.n),
	       "again, over them and at the end");
	tap_ok(kit_publish(&k) == 0 && !k.report.nothing && k.report.variables == 1 &&
		       kit_published(&k, KERNEL, "float32[4,8]", was.p, was.n) && kit_sound(&k, 21),
	       "published %s", kit_why(&k));
	tap_ok(kit_is(&k, KERNEL, was.p, was.n), "and seen as before");
	was.p[0] = 7;
	tap_ok(kit_pwrite(&k, KERNEL, 0, was.p, 1) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, KERNEL, "float32[4,8]", was.p, was.n) && kit_sound(&k, 21),
	       "edited once more, published once more %s", kit_why(&k));
	tap_ok(kit_reopen(&k) == 0 && kit_is(&k, KERNEL, was.p, was.n) &&
		       strcmp(ck_stage_notice(k.s), "") == 0,
	       "and there after all is opened anew");
	kit_done(&k);
}

static void test_size(void)
{
	struct ck_buf ck_auto_buf was = CK_BUF_INIT;
	struct ck_sfile *f;
	struct kit k;
	uint8_t p[300] = { 0 };

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_cat(&k, KERNEL, &was);
	memcpy(p, was.p, 128);
	memset(p + 120, '#', 20);
	tap_ok(kit_pwrite(&k, KERNEL, 120, p + 120, 20) == -EINVAL && kit_size(&k, KERNEL) == 140 &&
		       kit_is(&k, KERNEL, p, 140),
	       "a write over the end is kept, and the close says that it does not fit");
	tap_ok(kit_publish(&k) == -EINVAL && strstr(kit_why(&k), "140 bytes") &&
		       strstr(kit_why(&k), KERNEL), "publishing refuses and names it: %s", kit_why(&k));
	tap_ok(kit_pwrite(&k, KERNEL, 200, p, 100) == -EINVAL && kit_size(&k, KERNEL) == 300,
	       "a hole before what is written");
	memset(p + 140, 0, 60);
	memcpy(p + 200, p, 100);
	tap_ok(kit_is(&k, KERNEL, p, 300), "reads as zeros");
	tap_ok(kit_truncate(&k, KERNEL, 100) == 0 && kit_is(&k, KERNEL, p, 100), "cut");
	memset(p + 100, 0, 28);
	tap_ok(kit_truncate(&k, KERNEL, 128) == 0 && kit_is(&k, KERNEL, p, 128) &&
		       kit_publish(&k) == 0 && kit_published(&k, KERNEL, "float32[4,8]", p, 128),
	       "and made longer again with zeros, it fits and is published %s", kit_why(&k));
	tap_ok(kit_fopen(&k, KERNEL, O_WRONLY | O_TRUNC, &f) == 0 && kit_fclose(&k, f) == 0 &&
		       kit_size(&k, KERNEL) == 0 && kit_publish(&k) == -EINVAL,
	       "a close after truncation alone is not judged, but not published either");
	tap_ok(kit_fopen(&k, KERNEL, O_WRONLY, &f) == 0 &&
		       ck_stage_file_truncate(f, 50, &k.err) == 0 &&
		       ck_stage_file_truncate(f, 0, &k.err) == 0 && kit_fclose(&k, f) == 0,
	       "nor one after several");
	tap_ok(kit_fill(&k, KERNEL, 127, 3) == -EINVAL && kit_is_fill(&k, KERNEL, 127, 3),
	       "one byte too few");
	tap_ok(kit_fill(&k, KERNEL, 128, 9) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, KERNEL, "float32[4,8]", 128, 9) && kit_sound(&k, 21),
	       "written whole %s", kit_why(&k));
	tap_ok(kit_pwrite(&k, KERNEL, UINT64_MAX - 3, "abc", 3) == -EFBIG &&
		       kit_pwrite(&k, KERNEL, INT64_MAX, "abc", 3) == -EFBIG &&
		       kit_truncate(&k, KERNEL, UINT64_C(1) << 63) == -EFBIG &&
		       kit_is_fill(&k, KERNEL, 128, 9),
	       "far too large");
	kit_done(&k);
}

/* A file written anew in pieces, from the back to the front, some of it twice. */
static void test_pieces(void)
{
	uint8_t p[128];
	struct ck_sfile *f;
	struct kit k;
	int r = 0;

	kit_begin(&k, "saver", "model.ckpt-100");
	row(p, 128, 100);
	kit_fopen(&k, KERNEL, O_WRONLY | O_TRUNC, &f);
	for (int at = 96; at >= 0; at -= 32)
		r |= kit_fwrite(&k, f, (uint64_t)at, p + at, 32);
	tap_ok(r == 0 && kit_fclose(&k, f) == 0 && kit_is(&k, KERNEL, p, 128), "pieces, from the back");
	tap_ok(kit_publish(&k) == 0 && k.report.copied == 0 &&
		       kit_published(&k, KERNEL, "float32[4,8]", p, 128),
	       "lie where they can stay: nothing is copied");
	kit_fopen(&k, KERNEL, O_RDWR | O_TRUNC, &f);
	r = kit_fwrite(&k, f, 0, p, 64);
	r |= ck_stage_file_sync(f, &k.err);
	row(p + 32, 64, 1);
	r |= kit_fwrite(&k, f, 32, p + 32, 64); /* over synced bytes, and on */
	r |= kit_fwrite(&k, f, 96, p + 96, 32);
	row(p + 100, 8, 50);
	r |= kit_fwrite(&k, f, 100, p + 100, 8);
	tap_ok(r == 0 && kit_fclose(&k, f) == 0 && kit_is(&k, KERNEL, p, 128),
	       "over bytes that were made durable");
	tap_ok(kit_publish(&k) == 0 && kit_published(&k, KERNEL, "float32[4,8]", p, 128) &&
		       kit_sound(&k, 21), "are published as they are %s", kit_why(&k));
	kit_done(&k);
}

/* Files of unknown size that grow at once, each longer than a region. */
static void test_growing(void)
{
	enum { PIECE = 300000, PIECES = 12 };
	uint8_t *p = malloc(PIECE);
	struct ck_sfile *f[2];
	struct kit k;
	int r = 0;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fopen(&k, "one", O_CREAT | O_WRONLY, &f[0]);
	kit_fopen(&k, "two", O_CREAT | O_WRONLY, &f[1]);
	for (int i = 0; i < PIECES; i++) {
		for (int j = 0; j < 2; j++) {
			row(p, PIECE, (uint8_t)((size_t)i * PIECE + (size_t)j));
			r |= kit_fwrite(&k, f[j], (uint64_t)i * PIECE, p, PIECE);
		}
	}
	r |= kit_fclose(&k, f[0]) | kit_fclose(&k, f[1]);
	tap_ok(r == 0 && kit_is_fill(&k, "one", PIECE * PIECES, 0) &&
		       kit_is_fill(&k, "two", PIECE * PIECES, 1),
	       "two files grow side by side");
	tap_ok(kit_publish(&k) == -EINVAL && strstr(kit_why(&k), "one") &&
		       strstr(kit_why(&k), "two"), "they have no type yet: %s", kit_why(&k));
	r = kit_text(&k, "one.json", JSON("uint8", "[12,300000]"));
	r |= kit_setxattr(&k, "two", "user.ckptfuse.dtype", "uint16");
	r |= kit_setxattr(&k, "two", "user.ckptfuse.shape", "[1800000]");
	tap_ok(r == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "one", "uint8[12,300000]", PIECE * PIECES, 0) &&
		       kit_published_fill(&k, "two", "uint16[1800000]", PIECE * PIECES, 1) &&
		       kit_sound(&k, 23),
	       "which V.json and attributes give them %s", kit_why(&k));
	tap_ok(kit_file_size(&k, ".data-00000-of-00001") < 2 * PIECE * PIECES * 2 + 65536,
	       "what was reserved is given back");
	free(p);
	kit_done(&k);
}

static void test_handles(void)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT, was = CK_BUF_INIT;
	struct ck_sfile *f, *g, *h;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_cat(&k, KERNEL, &was);
	kit_fopen(&k, KERNEL, O_RDONLY, &f);
	kit_fopen(&k, KERNEL, O_RDWR, &g);
	kit_fwrite(&k, g, 5, "seen", 4);
	memcpy(was.p + 5, "seen", 4);
	kit_fread(&k, f, &b);
	tap_ok(b.n == 128 && memcmp(b.p, was.p, 128) == 0,
	       "a handle from before the first edit sees what others write");
	kit_fill(&k, ".tmp", 128, 1);
	tap_ok(kit_mv(&k, ".tmp", KERNEL, 0) == 0 && kit_is_fill(&k, KERNEL, 128, 1),
	       "a temporary file takes its place");
	kit_fread(&k, f, &b);
	tap_ok(b.n == 128 && memcmp(b.p, was.p, 128) == 0, "open files keep what they had");
	kit_fopen(&k, KERNEL, O_RDWR, &h);
	kit_mv(&k, KERNEL, "moved", 0);
	kit_fwrite(&k, h, 0, "M", 1);
	kit_cat(&k, "moved", &b);
	tap_ok(b.n == 128 && b.p[0] == 'M', "a handle goes with the file that is renamed");
	tap_ok(kit_rm(&k, "moved") == 0 && kit_fwrite(&k, h, 1, "N", 1) == 0 &&
		       kit_fread(&k, h, &b) == 0 && b.n == 128 && memcmp(b.p, "MN", 2) == 0,
	       "and may be read and written when that is deleted");
	tap_ok(kit_publish(&k) == 0 && !kit_has(&k, KERNEL) && !kit_has(&k, "moved") &&
		       kit_sound(&k, 20), "published without it %s", kit_why(&k));
	kit_fread(&k, h, &b);
	tap_ok(b.n == 128 && memcmp(b.p, "MN", 2) == 0, "and the handle reads on");
	kit_fread(&k, f, &b);
	tap_ok(b.n == 128 && memcmp(b.p, was.p, 128) == 0, "as does that on the first file");
	kit_fclose(&k, f);
	kit_fclose(&k, g);
	kit_fclose(&k, h);
	kit_fopen(&k, "global_step", O_RDWR, &f);
	kit_fwrite(&k, f, 0, "12345678", 8);
	tap_ok(kit_discard(&k, NULL) == 0 && kit_fread(&k, f, &b) == 0 && b.n == 8 &&
		       memcmp(b.p, "12345678", 8) != 0,
	       "after a discard a handle sees the published bytes");
	tap_ok(ck_stage_file_version(f) > 0, "and its pages are worthless");
	kit_fclose(&k, f);
	kit_done(&k);
}

/* Fsynced bytes of a file stay as they are while somebody writes to it after its deletion: until
 * that is durable a power cut brings the file back. */
static void test_deleted_but_open(void)
{
	struct kit k;
	struct ck_sfile *f;
	uint8_t byte = 0;
	FILE *shard;
	bool there = false;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fopen(&k, "new", O_CREAT | O_RDWR, &f);
	kit_fwrite(&k, f, 0, "PRECIOUS", 8);
	ck_stage_file_sync(f, &k.err);
	kit_rm(&k, "new");
	tap_ok(kit_fwrite(&k, f, 0, "scribble", 8) == 0, "a deleted file is written to");
	shard = fopen(kit_path(&k, ".data-00000-of-00001"), "r");
	for (unsigned at = 0; fread(&byte, 1, 1, shard) == 1;) {
		at = byte == (uint8_t)"PRECIOUS"[at] ? at + 1 : byte == 'P';
		if (at == 8) {
			there = true;
			break;
		}
	}
	fclose(shard);
	tap_ok(there, "what was durable of it is not touched before the deletion is");
	kit_fclose(&k, f);
	kit_done(&k);
}

static void test_append(void)
{
	struct ck_sfile *f, *g;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fopen(&k, "log", O_CREAT | O_WRONLY | O_APPEND, &f);
	kit_fopen(&k, "log", O_WRONLY | O_APPEND, &g);
	kit_fwrite(&k, f, 0, "one ", 4);
	kit_fwrite(&k, g, 0, "two ", 4);
	kit_fwrite(&k, f, 2, "three", 5);
	tap_ok(kit_is(&k, "log", "one two three", 13), "O_APPEND goes to the end, wherever that is");
	tap_ok(kit_fclose(&k, f) == 0 && kit_fclose(&k, g) == 0, "without a type all sizes fit");
	tap_ok(kit_text(&k, "log.json", JSON("uint8", "[13]")) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "log", "uint8[13]", "one two three", 13),
	       "published %s", kit_why(&k));
	kit_done(&k);
}

static void test_holes(void)
{
	struct ck_sfile *f;
	struct kit k;
	uint8_t want[10000] = { 0 };

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fopen(&k, "sparse", O_CREAT | O_RDWR, &f);
	kit_fwrite(&k, f, 4000, "middle", 6);
	memcpy(want + 4000, "middle", 6);
	tap_ok(ck_stage_file_allocate(f, 0, 9000, 1000, &k.err) == 0 &&
		       kit_is(&k, "sparse", want, 10000), "a file mostly of holes");
	tap_ok(ck_stage_file_seek(f, 0, SEEK_DATA) == 4000 &&
		       ck_stage_file_seek(f, 0, SEEK_HOLE) == 0 &&
		       ck_stage_file_seek(f, 4000, SEEK_HOLE) == 4006 &&
		       ck_stage_file_seek(f, 4006, SEEK_DATA) == -ENXIO &&
		       ck_stage_file_seek(f, 10000, SEEK_HOLE) == -ENXIO,
	       "holes and data are found");
	kit_fwrite(&k, f, 9990, "the end..!", 10);
	memcpy(want + 9990, "the end..!", 10);
	memset(want + 4002, 0, 2);
	tap_ok(ck_stage_file_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4002, 2,
				      &k.err) == 0 && kit_is(&k, "sparse", want, 10000),
	       "a hole is punched");
	tap_ok(ck_stage_file_allocate(f, FALLOC_FL_KEEP_SIZE, 10000, 1000, &k.err) == 0 &&
		       ck_stage_file_allocate(f, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 9995,
					      1000, &k.err) == 0 && kit_size(&k, "sparse") == 10000,
	       "KEEP_SIZE keeps the size");
	memset(want + 9995, 0, 5);
	tap_ok(ck_stage_file_allocate(f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096, &k.err) == -EOPNOTSUPP &&
		       ck_stage_file_allocate(f, 0, 0, 0, &k.err) == -EINVAL &&
		       ck_stage_file_allocate(f, 0, 1, INT64_MAX, &k.err) == -EFBIG,
	       "what there is not");
	kit_fclose(&k, f);
	tap_ok(kit_text(&k, "sparse.json", JSON("float64", "[10, 125]")) == 0 &&
		       kit_publish(&k) == 0 &&
		       kit_published(&k, "sparse", "float64[10,125]", want, 10000),
	       "holes are published as zeros %s", kit_why(&k));
	kit_done(&k);
}

int main(void)
{
	tap_plan(47);
	test_inside();
	test_size();
	test_pieces();
	test_growing();
	test_handles();
	test_deleted_but_open();
	test_append();
	test_holes();
	return tap_done();
}

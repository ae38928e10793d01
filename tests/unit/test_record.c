/* test_record.c - payloads of a journal's records: there and back, and what is refused. */
#include "journal/record.h"

#include "mkrecord.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

static bool goes_round(const struct ck_record *r)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	struct ck_record got;
	bool same;

	ck_record_encode(r, &b);
	same = ck_record_decode(r->type, ck_span(b.p, b.n), &got) == 0 && record_same(r, &got);
	ck_record_done(&got);
	return same;
}

static void test_round_trips(void)
{
	struct ck_record r;

	for (unsigned i = 0; make_record(i, &r); i++)
		tap_ok(ck_record_check(&r) && goes_round(&r), "%u: %s there and back", i,
		       ck_rec_type_name(r.type));
}

/* A payload that is shorter than its record says, or longer, is none. */
static void test_cuts(void)
{
	struct ck_record r, got;
	bool cut = true, longer = true;

	for (unsigned i = 0; make_record(i, &r); i++) {
		struct ck_buf ck_auto_buf b = CK_BUF_INIT;
		/* Their data is what is left of the payload. */
		bool open_ended = r.type == CK_REC_WRITE || r.type == CK_REC_META ||
				  r.type == CK_REC_CREATE || r.type == CK_REC_RENAME;
		uint8_t *copy;

		ck_record_encode_head(&r, &b);
		if (open_ended)
			b.n -= r.type == CK_REC_WRITE ? 0 : r.data.n;
		for (size_t n = 0; n < b.n; n++) {
			copy = malloc(n ? n : 1); /* so that a sanitizer sees overruns */
			memcpy(copy, b.p, n);
			cut &= ck_record_decode(r.type, ck_span(copy, n), &got) == -EBADMSG;
			ck_record_done(&got);
			free(copy);
		}
		ck_buf_char(&b, 1);
		longer &= open_ended ||
			  ck_record_decode(r.type, ck_span(b.p, b.n), &got) == -EBADMSG;
		if (!open_ended)
			ck_record_done(&got);
	}
	tap_ok(cut, "every shorter payload is refused");
	tap_ok(longer, "every longer payload is refused");
}

static bool path_taken(const char *path, size_t n)
{
	struct ck_record r = { .type = CK_REC_CREATE, .path = ck_span(path, n) };
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	struct ck_record got;
	bool decodes;

	ck_record_encode(&r, &b);
	decodes = ck_record_decode(r.type, ck_span(b.p, b.n), &got) == 0;
	ck_record_done(&got);
	/* Never written is what would not be read. */
	return ck_record_check(&r) && decodes;
}

static void test_paths(void)
{
	static const char *const good[] = { "a", "a/b", ".a", "..a", "a..", "...", "a/.b", "\xff" };
	static const char *const bad[] = { "",	   "/",	    "/a",   "a/",   "a//b", ".",
					   "..",   "a/..",  "../a", "a/./b" };
	bool all = true, none = false;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		all &= path_taken(good[i], strlen(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		none |= path_taken(bad[i], strlen(bad[i]));
	tap_ok(all, "paths of files");
	tap_ok(!none && !path_taken("a\0b", 3), "what no path is");
}

static bool file_taken(const char *name)
{
	struct ck_span s = ck_span(name, strlen(name));
	struct ck_record r = { .type = CK_REC_PREPARE, .paths = &s, .npaths = 1 };

	return ck_record_check(&r) && goes_round(&r);
}

static bool is_of(const char *file, const char *prefix)
{
	return ck_rec_file_is_of(ck_span(file, strlen(file)), prefix);
}

static void test_files(void)
{
	tap_ok(file_taken("m.index") && !file_taken("../m.index") && !file_taken("/etc/passwd") &&
		       !file_taken("") && !file_taken(".."),
	       "a file that publishing makes or removes is a name, not a path");
	tap_ok(is_of("m.ckpt.index", "/a/m.ckpt") && is_of("m.ckpt.index", "m.ckpt") &&
		       is_of("m.index.ckptfuse-new", "x/m"),
	       "files of a bundle");
	tap_ok(!is_of("m.ckpt", "m.ckpt") && !is_of("m.ckpt.", "m.ckpt") &&
		       !is_of("m.ckpt2.index", "m.ckpt") && !is_of("n.ckpt.index", "m.ckpt") &&
		       !is_of("m.index", "m.ckpt") && !is_of(".index", "a/"),
	       "files that are another's");
}

static bool taken(const struct ck_record *r)
{
	bool round = goes_round(r);

	return ck_record_check(r) && round;
}

static void test_numbers(void)
{
	struct ck_span path = ck_span("v", 1);
	struct ck_record r = { .type = CK_REC_TRUNCATE, .path = path, .offset = INT64_MAX };
	struct ck_rec_patch p = { 1, 2, 3, 24 };
	struct ck_record c = {
		.type = CK_REC_COMMIT, .paths = &path, .npaths = 1, .patches = &p, .npatches = 1
	};

	tap_ok(taken(&r), "the largest size");
	r.offset++;
	tap_ok(!ck_record_check(&r), "a larger one");
	r = (struct ck_record){ .type = CK_REC_EXTENT, .path = path, .nbytes = 2,
				.shard_offset = INT64_MAX - 2 };
	tap_ok(taken(&r), "an extent that ends at the largest offset");
	r.shard_offset++;
	tap_ok(!ck_record_check(&r), "one byte further");
	r.shard_offset = UINT64_MAX;
	tap_ok(!ck_record_check(&r), "one that goes round");
	tap_ok(taken(&c), "a patch");
	p.nbytes = 0;
	tap_ok(!ck_record_check(&c), "an empty patch");
	p.nbytes = 3;
	p.data = UINT64_MAX;
	tap_ok(!ck_record_check(&c), "a patch from nowhere");
	c.npatches = 0;
	c.npaths = 0;
	tap_ok(!ck_record_check(&c), "a commit without a new index");
	r = (struct ck_record){ .type = CK_REC_RENAME, .path = path, .to = path, .flags = 2 };
	tap_ok(!ck_record_check(&r), "a flag of RENAME that there is not");
}

/* A count that the payload has no room for must not be believed. */
static void test_counts(void)
{
	static const uint8_t files[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 'a' };
	uint8_t base[21 + sizeof(files)] = { 0 };
	struct ck_record r;

	memcpy(base + 21, files, sizeof(files));
	tap_ok(ck_record_decode(CK_REC_PREPARE, ck_span(files, sizeof(files)), &r) == -EBADMSG &&
		       !r.paths,
	       "more files than there are bytes");
	ck_record_done(&r);
	tap_ok(ck_record_decode(CK_REC_BASE, ck_span(base, sizeof(base)), &r) == -EBADMSG &&
		       !r.shards,
	       "more shards than there are bytes");
	ck_record_done(&r);
	tap_ok(ck_record_decode(0, ck_span("", 0), &r) == -EBADMSG &&
		       ck_record_decode(15, ck_span("", 0), &r) == -EBADMSG,
	       "types that there are not");
	tap_ok(!ck_rec_type_name(0) && !ck_rec_type_name(15) && !ck_rec_type_name(255) &&
		       strcmp(ck_rec_type_name(CK_REC_DISCARD), "DISCARD") == 0,
	       "have no name");
}

int main(void)
{
	tap_plan((int)made_records() + 21);
	test_round_trips();
	test_cuts();
	test_paths();
	test_files();
	test_numbers();
	test_counts();
	return tap_done();
}

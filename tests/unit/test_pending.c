/*
 * test_pending.c - a journal as a reader sees it, in every state, and the pointer to one.
 */
#include "core/pending.h"

#include "journal/journal.h"
#include "journal/pointer.h"
#include "memfile.h"
#include "tap.h"
#include "util/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define PREFIX "/d/m.ckpt"
#define JOURNAL PREFIX ".ckptfuse-journal"
#define SHARD(n) PREFIX ".data-0000" #n "-of-00002"
#define S(text) ck_span(text, sizeof(text) - 1)

static struct ck_err err;

static int pending(struct memdisk *d, struct ck_pending *p)
{
	err = (struct ck_err)CK_ERR_INIT;
	*p = (struct ck_pending){ .state = CK_PENDING_NONE };
	return ck_pending_open(&d->vfs, PREFIX, p, &err);
}

/* A checkpoint of an index and two shards, and the journal of somebody who edits it. */
static struct ck_journal *begin(struct memdisk *d, const char *at)
{
	struct ck_rec_shard shards[2];
	struct ck_record base = { .type = CK_REC_BASE, .num_shards = 2, .shards = shards,
				  .nshards = 2 };
	struct ck_journal *j = NULL;
	struct ck_vstat st;

	memdisk_put(d, PREFIX ".index", "old index", 9);
	memdisk_put(d, SHARD(0), "0123456789", 10);
	memdisk_put(d, SHARD(1), "abcdefghij", 10);
	for (uint32_t i = 0; i < 2; i++) {
		d->vfs.stat(&d->vfs, i ? SHARD(1) : SHARD(0), &st);
		ck_rec_shard_of(&st, i, i == 1, &shards[i]);
	}
	ck_rec_index_of(&d->vfs, PREFIX ".index", &base.index, NULL);
	ck_journal_create(&d->vfs, at, 0644, &base, &j, NULL);
	return j;
}

/* Three edits, of which one has bytes in the journal: *data. */
static void edit(struct ck_journal *j, uint64_t *data)
{
	struct ck_record w = { .type = CK_REC_WRITE, .path = S("v"), .data = S("XYZ") };
	struct ck_record x = { .type = CK_REC_EXTENT, .path = S("w"), .nbytes = 100 };
	struct ck_record u = { .type = CK_REC_UNLINK, .path = S("u") };
	struct ck_record s = { .type = CK_REC_SYNC };

	ck_journal_append(j, &w, data, NULL);
	ck_journal_append(j, &x, NULL, NULL);
	ck_journal_append(j, &u, NULL, NULL);
	ck_journal_append(j, &s, NULL, NULL);
	ck_journal_sync(j, NULL);
}

/* A COMMIT of a new index; its patches redo "34" and "89" of shard 0 and "c" of shard 1. */
static void commit(struct memdisk *d, struct ck_journal *j, uint64_t data)
{
	struct ck_rec_patch patches[] = {
		{ 1, 2, 1, data }, { 0, 8, 2, data + 1 }, { 0, 3, 2, data }
	};
	struct ck_span file = S("m.ckpt.index.ckptfuse-new");
	struct ck_record c = {
		.type = CK_REC_COMMIT, .paths = &file, .npaths = 1, .patches = patches, .npatches = 3
	};

	memdisk_put(d, PREFIX ".index.ckptfuse-new", "new index!", 10);
	ck_rec_index_of(&d->vfs, PREFIX ".index.ckptfuse-new", &c.index, NULL);
	ck_journal_append(j, &c, NULL, NULL);
	ck_journal_sync(j, NULL);
}

static void write_at(struct memdisk *d, const char *path, uint64_t off, const char *text)
{
	struct ck_vfile *f;

	ck_vfs_open(&d->vfs, path, O_RDWR, 0, &f);
	ck_vfs_write(f, off, text, strlen(text));
	ck_vfs_close(f);
}

static void test_staged(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_record all = { .type = CK_REC_DISCARD };
	struct ck_pending p;
	struct ck_journal *j;
	uint64_t data;

	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_NONE, "no journal");
	memdisk_put(d, JOURNAL, "ckptj", 5);
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_NONE && !p.journal_path,
	       "one whose making was interrupted");
	d->vfs.unlink(&d->vfs, JOURNAL);
	j = begin(d, JOURNAL);
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_STAGED && !p.edits && !p.bytes &&
		       strcmp(p.journal_path, JOURNAL) == 0,
	       "one without edits %s", err.text);
	ck_pending_done(&p);
	edit(j, &data);
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_STAGED && p.edits == 3 &&
		       p.bytes == 103 && p.size == ck_journal_size(j) && !p.npatches &&
		       !p.committed,
	       "edits are counted");
	ck_pending_done(&p);
	write_at(d, SHARD(1), 10, "appended");
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_STAGED,
	       "a shard that we append to may have grown");
	ck_pending_done(&p);
	ck_journal_append(j, &all, NULL, NULL);
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_STAGED && !p.edits && !p.bytes,
	       "until all are discarded");
	ck_pending_done(&p);
	ck_journal_close(j, false, NULL);
	memdisk_free(d);
}

static void test_foreign(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = begin(d, JOURNAL);
	struct ck_pending p;
	uint64_t data;
	int r;

	edit(j, &data);
	ck_journal_close(j, false, NULL);
	write_at(d, SHARD(0), 2, "x");
	r = pending(d, &p);
	tap_ok(r == 0 && p.state == CK_PENDING_FOREIGN && p.edits == 3, "%s", p.why);
	ck_pending_done(&p);
	write_at(d, SHARD(0), 10, "x");
	r = pending(d, &p);
	tap_ok(r == 0 && p.state == CK_PENDING_FOREIGN, "%s", p.why);
	ck_pending_done(&p);
	memdisk_put(d, SHARD(1), "abcdefghij", 10);
	d->vfs.unlink(&d->vfs, SHARD(0));
	r = pending(d, &p);
	tap_ok(r == 0 && p.state == CK_PENDING_FOREIGN, "%s", p.why);
	ck_pending_done(&p);
	memdisk_put(d, PREFIX ".index", "another!!", 9);
	r = pending(d, &p);
	tap_ok(r == 0 && p.state == CK_PENDING_FOREIGN &&
		       strstr(p.why, "m.ckpt.index was written anew"),
	       "%s", p.why);
	ck_pending_done(&p);
	d->vfs.unlink(&d->vfs, PREFIX ".index");
	r = pending(d, &p);
	tap_ok(r == 0 && p.state == CK_PENDING_FOREIGN, "%s", p.why);
	ck_pending_done(&p);
	memdisk_free(d);

	d = memdisk_new();
	ck_journal_close(begin(d, JOURNAL), false, NULL);
	memdisk_put(d, SHARD(1), "abcdefghij", 10);
	r = pending(d, &p);
	tap_ok(r == 0 && p.state == CK_PENDING_FOREIGN, "%s", p.why);
	ck_pending_done(&p);
	memdisk_free(d);
}

static void test_committed(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = begin(d, JOURNAL);
	const struct ck_source_patch *v;
	struct ck_source *s = NULL, *base = NULL, *patched = NULL;
	struct ck_pending p;
	uint64_t data;
	char got[11] = "";
	size_t n;

	edit(j, &data);
	commit(d, j, data);
	ck_journal_close(j, false, NULL);
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_COMMITTED && p.committed &&
		       p.npatches == 3 && p.index_path &&
		       strcmp(p.index_path, PREFIX ".index.ckptfuse-new") == 0,
	       "before anything was carried out %s", err.text);
	v = ck_pending_patches(&p, 0, &n);
	tap_ok(n == 2 && v[0].off == 3 && v[0].at == data && v[1].off == 8 && v[1].at == data + 1,
	       "patches of a shard, sorted");
	v = ck_pending_patches(&p, 1, &n);
	tap_ok(n == 1 && v[0].off == 2 && v[0].len == 1, "of another");
	ck_pending_patches(&p, 2, &n);
	tap_ok(n == 0, "of one that has none");
	v = ck_pending_patches(&p, 0, &n);
	tap_ok(ck_pending_journal(&d->vfs, &p, &s, &err) == 0 &&
		       ck_source_open_vfs(&d->vfs, SHARD(0), &base, &err) == 0 &&
		       ck_source_patched(base, s, v, n, &patched, &err) == 0 &&
		       ck_source_read(patched, 0, got, 10, &err) == 0,
	       "laid over the shard %s", err.text);
	tap_is_str(got, "012XY567YZ", "it reads as published");
	ck_source_unref(patched);
	ck_source_unref(base);
	ck_source_unref(s);
	ck_pending_done(&p);

	write_at(d, SHARD(0), 3, "XY"); /* recovery was at work */
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_COMMITTED && p.index_path,
	       "half carried out: a shard that is patched may have been written to");
	ck_pending_done(&p);
	d->vfs.rename(&d->vfs, PREFIX ".index.ckptfuse-new", PREFIX ".index");
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_COMMITTED && !p.index_path,
	       "the new index is there");
	ck_pending_done(&p);
	d->vfs.unlink(&d->vfs, SHARD(0));
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_COMMITTED,
	       "then shards are no longer compared");
	ck_pending_done(&p);
	memdisk_free(d);
}

static void test_committed_and_wrong(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = begin(d, JOURNAL);
	struct ck_source *s;
	struct ck_pending p;
	uint64_t data;
	int r;

	edit(j, &data);
	commit(d, j, data);
	ck_journal_close(j, false, NULL);
	pending(d, &p);
	j = NULL;
	d->vfs.unlink(&d->vfs, JOURNAL);
	ck_journal_close(begin(d, JOURNAL), false, NULL);
	tap_ok(ck_pending_journal(&d->vfs, &p, &s, &err) == -ESTALE, "%s", err.text);
	ck_pending_done(&p);
	memdisk_free(d);

	d = memdisk_new();
	j = begin(d, JOURNAL);
	edit(j, &data);
	commit(d, j, data);
	memdisk_put(d, PREFIX ".index.ckptfuse-new", "new index?", 10);
	tap_ok(pending(d, &p) == -EIO && err.cls == CK_CORRUPT, "%s", err.text);
	d->vfs.unlink(&d->vfs, PREFIX ".index.ckptfuse-new");
	tap_ok(pending(d, &p) == -EIO && err.cls == CK_CORRUPT, "%s", err.text);
	memdisk_put(d, PREFIX ".index", "saved anew", 10);
	r = pending(d, &p);
	tap_ok(r == 0 && p.state == CK_PENDING_FOREIGN && p.committed, "%s", p.why);
	ck_pending_done(&p);
	ck_journal_close(j, false, NULL);
	memdisk_free(d);
}

/* A COMMIT with one thing wrong. */
static void refused(const char *file, struct ck_rec_patch *patches, uint32_t n, const char *text)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = begin(d, JOURNAL);
	struct ck_span name = ck_span(file, strlen(file));
	struct ck_record c = {
		.type = CK_REC_COMMIT, .paths = &name, .npaths = 1, .patches = patches, .npatches = n
	};
	struct ck_pending p;
	int r;

	ck_journal_append(j, &c, NULL, NULL);
	ck_journal_close(j, false, NULL);
	r = pending(d, &p);
	tap_ok((r == -EBADMSG && strstr(err.text, text)) ||
		       (r == 0 && p.state == CK_PENDING_FOREIGN && strstr(p.why, text)),
	       "%s%s", err.text, p.why ? p.why : "");
	ck_pending_done(&p);
	memdisk_free(d);
}

static void test_hostile(void)
{
	struct ck_rec_patch twice[] = { { 0, 5, 2, 24 }, { 0, 4, 2, 24 } };
	struct ck_rec_patch late = { 0, 0, 100000, 24 }, early = { 0, 0, 1, 23 };

	refused("m.ckpt.index.ckptfuse-new", twice, 2, "writes a byte twice");
	refused("m.ckpt.index.ckptfuse-new", &late, 1, "not before it");
	refused("m.ckpt.index.ckptfuse-new", &early, 1, "not before it");
	refused("passwd", NULL, 0, "not this checkpoint's index");
}

static void test_pointer(void)
{
	static const char elsewhere[] = "/elsewhere/j";
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = begin(d, elsewhere);
	struct ck_pending p;
	struct ck_span file;
	uint8_t copy[64];
	char *to = NULL;
	uint64_t data;
	bool refused = true;

	edit(j, &data);
	ck_journal_close(j, false, NULL);
	tap_ok(ck_pointer_read(&d->vfs, JOURNAL, &to, &err) == -ENOENT, "no pointer");
	tap_ok(ck_pointer_write(&d->vfs, JOURNAL, "j", 0644, NULL) == -EINVAL,
	       "to a relative path there is none");
	tap_ok(ck_pointer_write(&d->vfs, JOURNAL, "/other", 0644, NULL) == 0 &&
		       ck_pointer_write(&d->vfs, JOURNAL, elsewhere, 0644, NULL) == 0,
	       "made, and replaced");
	memdisk_crash(d, MEMDISK_NONE, 0);
	err = (struct ck_err)CK_ERR_INIT;
	tap_ok(ck_pointer_read(&d->vfs, JOURNAL, &to, &err) == 0, "durable %s", err.text);
	tap_is_str(to, elsewhere, "it leads there");
	free(to);
	file = memdisk_get(d, JOURNAL);
	memcpy(copy, file.p, file.n);
	tap_ok(file.n == 16 + strlen(elsewhere) + 4 && memcmp(copy, "ckptptr\n\1\0\0\0\14\0\0\0", 16) == 0 &&
		       ck_le32(copy + file.n - 4) == ck_crc32c(copy, file.n - 4),
	       "byte by byte as the document has it");
	tap_ok(pending(d, &p) == 0 && p.state == CK_PENDING_STAGED && p.edits == 3 &&
		       strcmp(p.journal_path, elsewhere) == 0,
	       "the journal is found there %s", err.text);
	ck_pending_done(&p);
	d->vfs.unlink(&d->vfs, elsewhere);
	tap_ok(pending(d, &p) == -EBUSY && err.cls == CK_BUSY, "%s", err.text);
	for (size_t i = 0; i < file.n; i++) {
		struct ck_err why = CK_ERR_INIT;

		copy[i] ^= 0x10;
		memdisk_put(d, JOURNAL, copy, file.n);
		refused &= ck_pointer_read(&d->vfs, JOURNAL, &to, &why) < 0 &&
			   why.cls == (i < 8 ? CK_FOREIGN : i < 12 ? CK_UNSUPPORTED : CK_CORRUPT);
		copy[i] ^= 0x10;
		memdisk_put(d, JOURNAL, copy, i);
		refused &= ck_pointer_read(&d->vfs, JOURNAL, &to, NULL) < 0;
	}
	tap_ok(refused, "one that was flipped or cut at any byte is refused");
	memdisk_put(d, JOURNAL, copy, file.n - 1);
	tap_ok(pending(d, &p) < 0 && err.cls == CK_CORRUPT, "%s", err.text);
	d->vfs.unlink(&d->vfs, JOURNAL);
	ck_journal_close(begin(d, JOURNAL), false, NULL);
	err = (struct ck_err)CK_ERR_INIT;
	tap_ok(ck_pointer_write(&d->vfs, JOURNAL, elsewhere, 0644, &err) == -EEXIST, "%s", err.text);
	memdisk_free(d);
}

static void test_failing_pointer(void)
{
	bool whole = true;

	for (unsigned n = 1; n < 12; n++) {
		struct memdisk *d = memdisk_new();
		char *to = NULL;
		int r;

		ck_pointer_write(&d->vfs, JOURNAL, "/old", 0644, NULL);
		d->calls = 0;
		d->fail_at = n;
		r = ck_pointer_write(&d->vfs, JOURNAL, "/new", 0644, NULL);
		memdisk_crash(d, MEMDISK_SOME, n);
		whole &= ck_pointer_read(&d->vfs, JOURNAL, &to, NULL) == 0 &&
			 strcmp(to, r == 0 ? "/new" : to) == 0 &&
			 (strcmp(to, "/new") == 0 || strcmp(to, "/old") == 0);
		free(to);
		memdisk_free(d);
	}
	tap_ok(whole, "whatever fails, it is the old one or the new one");
}

/* Somebody who only reads leaves no trace. */
static void test_writes_nothing(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = begin(d, JOURNAL);
	struct ck_vfs ro = d->vfs;
	struct ck_pending p;
	uint64_t data;

	edit(j, &data);
	commit(d, j, data);
	ck_journal_close(j, false, NULL);
	ro.pwrite = NULL;
	ro.truncate = NULL;
	ro.sync = NULL;
	ro.rename = NULL;
	ro.link = NULL;
	ro.unlink = NULL;
	ro.sync_dir = NULL;
	ro.lock = NULL;
	tap_ok(ck_pending_open(&ro, PREFIX, &p, NULL) == 0 && p.state == CK_PENDING_COMMITTED,
	       "nothing is written for it");
	ck_pending_done(&p);
	memdisk_free(d);
}

int main(void)
{
	tap_plan(42);
	test_staged();
	test_foreign();
	test_committed();
	test_committed_and_wrong();
	test_hostile();
	test_pointer();
	test_failing_pointer();
	test_writes_nothing();
	return tap_done();
}

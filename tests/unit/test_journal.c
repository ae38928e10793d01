/*
 * test_journal.c - a journal on a disk in memory: written, cut, flipped, failed, crashed, resumed.
 */
#include "journal/journal.h"

#include "memfile.h"
#include "mkrecord.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define PATH "/d/m.ckptfuse-journal"

/* --- what a scan finds ------------------------------------------------------------------------ */

struct seen {
	unsigned n;
	bool same; /* as make_record() makes them */
	uint64_t at[64]; /* where each begins */
	const struct ck_span *file; /* where data_at leads */
};

static int look(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err)
{
	struct seen *s = arg;
	struct ck_record want;

	(void)err;
	s->same &= make_record(s->n, &want) && record_same(r, &want);
	if (s->file && r->data.n && r->type == CK_REC_WRITE)
		s->same &= memcmp(s->file->p + r->data_at, r->data.p, r->data.n) == 0;
	s->at[s->n++] = at;
	return 0;
}

static int scan(struct memdisk *d, struct seen *s, struct ck_journal_scan *ret, struct ck_err *err)
{
	*s = (struct seen){ .same = true };
	*ret = (struct ck_journal_scan){ 0 };
	*err = (struct ck_err)CK_ERR_INIT;
	return ck_journal_scan(&d->vfs, PATH, look, s, ret, err);
}

/* A journal of the first n of the records that make_record() makes. */
static struct ck_journal *make(struct memdisk *d, unsigned n)
{
	struct ck_journal *j = NULL;
	struct ck_record r;

	make_record(0, &r);
	if (ck_journal_create(&d->vfs, PATH, 0644, &r, &j, NULL) < 0)
		return NULL;
	for (unsigned i = 1; i < n && make_record(i, &r); i++)
		ck_journal_append(j, &r, NULL, NULL);
	return j;
}

static struct ck_span copy_of(struct ck_span s)
{
	uint8_t *p = malloc(s.n ? s.n : 1);

	memcpy(p, s.p, s.n);
	return ck_span(p, s.n);
}

/* --- good ones -------------------------------------------------------------------------------- */

static void test_all_types(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, made_records());
	struct ck_journal_scan s;
	struct ck_err err = CK_ERR_INIT;
	struct ck_span file;
	struct ck_record r;
	struct seen seen;
	uint8_t byte = 0;

	tap_ok(j && ck_journal_durable(j) < ck_journal_size(j), "records of every type");
	tap_ok(ck_journal_sync(j, &err) == 0 && ck_journal_durable(j) == ck_journal_size(j),
	       "synced %s", err.text);
	d->calls = 0;
	tap_ok(ck_journal_sync(j, NULL) == 0 && d->calls == 0, "syncing again does nothing");
	file = memdisk_get(d, PATH);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == made_records(),
	       "all are read again %s", err.text);
	tap_ok(s.has_base && s.committed && s.end == s.size && s.size == file.n &&
		       s.records == seen.n && s.chain == ck_journal_chain(j) &&
		       s.end == ck_journal_size(j),
	       "and counted");
	tap_is_u64(s.synced, seen.at[15], "where the last SYNC ends");
	seen = (struct seen){ .same = true, .file = &file };
	tap_ok(ck_journal_scan(&d->vfs, PATH, look, &seen, &s, NULL) == 0 && seen.same,
	       "data lies where the scan says");
	tap_ok(ck_journal_read(j, file.n - 1, &byte, 1, NULL) == 0 && byte == file.p[file.n - 1] &&
		       ck_journal_read(j, file.n, &byte, 1, &err) == -EIO,
	       "bytes are read up to the end and not behind it: %s", err.text);
	make_record(1, &r);
	err = (struct ck_err)CK_ERR_INIT;
	tap_ok(ck_journal_append(j, &r, NULL, &err) == -EINVAL, "nothing follows COMMIT: %s",
	       err.text);
	tap_ok(strcmp(ck_journal_path(j), PATH) == 0, "it knows its path");
	tap_ok(ck_journal_close(j, true, NULL) == 0 && !memdisk_get(d, PATH).p, "removed");
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(!memdisk_get(d, PATH).p, "for good");
	tap_ok(scan(d, &seen, &s, &err) == -ENOENT && err.cls == CK_MISSING, "%s", err.text);
	memdisk_free(d);
}

static void test_data_at(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, 1);
	uint64_t at[2] = { 0 };
	struct ck_record r;
	bool right = true;

	for (unsigned i = 2; i < 4; i++) {
		uint8_t *p;

		make_record(i, &r);
		p = malloc(r.data.n);
		right &= ck_journal_append(j, &r, &at[i - 2], NULL) == 0 &&
			 ck_journal_read(j, at[i - 2], p, r.data.n, NULL) == 0 &&
			 memcmp(p, r.data.p, r.data.n) == 0;
		free(p);
	}
	tap_ok(right, "an append tells where the data lies, before it was synced");
	make_record(0, &r);
	tap_ok(ck_journal_append(j, &r, NULL, NULL) == -EINVAL, "there is one BASE");
	r = (struct ck_record){ .type = CK_REC_UNLINK, .path = ck_span("../x", 4) };
	tap_ok(ck_journal_append(j, &r, NULL, NULL) == -EINVAL, "no path with ..");
	r = (struct ck_record){ .type = 99 };
	tap_ok(ck_journal_append(j, &r, NULL, NULL) == -EINVAL, "no unknown type");
	r = (struct ck_record){ .type = CK_REC_WRITE, .path = ck_span("v", 1) };
	r.data = ck_span(calloc(1, CK_JOURNAL_PAYLOAD_MAX), CK_JOURNAL_PAYLOAD_MAX - 2);
	tap_ok(ck_journal_append(j, &r, NULL, NULL) == -EFBIG, "no payload that is too large");
	r.data.n--;
	tap_ok(ck_journal_append(j, &r, NULL, NULL) == 0, "the largest payload");
	free((void *)(uintptr_t)r.data.p);
	make_record(0, &r);
	tap_ok(ck_journal_create(&d->vfs, PATH, 0600, &r, &j, NULL) == -EEXIST,
	       "a journal is not made twice");
	ck_journal_close(j, false, NULL);
	memdisk_free(d);
}

static int stop_at_two(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err)
{
	(void)at, (void)r, (void)err;
	return ++*(unsigned *)arg == 2 ? -ECANCELED : 0;
}

static void test_callback(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, made_records());
	struct ck_journal_scan s = { .records = 77 };
	unsigned n = 0;

	tap_ok(ck_journal_scan(&d->vfs, PATH, stop_at_two, &n, &s, NULL) == -ECANCELED && n == 2 &&
		       s.records == 77,
	       "a callback ends the scan");
	tap_ok(ck_journal_scan(&d->vfs, PATH, NULL, NULL, &s, NULL) == 0 &&
		       s.records == made_records(),
	       "none is needed");
	ck_journal_close(j, false, NULL);
	memdisk_free(d);
}

static void test_interruptions(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal_scan s;
	struct ck_journal *j;
	struct ck_err err;
	struct seen seen;

	d->most = 7;
	d->interrupts = true;
	j = make(d, made_records());
	tap_ok(j && ck_journal_sync(j, NULL) == 0, "written seven bytes at a time, interrupted");
	ck_journal_close(j, false, NULL);
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == made_records(),
	       "and read so");
	memdisk_free(d);
}

/* --- damaged ones ----------------------------------------------------------------------------- */

/* The small journal that is damaged: all records but the large one. */
static struct ck_span small(uint64_t *ends, unsigned *n)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, 1);
	struct ck_record r;
	struct ck_span s;

	*n = 0;
	ends[(*n)++] = ck_journal_size(j);
	for (unsigned i = 1; make_record(i, &r); i++) {
		if (r.data.n > 100)
			continue;
		ck_journal_append(j, &r, NULL, NULL);
		ends[(*n)++] = ck_journal_size(j);
	}
	ck_journal_close(j, false, NULL);
	s = copy_of(memdisk_get(d, PATH));
	memdisk_free(d);
	return s;
}

static int scan_bytes(struct ck_span s, struct ck_journal_scan *ret, struct ck_err *err)
{
	struct memdisk *d = memdisk_new();
	int r;

	*ret = (struct ck_journal_scan){ 0 };
	*err = (struct ck_err)CK_ERR_INIT;
	memdisk_put(d, PATH, s.p, s.n);
	r = ck_journal_scan(&d->vfs, PATH, NULL, NULL, ret, err);
	memdisk_free(d);
	return r;
}

/* How many records lie before byte `at`, all of them whole. */
static unsigned whole_before(const uint64_t *ends, unsigned n, uint64_t at)
{
	unsigned i = 0;

	while (i < n && ends[i] <= at)
		i++;
	return i;
}

static void test_cuts(void)
{
	uint64_t ends[64];
	unsigned n;
	struct ck_span file = small(ends, &n);
	struct ck_journal_scan s;
	struct ck_err err;
	bool cut = true, torn = true;

	for (size_t at = 0; at <= file.n; at++) {
		unsigned whole = whole_before(ends, n, at);

		cut &= scan_bytes(ck_span(file.p, at), &s, &err) == 0 && s.records == whole &&
		       s.has_base == (whole > 0) && s.size == at &&
		       s.end == (whole ? ends[whole - 1] : 0);
	}
	tap_ok(cut, "cut at every byte: the whole records before it");
	for (size_t at = ends[0]; at <= file.n; at++) {
		struct ck_span copy = copy_of(file);
		unsigned whole = whole_before(ends, n, at);
		size_t same = at;

		/* Bytes of the rest that are zero anyway are no loss. */
		while (same < file.n && !file.p[same])
			same++;
		whole = whole_before(ends, n, same);
		memset((uint8_t *)(uintptr_t)copy.p + at, 0, copy.n - at);
		torn &= scan_bytes(copy, &s, &err) == 0 && s.records == whole &&
			s.end == ends[whole - 1];
		free((void *)(uintptr_t)copy.p);
	}
	tap_ok(torn, "zeros from any byte on: the whole records before them");
	free((void *)(uintptr_t)file.p);
}

static void test_flips(void)
{
	uint64_t ends[64];
	unsigned n;
	struct ck_span file = small(ends, &n);
	uint8_t *p = (uint8_t *)(uintptr_t)file.p;
	struct ck_journal_scan s;
	struct ck_err err;
	bool later = true, first = true, head = true;

	for (size_t bit = ends[0] * 8; bit < file.n * 8; bit++) {
		unsigned whole = whole_before(ends, n, bit / 8);

		p[bit / 8] ^= 1u << bit % 8;
		later &= scan_bytes(file, &s, &err) == 0 && s.records == whole &&
			 s.end == ends[whole - 1] && !s.committed;
		p[bit / 8] ^= 1u << bit % 8;
	}
	tap_ok(later, "each bit flipped: the records before it");
	for (size_t bit = CK_JOURNAL_HEAD * 8; bit < ends[0] * 8; bit++) {
		bool longer = bit / 8 < CK_JOURNAL_HEAD + 4 && !(p[bit / 8] >> bit % 8 & 1);
		int r;

		p[bit / 8] ^= 1u << bit % 8;
		r = scan_bytes(file, &s, &err);
		/* A BASE that would reach behind the end looks like one that was never finished. */
		first &= (r < 0 && err.cls == CK_CORRUPT) || (longer && r == 0 && !s.has_base);
		p[bit / 8] ^= 1u << bit % 8;
	}
	tap_ok(first, "in BASE: damaged, which is not the same as never finished");
	for (size_t bit = 0; bit < CK_JOURNAL_HEAD * 8; bit++) {
		enum ck_class want = bit < 64 ? CK_FOREIGN :
				     bit < 128 ? CK_UNSUPPORTED : CK_CORRUPT;

		p[bit / 8] ^= 1u << bit % 8;
		head &= scan_bytes(file, &s, &err) < 0 && err.cls == want && err.text[0];
		p[bit / 8] ^= 1u << bit % 8;
	}
	tap_ok(head, "in the head: foreign, of another version, or nothing that fits its salt");
	free(p);
}

/* What an earlier journal in the same place has left must not be taken for this one's. */
static void test_salt(void)
{
	uint64_t ends[64];
	unsigned n;
	struct ck_span old = small(ends, &n), young = small(ends, &n);
	struct ck_journal_scan s;
	struct ck_err err;
	bool never = true;

	tap_ok(memcmp(old.p + 16, young.p + 16, 8) != 0, "two journals have two salts");
	for (unsigned i = 0; i + 1 < n; i++) {
		memcpy((uint8_t *)(uintptr_t)old.p, young.p, ends[i]);
		never &= scan_bytes(old, &s, &err) == 0 && s.records == i + 1 && s.end == ends[i];
	}
	tap_ok(never, "records of an older one are never taken for the new one's");
	free((void *)(uintptr_t)old.p);
	free((void *)(uintptr_t)young.p);
}

static void test_strange_files(void)
{
	uint8_t zeros[5000] = { 0 };
	struct ck_journal_scan s;
	struct ck_err err;

	tap_ok(scan_bytes(ck_span("text", 4), &s, &err) == 0 && !s.has_base,
	       "too short for a journal: its making was interrupted");
	tap_ok(scan_bytes(ck_span(zeros, sizeof(zeros)), &s, &err) == 0 && !s.has_base && !s.end,
	       "nothing but zeros: likewise");
	zeros[4000] = 1;
	tap_ok(scan_bytes(ck_span(zeros, sizeof(zeros)), &s, &err) < 0 && err.cls == CK_FOREIGN,
	       "zeros, and then something: %s", err.text);
	tap_ok(scan_bytes(ck_span("a text that is longer than that", 31), &s, &err) < 0 &&
		       err.cls == CK_FOREIGN,
	       "%s", err.text);
}

/* --- resuming --------------------------------------------------------------------------------- */

static void test_resume(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, 5);
	struct ck_journal_scan s;
	struct ck_vfile *f;
	struct ck_record r;
	struct ck_err err;
	struct seen seen;
	bool appended = true;

	ck_journal_close(j, false, NULL);
	ck_vfs_open(&d->vfs, PATH, O_RDWR, 0, &f);
	ck_vfs_write(f, memdisk_get(d, PATH).n, "left over", 9);
	ck_vfs_close(f);
	scan(d, &seen, &s, &err);
	tap_ok(s.size == s.end + 9 && seen.n == 5, "five records and something behind them");
	tap_ok(ck_journal_resume(&d->vfs, PATH, &s, &j, &err) == 0 &&
		       memdisk_get(d, PATH).n == s.end && ck_journal_durable(j) == s.end,
	       "resumed, and cut %s", err.text);
	for (unsigned i = 5; make_record(i, &r); i++)
		appended &= ck_journal_append(j, &r, NULL, NULL) == 0;
	tap_ok(appended && ck_journal_sync(j, NULL) == 0, "gone on with");
	ck_journal_close(j, false, NULL);
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == made_records(),
	       "all of it is there");

	tap_ok(ck_journal_scan_until(&d->vfs, PATH, seen.at[3], &s, NULL) == 0 && s.records == 3 &&
		       s.end == seen.at[3] && s.size > s.end && !s.committed,
	       "the first three alone");
	ck_journal_resume(&d->vfs, PATH, &s, &j, NULL);
	for (unsigned i = 3; make_record(i, &r) && i < 8; i++)
		ck_journal_append(j, &r, NULL, NULL);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == 8 && s.end == s.size,
	       "from an earlier record on");
	ck_journal_close(j, false, NULL);

	s.salt++;
	tap_ok(ck_journal_resume(&d->vfs, PATH, &s, &j, &err) == -ESTALE && err.cls == CK_BUSY,
	       "not another one: %s", err.text);
	s.salt--;
	s.end = s.size + 1;
	err = (struct ck_err)CK_ERR_INIT;
	tap_ok(ck_journal_resume(&d->vfs, PATH, &s, &j, &err) == -ESTALE, "nor one that has shrunk");
	s.has_base = false;
	tap_ok(ck_journal_resume(&d->vfs, PATH, &s, &j, NULL) == -EINVAL,
	       "nor one without a beginning");
	memdisk_free(d);
}

/* A journal that was made, but whose name never became durable before its process died. */
static void test_resume_names(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j;
	struct ck_journal_scan s;
	struct ck_err err;
	struct ck_record r;
	struct seen seen;

	make_record(0, &r);
	d->fail_at = 4; /* open, write, sync; and then the folder */
	d->fail_also = 6; /* the mark, and the attempt to remove it */
	tap_ok(ck_journal_create(&d->vfs, PATH, 0644, &r, &j, &err) == -EIO,
	       "a journal whose name does not become durable is not made");
	d->fail_at = 0;
	scan(d, &seen, &s, &err);
	tap_ok(seen.n == 1 && ck_journal_resume(&d->vfs, PATH, &s, &j, NULL) == 0 &&
		       ck_journal_sync(j, NULL) == 0,
	       "it may be there all the same, and be gone on with");
	ck_journal_close(j, false, NULL);
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.n == 1, "then its name is made durable, too");
	memdisk_free(d);
}

/* --- failures --------------------------------------------------------------------------------- */

static void test_failed_append(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, 2);
	uint64_t size = ck_journal_size(j);
	struct ck_journal_scan s;
	struct ck_record r;
	struct ck_err err = CK_ERR_INIT;
	struct seen seen;

	make_record(3, &r); /* the large one */
	d->calls = 0;
	d->fail_at = 1;
	d->fail_errno = ENOSPC;
	tap_ok(ck_journal_append(j, &r, NULL, &err) == -ENOSPC && strstr(err.text, "free some"),
	       "%s", err.text);
	tap_ok(memdisk_get(d, PATH).n == size && ck_journal_size(j) == size, "all is as it was");
	d->calls = 0;
	d->fail_at = 2;
	d->fail_on = true;
	ck_journal_append(j, &r, NULL, NULL);
	tap_ok(memdisk_get(d, PATH).n > size && ck_journal_size(j) == size,
	       "if cutting fails as well, something is left");
	d->fail_on = false;
	make_record(2, &r);
	tap_ok(ck_journal_append(j, &r, NULL, NULL) == 0, "the next append takes it away");
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == 3 && s.end == s.size,
	       "and is right");

	/* The cut cannot be made, and there is nothing to append: the sync has to see to it. */
	d->calls = 0;
	d->fail_at = 1;
	d->fail_on = true;
	ck_journal_append(j, &r, NULL, NULL);
	d->fail_on = false;
	d->calls = 0;
	tap_ok(ck_journal_sync(j, &err) == 0, "a sync copies where it cannot cut %s", err.text);
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == 3 && s.end == s.size,
	       "and is right");
	ck_journal_close(j, false, NULL);
	memdisk_free(d);
}

/* A record that could not be cut off is left to a sync, in which another call fails in its turn. */
static void test_failed_copy(void)
{
	bool kept = true;

	for (unsigned n = 2; n < 16; n++) {
		struct memdisk *d = memdisk_new();
		struct ck_journal *j = make(d, 4);
		struct ck_journal_scan s;
		struct ck_record r;
		struct ck_err err;
		struct seen seen;

		make_record(4, &r);
		d->calls = 0;
		d->fail_at = 1;
		d->fail_on = true;
		ck_journal_append(j, &r, NULL, NULL);
		d->calls = 0;
		d->fail_on = false;
		d->fail_also = n;
		if (ck_journal_sync(j, NULL) < 0)
			kept &= ck_journal_sync(j, NULL) == 0;
		ck_journal_close(j, false, NULL);
		memdisk_crash(d, MEMDISK_NONE, 0);
		kept &= scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == 4;
		memdisk_free(d);
	}
	tap_ok(kept, "whatever fails in a copy, the next one is made");
}

static void test_failed_sync(bool drops)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, 3);
	struct ck_journal_scan s;
	struct ck_record r;
	struct ck_err err = CK_ERR_INIT;
	struct seen seen;
	d->drops = drops;
	d->calls = 0;
	d->fail_at = 1;
	tap_ok(ck_journal_sync(j, &err) == -EIO, "%s", err.text);
	err = (struct ck_err)CK_ERR_INIT;
	if (drops) {
		int first = ck_journal_sync(j, &err);

		tap_ok(first < 0 && ck_journal_sync(j, NULL) < 0,
		       "what was not written is lost, and it says so: %s", err.text);
		ck_journal_close(j, false, NULL);
		memdisk_crash(d, MEMDISK_NONE, 0);
		tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == 1,
		       "what was durable is still there");
		memdisk_free(d);
		return;
	}
	make_record(3, &r);
	tap_ok(ck_journal_append(j, &r, NULL, NULL) == 0, "it can be appended to");
	tap_ok(memdisk_xattr(d, PATH), "the file says that a sync has failed");
	tap_ok(ck_journal_sync(j, &err) == 0 && ck_journal_durable(j) == ck_journal_size(j),
	       "the next sync makes it good %s", err.text);
	tap_ok(!memdisk_xattr(d, PATH) && !memdisk_get(d, PATH ".new").p,
	       "by a copy");
	ck_journal_close(j, false, NULL);
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == 4, "all is durable");
	memdisk_free(d);
}

/* A sync fails, the process dies, and the next one reads what is not on the disk. */
static void test_failed_sync_and_death(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, 4);
	struct ck_journal_scan s;
	struct ck_err err = CK_ERR_INIT;
	struct seen seen;

	d->calls = 0;
	d->fail_at = 1;
	ck_journal_sync(j, NULL);
	ck_journal_close(j, false, NULL);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.n == 4 &&
		       ck_journal_resume(&d->vfs, PATH, &s, &j, &err) == 0 &&
		       ck_journal_sync(j, &err) == 0,
	       "resumed after a failed sync %s", err.text);
	ck_journal_close(j, false, NULL);
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == 4, "nothing is lost");
	memdisk_free(d);
}

static void test_in_the_way(void)
{
	static const char text[] = "somebody's file";
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, 2);
	struct ck_journal_scan s;
	struct ck_err err = CK_ERR_INIT;
	struct seen seen;

	memdisk_put(d, PATH ".new", text, sizeof(text));
	d->calls = 0;
	d->fail_at = 1;
	ck_journal_sync(j, NULL);
	tap_ok(ck_journal_sync(j, &err) == -EEXIST && memdisk_get(d, PATH ".new").n == sizeof(text),
	       "%s", err.text);
	memdisk_put(d, PATH ".new", CK_JOURNAL_MAGIC "...", 11);
	tap_ok(ck_journal_sync(j, NULL) == 0, "what an interrupted copy has left is not in the way");
	ck_journal_close(j, false, NULL);
	memdisk_put(d, PATH ".new", CK_JOURNAL_MAGIC "...", 11);
	scan(d, &seen, &s, &err);
	tap_ok(ck_journal_resume(&d->vfs, PATH, &s, &j, NULL) == 0 &&
		       !memdisk_get(d, PATH ".new").p,
	       "and is taken away by who resumes");
	ck_journal_close(j, false, NULL);
	memdisk_free(d);
}

static void test_unappend(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, 3);
	struct ck_journal_scan s;
	struct ck_record r;
	struct ck_err err = CK_ERR_INIT;
	struct seen seen;
	uint64_t at = ck_journal_size(j);
	uint32_t chain = ck_journal_chain(j);

	make_record(made_records() - 1, &r);
	ck_journal_sync(j, NULL);
	ck_journal_append(j, &r, NULL, NULL);
	d->calls = 0;
	d->fail_at = 1;
	tap_ok(ck_journal_sync(j, NULL) == -EIO, "the sync of a COMMIT fails");
	tap_ok(ck_journal_unappend(j, at - 1, chain, &err) == -EINVAL, "%s", err.text);
	err = (struct ck_err)CK_ERR_INIT;
	tap_ok(ck_journal_unappend(j, at, chain, &err) == 0 && ck_journal_size(j) == at,
	       "it is taken back %s", err.text);
	tap_ok(ck_journal_unappend(j, at, chain, &err) == 0, "which may be said again");
	make_record(3, &r);
	tap_ok(ck_journal_append(j, &r, NULL, NULL) == 0 && ck_journal_sync(j, NULL) == 0,
	       "edits go on");
	tap_ok(ck_journal_unappend(j, at, chain, NULL) == -EINVAL, "what is durable stays");
	ck_journal_close(j, false, NULL);
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(scan(d, &seen, &s, &err) == 0 && seen.same && seen.n == 4 && !s.committed,
	       "and the COMMIT is not there");
	memdisk_free(d);
}

/* --- every call fails once, and from then on -------------------------------------------------- */

#define STEPS 9

struct session {
	struct ck_journal *j;
	uint64_t ids[64]; /* TRUNCATEs with these sizes were appended, in this order */
	unsigned n;
	unsigned durable; /* so many of them were promised */
	bool settled; /* the last thing that was done is a sync that succeeded */
	bool created;
	bool maybe_committed;
	bool committed;
};

static void append_id(struct session *s, uint64_t id)
{
	static uint8_t large[20000];
	struct ck_record r = { .type = CK_REC_TRUNCATE, .path = ck_span("v", 1), .offset = id };

	if (id % 3 == 0) { /* in two pieces */
		r.type = CK_REC_WRITE;
		r.data = ck_span(large, sizeof(large));
	}
	s->settled = false;
	if (ck_journal_append(s->j, &r, NULL, NULL) == 0)
		s->ids[s->n++] = id;
}

static void sync_session(struct session *s)
{
	s->settled = ck_journal_sync(s->j, NULL) == 0;
	if (s->settled)
		s->durable = s->n;
}

static void commit_session(struct session *s)
{
	uint64_t at = ck_journal_size(s->j);
	uint32_t chain = ck_journal_chain(s->j);
	struct ck_record r;

	make_record(made_records() - 1, &r);
	s->settled = false;
	if (ck_journal_append(s->j, &r, NULL, NULL) < 0)
		return;
	s->maybe_committed = true;
	sync_session(s);
	s->committed = s->settled;
	if (!s->settled && ck_journal_unappend(s->j, at, chain, NULL) == 0) {
		s->durable = s->n;
		s->settled = true;
		s->maybe_committed = false;
	}
}

static void run_session(struct memdisk *d, struct session *s)
{
	struct ck_record r;

	*s = (struct session){ 0 };
	make_record(0, &r);
	s->created = ck_journal_create(&d->vfs, PATH, 0644, &r, &s->j, NULL) == 0;
	if (!s->created)
		return;
	for (uint64_t id = 1; id <= STEPS; id++) {
		append_id(s, id);
		if (id % 4 == 0)
			sync_session(s);
	}
	sync_session(s);
	commit_session(s);
	if (!s->committed && !s->maybe_committed) {
		append_id(s, STEPS + 1);
		sync_session(s);
	}
	ck_journal_close(s->j, false, NULL);
}

struct found {
	uint64_t ids[64];
	unsigned n;
};

static int collect(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err)
{
	struct found *f = arg;

	(void)at, (void)err;
	if (r->type == CK_REC_WRITE || r->type == CK_REC_TRUNCATE)
		f->ids[f->n++] = r->offset;
	return 0;
}

/* What was promised is there; what is there was asked for, but for at most one that failed last
 * and could not be taken back. */
static bool holds(struct memdisk *d, const struct session *s, bool strict)
{
	struct ck_journal_scan scan = { 0 };
	struct found f = { .n = 0 };
	struct ck_err err = CK_ERR_INIT;
	int r = ck_journal_scan(&d->vfs, PATH, collect, &f, &scan, &err);
	bool ok = true;

	if (strict && !s->created)
		return r == -ENOENT;
	if (r < 0 || !scan.has_base)
		return !s->created && (r == 0 || r == -ENOENT);
	for (unsigned i = 0; i < f.n && i < s->n; i++)
		ok &= f.ids[i] == s->ids[i];
	ok &= f.n >= s->durable && f.n <= s->n + (strict || s->settled ? 0 : 1);
	if (s->committed)
		ok &= scan.committed;
	if (!s->maybe_committed)
		ok &= !scan.committed;
	return ok;
}

static unsigned calls_of_session(void)
{
	struct memdisk *d = memdisk_new();
	struct session s;
	unsigned calls;

	run_session(d, &s);
	calls = d->calls;
	memdisk_free(d);
	return calls;
}

/* A session in which calls fail as d has been told, and then the power. */
static bool survives(struct memdisk *d, unsigned loss, bool strict)
{
	struct session s;
	bool ok;

	run_session(d, &s);
	ok = !memdisk_get(d, PATH ".new").p || d->fail_on || d->fail_also;
	d->fail_at = d->fail_also = 0;
	if (loss > 1)
		memdisk_crash(d, MEMDISK_SOME, loss);
	else if (loss)
		memdisk_crash(d, MEMDISK_NONE, 0);
	ok &= holds(d, &s, strict && !loss);
	memdisk_free(d);
	return ok;
}

static void test_every_call(bool on, bool drops, int errnum)
{
	/* Making a failure good takes calls of its own, which fail in their turn. */
	unsigned calls = calls_of_session() + 12, tried = 0, wrong = 0;

	for (unsigned n = 1; n <= calls; n++) {
		for (unsigned loss = 0; loss < 12; loss++, tried++) {
			struct memdisk *d = memdisk_new();

			d->fail_at = n;
			d->fail_on = on;
			d->fail_errno = errnum;
			d->drops = drops;
			/* A record that failed may be left only where cutting failed as well. */
			if (!survives(d, loss, !on && !drops)) {
				wrong++;
				printf("# call %u, loss %u: wrong\n", n, loss);
			}
		}
	}
	tap_ok(!wrong && calls > 30, "%s at every call%s%s: %u ends", strerror(errnum),
	       on ? " and all that follow" : "", drops ? ", pages dropped" : "", tried);
}

static void test_every_two_calls(void)
{
	unsigned calls = calls_of_session() + 20, tried = 0, wrong = 0;

	for (unsigned n = 1; n <= calls; n++) {
		for (unsigned m = n + 1; m <= calls; m++) {
			for (unsigned loss = 0; loss < 4; loss++, tried++) {
				struct memdisk *d = memdisk_new();

				d->fail_at = n;
				d->fail_also = m;
				if (!survives(d, loss, false)) {
					wrong++;
					printf("# calls %u and %u, loss %u: wrong\n", n, m, loss);
				}
			}
		}
	}
	tap_ok(!wrong && calls > 40, "any two calls: %u ends", tried);
}

/* --- dump, set aside -------------------------------------------------------------------------- */

static const char golden[] =
	"24 BASE index of 12345 bytes, crc32c deadbeef, fnv 0123456789abcdef, "
	"4 shards, source \"/models/m\"\n"
	"  shard 0: inode 4711, 1048576 bytes, modified 1700000000.123456789, born "
	"1600000000.000000001, touched\n"
	"  shard 3: inode 18446744073709551615, 18446744073709551615 bytes, modified "
	"-0.000000001\n"
	"137 CREATE \"dense/kernel\"\n"
	"162 WRITE \"dense/kernel\" at 300: 4 bytes at 189\n"
	"193 WRITE \"v\" at 0: 40000 bytes at 208\n"
	"40208 WRITE \"v\" at 1: 0 bytes at 40223\n"
	"40223 EXTENT \"v\" at 4096: 1073741824 bytes in shard 7 at 1099511627776, crc32c "
	"11223344\n"
	"40258 EXTENT \"v\" at 0: 16 bytes in the stage at 0, crc32c 00000000\n"
	"40283 TRUNCATE \"v\" to 10737418240\n"
	"40302 META \"v\" \"{\\\"dtype\\\": \\\"float32\\\"}\"\n"
	"40336 UNLINK \"a b\\xff\"\n"
	"40353 MKDIR \"scope\"\n"
	"40371 RMDIR \"scope\"\n"
	"40389 RENAME \"old\" with \"new/name\"\n"
	"40415 RENAME \"old\" to \"new\"\n"
	"40436 SYNC\n"
	"40448 DISCARD \"v\"\n"
	"40462 DISCARD \"\"\n"
	"40475 PREPARE\n"
	"  file \"m.index.ckptfuse-new\"\n"
	"  file \"m.data-00001-of-00002\"\n"
	"40531 COMMIT index of 54321 bytes, crc32c 00000001, fnv ffffffffffffffff\n"
	"  file \"m.index.ckptfuse-new\"\n"
	"  file \"m.data-00001-of-00002\"\n"
	"  patch shard 0 at 4096: 2 bytes at 60\n"
	"  patch shard 3 at 9223372036854775803: 4 bytes at 61\n"
	"40626 end: 19 records, salt %016" PRIx64 ", synced to 40448\n";

static void test_dump(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_journal *j = make(d, made_records());
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct ck_journal_scan s;
	struct ck_err err;
	struct seen seen;
	char want[4096];

	ck_journal_close(j, false, NULL);
	scan(d, &seen, &s, &err);
	snprintf(want, sizeof(want), golden, s.salt);
	tap_ok(ck_journal_dump(&d->vfs, PATH, &text, &err) == 0, "dumped %s", err.text);
	tap_is_str(text.p, want, "as text");
	ck_buf_clear(&text);
	memdisk_put(d, PATH, memdisk_get(d, PATH).p, 200);
	ck_journal_dump(&d->vfs, PATH, &text, &err);
	tap_ok(text.p && strstr(text.p, "\n193 end: 3 records") &&
		       strstr(text.p, "\n7 bytes behind the end are dropped\n"),
	       "what is dropped is counted");
	ck_buf_clear(&text);
	memdisk_put(d, PATH, "", 0);
	ck_journal_dump(&d->vfs, PATH, &text, &err);
	tap_is_str(text.p, "0 end: its making was interrupted\n", "an empty one");
	memdisk_free(d);
}

static void test_aside(void)
{
	struct memdisk *d = memdisk_new();
	struct ck_err err = CK_ERR_INIT;
	char *to = NULL;

	for (int i = 0; i < 3; i++) {
		static const char *const want[] = { PATH ".aside", PATH ".aside-2", PATH ".aside-3" };

		memdisk_put(d, PATH, &"abc"[i], 1);
		ck_journal_set_aside(&d->vfs, PATH, &to, &err);
		tap_is_str(to, want[i], "set aside %s", err.text);
		free(to);
	}
	memdisk_crash(d, MEMDISK_NONE, 0);
	tap_ok(!memdisk_get(d, PATH).p && memdisk_get(d, PATH ".aside").p[0] == 'a' &&
		       memdisk_get(d, PATH ".aside-3").p[0] == 'c',
	       "all are kept, durably");
	tap_ok(ck_journal_set_aside(&d->vfs, PATH, &to, &err) == -ENOENT, "%s", err.text);
	memdisk_free(d);
}

int main(void)
{
	tap_plan(91);
	test_all_types();
	test_data_at();
	test_callback();
	test_interruptions();
	test_cuts();
	test_flips();
	test_salt();
	test_strange_files();
	test_resume();
	test_resume_names();
	test_failed_append();
	test_failed_copy();
	test_failed_sync(false);
	test_failed_sync(true);
	test_failed_sync_and_death();
	test_in_the_way();
	test_unappend();
	test_every_call(false, false, EIO);
	test_every_call(false, false, ENOSPC);
	test_every_call(true, false, EIO);
	test_every_call(false, true, EIO);
	test_every_call(true, true, EIO);
	test_every_two_calls();
	test_dump();
	test_aside();
	return tap_done();
}

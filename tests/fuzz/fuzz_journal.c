/*
 * fuzz_journal.c - a journal of arbitrary bytes, payloads of arbitrary bytes, and good journals
 * that were damaged.
 *
 * The first byte of the input says which. A journal of arbitrary bytes is scanned, dumped, looked
 * at as a reader of the checkpoint would, and gone on with. A payload that decodes has to be the
 * same record once it was encoded again. A good journal that was damaged may lose records from its
 * end, and has no other ones.
 *
 * A chain of checksums would stop every mutation at the door, so the mutator makes it right again
 * now and then.
 */
#include "core/pending.h"
#include "journal/journal.h"

#include "memfile.h"
#include "mkrecord.h"
#include "repair.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) __attribute__((weak));

#define PREFIX "/m"
#define PATH PREFIX CK_SUFFIX_JOURNAL
#define SALT UINT64_C(0x1122334455667788)

enum { BYTES, PAYLOAD, DAMAGE, WAYS };

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* --- arbitrary bytes -------------------------------------------------------------------------- */

struct seen {
	struct ck_span file;
	uint64_t records;
	uint64_t at;
};

static int look(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err)
{
	struct seen *s = arg;

	(void)err;
	check(at > s->at && at < s->file.n && ck_rec_type_name(r->type) && ck_record_check(r));
	check((r->type == CK_REC_BASE) == (s->records == 0));
	if (r->type == CK_REC_WRITE)
		check(r->data_at > at && r->data_at + r->data.n <= s->file.n &&
		      (!r->data.n ||
		       memcmp(s->file.p + r->data_at, r->data.p, r->data.n) == 0));
	s->at = at;
	s->records++;
	return 0;
}

static void go_on(struct memdisk *d, const struct ck_journal_scan *before)
{
	struct ck_record r = { .type = CK_REC_MKDIR, .path = ck_span("x", 1) };
	struct ck_journal_scan after;
	struct ck_journal *j;

	check(ck_journal_resume(&d->vfs, PATH, before, &j, NULL) == 0);
	check((ck_journal_append(j, &r, NULL, NULL) == 0) == !before->committed);
	check(ck_journal_sync(j, NULL) == 0);
	ck_journal_close(j, false, NULL);
	memdisk_crash(d, MEMDISK_NONE, 0);
	check(ck_journal_scan(&d->vfs, PATH, NULL, NULL, &after, NULL) == 0);
	check(after.records == before->records + !before->committed && after.size == after.end &&
	      after.synced == before->synced);
}

static void run_bytes(struct ck_span s)
{
	struct memdisk *d = memdisk_new();
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct seen seen = { .file = s };
	struct ck_journal_scan scan = { 0 };
	struct ck_err err = CK_ERR_INIT;
	struct ck_pending p;
	int r;

	memdisk_put(d, PATH, s.p, s.n);
	memdisk_put(d, PREFIX ".index", "", 0);
	r = ck_journal_scan(&d->vfs, PATH, look, &seen, &scan, &err);
	check(r == 0 || (r < 0 && err.cls != CK_OK && err.text[0])); /* never without a word */
	if (r == 0)
		check(scan.size == s.n && scan.end <= s.n && scan.synced <= scan.end &&
		      scan.records == seen.records && scan.has_base == (scan.records > 0));
	check(ck_journal_dump(&d->vfs, PATH, &text, NULL) == r);
	if (ck_pending_open(&d->vfs, PREFIX, &p, NULL) == 0) {
		struct ck_source *journal;

		if (p.journal_path && ck_pending_journal(&d->vfs, &p, &journal, NULL) == 0)
			ck_source_unref(journal);
		ck_pending_done(&p);
	}
	if (r == 0 && scan.has_base)
		go_on(d, &scan);
	memdisk_free(d);
}

/* --- arbitrary payloads ----------------------------------------------------------------------- */

static void run_payload(struct ck_span s)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	struct ck_record one, two;
	enum ck_rec_type type;

	if (!s.n)
		return;
	type = s.p[0];
	if (ck_record_decode(type, ck_span(s.p + 1, s.n - 1), &one) == 0) {
		check(ck_record_check(&one));
		ck_record_encode(&one, &b);
		check(ck_record_decode(type, ck_span(b.p, b.n), &two) == 0 &&
		      record_same(&one, &two));
		ck_record_done(&two);
	}
	ck_record_done(&one);
}

/* --- damage ----------------------------------------------------------------------------------- */

static int compare(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err)
{
	unsigned *n = arg;
	struct ck_record want;

	(void)at, (void)err;
	while (make_record(*n, &want) && want.data.n > 1000)
		++*n;
	check(make_record((*n)++, &want) && record_same(r, &want));
	return 0;
}

/* All the records that are made for tests, but for the large ones; always the same bytes. */
static struct ck_span good_journal(void)
{
	static uint8_t *bytes;
	static size_t n;

	if (!bytes) {
		struct memdisk *d = memdisk_new();
		struct ck_journal *j = NULL;
		struct ck_record r;

		make_record(0, &r);
		check(ck_journal_create(&d->vfs, PATH, 0644, &r, &j, NULL) == 0);
		for (unsigned i = 1; make_record(i, &r); i++)
			check(r.data.n > 1000 || ck_journal_append(j, &r, NULL, NULL) == 0);
		ck_journal_close(j, false, NULL);
		n = memdisk_get(d, PATH).n;
		bytes = malloc(n);
		check(bytes);
		memcpy(bytes, memdisk_get(d, PATH).p, n);
		ck_put_le64(bytes + 16, SALT);
		repair_journal(bytes, n);
		memdisk_free(d);
	}
	return ck_span(bytes, n);
}

/* Each three bytes of the input: where, and how one byte changes; then the length. */
static void run_damage(struct ck_span s)
{
	struct ck_span good = good_journal();
	uint8_t *copy = malloc(good.n);
	struct memdisk *d = memdisk_new();
	struct ck_journal_scan scan;
	size_t n = good.n;
	unsigned found = 0;

	check(copy);
	memcpy(copy, good.p, good.n);
	for (; s.n >= 3; s = ck_span(s.p + 3, s.n - 3)) {
		size_t at = (size_t)s.p[0] | (size_t)s.p[1] << 8;

		copy[at % good.n] ^= s.p[2];
		if (!s.p[2])
			n = at % (good.n + 1);
	}
	memdisk_put(d, PATH, copy, n);
	ck_journal_scan(&d->vfs, PATH, compare, &found, &scan, NULL);
	memdisk_free(d);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ck_span s;

	if (!size)
		return 0;
	s = ck_span(data + 1, size - 1);
	switch (data[0] % WAYS) {
	case BYTES:
		run_bytes(s);
		break;
	case PAYLOAD:
		run_payload(s);
		break;
	default:
		run_damage(s);
		break;
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, most);
	if (size && data[0] % WAYS == BYTES && seed % 8)
		repair_journal(data + 1, size - 1);
	return size;
}

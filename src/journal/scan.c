/*
 * scan.c - reading a journal from its front (ck_journal_scan of journal.h).
 *
 * The file is hostile, and may be cut anywhere. Two ends are told apart: where the chain of CRCs
 * breaks, the journal ends, and what follows was never promised; where a record has the right CRC
 * and yet makes no sense, nothing is guessed: it is an error.
 *
 * Memory is a window of the file, made larger for a record that does not fit.
 */
#include "journal/private.h"

#include "util/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#define WINDOW (256u << 10)

/* A journal whose making was cut short may be nothing but zeros, and then is not long. */
#define ZEROS_MAX (1u << 20)

struct window {
	struct ck_vfile *f;
	uint64_t size; /* of the file when it was opened */
	uint8_t *p; /* bytes [at, at + n) of it */
	size_t room;
	uint64_t at;
	size_t n;
};

void ck_journal_put_head(uint8_t *p, uint64_t salt)
{
	memcpy(p, CK_JOURNAL_MAGIC, 8);
	ck_put_le32(p + HEAD_VERSION, CK_JOURNAL_VERSION);
	ck_put_le32(p + HEAD_FLAGS, 0);
	ck_put_le64(p + HEAD_SALT, salt);
}

uint32_t ck_journal_crc(uint64_t salt, uint32_t chain, const uint8_t *p)
{
	uint8_t before[12];

	ck_put_le64(before, salt);
	ck_put_le32(before + 8, chain);
	return ck_crc32c_extend(ck_crc32c(before, sizeof(before)), p, 8);
}

int ck_journal_take_head(const char *path, const uint8_t *p, uint64_t *salt, struct ck_err *err)
{
	uint32_t version, flags;

	if (memcmp(p, CK_JOURNAL_MAGIC, 8) != 0)
		return ck_fail(err, CK_FOREIGN, EBADMSG,
			       "%s: is no journal of ckptfuse: move it out of the way", path);
	version = ck_le32(p + HEAD_VERSION);
	flags = ck_le32(p + HEAD_FLAGS);
	if (version != CK_JOURNAL_VERSION || flags)
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: a journal of version %" PRIu32 ".%" PRIu32
			       ", where this program knows %d: use the one that wrote it",
			       path, version, flags, CK_JOURNAL_VERSION);
	*salt = ck_le64(p + HEAD_SALT);
	return 0;
}

/* Fills the window from byte off on with n bytes or more. */
static int fill(struct window *w, uint64_t off, size_t n)
{
	size_t keep = 0;

	if (off >= w->at && off - w->at < w->n) {
		keep = w->n - (size_t)(off - w->at);
		memmove(w->p, w->p + (off - w->at), keep);
	}
	w->at = off;
	w->n = keep;
	if (n > w->room) {
		size_t room = n > WINDOW ? n : WINDOW;
		uint8_t *p = realloc(w->p, room);

		if (!p)
			return -ENOMEM;
		w->p = p;
		w->room = room;
	}
	while (w->n < n) {
		ssize_t got = w->f->vfs->pread(w->f, w->p + w->n, w->room - w->n, off + w->n);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return (int)got;
		if (got == 0)
			return 1; /* cut short since */
		w->n += (size_t)got;
	}
	return 0;
}

/* n bytes at off: 0, 1 where the file ends before them, or a negative errno. */
static int look(struct window *w, uint64_t off, size_t n, const uint8_t **ret)
{
	int r;

	if (off > w->size || n > w->size - off)
		return 1;
	if (off < w->at || off - w->at > w->n || n > w->n - (size_t)(off - w->at)) {
		r = fill(w, off, n);
		if (r)
			return r;
	}
	*ret = w->p + (off - w->at);
	return 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

/* Whether the file is what creating a journal leaves if it is cut short: less than the head and
 * the BASE record, or (their size was durable before they were) zeros. */
static int interrupted(struct window *w)
{
	const uint8_t *p = NULL;
	int r;

	if (w->size < CK_JOURNAL_HEAD + CK_JOURNAL_RECORD)
		return 1;
	r = look(w, CK_JOURNAL_HEAD, CK_JOURNAL_RECORD, &p);
	if (r)
		return r;
	if (!all_zero(p, CK_JOURNAL_RECORD))
		return p[4] == CK_REC_BASE &&
		       w->size - CK_JOURNAL_HEAD - CK_JOURNAL_RECORD <= ck_le32(p);
	if (w->size > ZEROS_MAX)
		return 0;
	r = look(w, CK_JOURNAL_HEAD, w->size - CK_JOURNAL_HEAD, &p);
	return r ? r : all_zero(p, w->size - CK_JOURNAL_HEAD);
}

/* The payload of the record at s->end, if that is a valid one: 0, or 1, or a negative errno. */
static int next(struct window *w, const struct ck_journal_scan *s, uint8_t *type,
		struct ck_span *payload, uint32_t *crc)
{
	const uint8_t *p;
	uint32_t n;
	int r = look(w, s->end, CK_JOURNAL_RECORD, &p);

	if (r)
		return r;
	n = ck_le32(p);
	if (n > CK_JOURNAL_PAYLOAD_MAX || p[5] || p[6] || p[7])
		return 1;
	r = look(w, s->end, CK_JOURNAL_RECORD + (size_t)n, &p);
	if (r)
		return r;
	*crc = ck_crc32c_extend(ck_journal_crc(s->salt, s->chain, p), p + CK_JOURNAL_RECORD, n);
	if (*crc != ck_le32(p + 8))
		return 1;
	*type = p[4];
	*payload = ck_span(p + CK_JOURNAL_RECORD, n);
	return 0;
}

static int no_sense(const char *path, uint64_t at, const char *why, struct ck_err *err)
{
	return ck_fail(err, CK_CORRUPT, EBADMSG,
		       "%s: the record at byte %" PRIu64 " %s: the journal was damaged or made by "
		       "another program; nothing of it was applied, move it out of the way",
		       path, at, why);
}

/* Where a record may stand. */
static const char *out_of_place(const struct ck_journal_scan *s, uint8_t type)
{
	if (!s->has_base && type != CK_REC_BASE)
		return "is the first and does not say what the journal was begun on";
	if (s->has_base && type == CK_REC_BASE)
		return "begins another journal";
	return s->committed ? "follows the commit" : NULL;
}

static int take(const char *path, struct ck_journal_scan *s, uint8_t type, struct ck_span payload,
		uint32_t crc, ck_journal_fn *fn, void *arg, struct ck_err *err)
{
	const char *why = out_of_place(s, type);
	uint64_t at = s->end;
	struct ck_record rec;
	int r;

	if (!ck_rec_type_name(type))
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: the record at byte %" PRIu64 " is of kind %u, which this "
			       "program does not know: use the one that wrote it",
			       path, at, type);
	if (why)
		return no_sense(path, at, why, err);
	r = ck_record_decode(type, payload, &rec);
	if (r == -ENOMEM)
		ck_fail_nomem(err, path);
	else if (r < 0)
		r = no_sense(path, at, "makes no sense", err);
	if (r == 0) {
		if (type == CK_REC_WRITE)
			rec.data_at = at + CK_JOURNAL_RECORD + (uint64_t)(rec.data.p - payload.p);
		s->end = at + CK_JOURNAL_RECORD + payload.n;
		s->chain = crc;
		s->records++;
		s->has_base = true;
		s->committed = type == CK_REC_COMMIT;
		if (type == CK_REC_SYNC)
			s->synced = s->end;
		r = fn ? fn(arg, at, &rec, err) : 0;
		if (r > 0)
			r = 0;
	}
	ck_record_done(&rec);
	return r;
}

/* The first 24 bytes: 0, or 1 for a journal without a beginning. */
static int start(const char *path, struct window *w, struct ck_journal_scan *s, struct ck_err *err)
{
	const uint8_t *p = NULL;
	int r = look(w, 0, CK_JOURNAL_HEAD, &p);

	if (r == 0 && all_zero(p, CK_JOURNAL_HEAD)) {
		r = interrupted(w);
		if (r == 0)
			r = look(w, 0, CK_JOURNAL_HEAD, &p);
	}
	if (r < 0)
		return ck_journal_unread(path, "reading", r, err);
	if (r > 0)
		return 1;
	r = ck_journal_take_head(path, p, &s->salt, err);
	if (r == 0)
		s->end = CK_JOURNAL_HEAD;
	return r;
}

static int scan(const char *path, struct window *w, ck_journal_fn *fn, void *arg,
		struct ck_journal_scan *s, struct ck_err *err)
{
	int r = start(path, w, s, err);

	while (r == 0) {
		struct ck_span payload;
		uint32_t crc;
		uint8_t type;

		r = next(w, s, &type, &payload, &crc);
		if (r < 0)
			return ck_journal_unread(path, "reading", r, err);
		if (r == 0)
			r = take(path, s, type, payload, crc, fn, arg, err);
	}
	if (r < 0)
		return r;
	if (!s->has_base && s->end) {
		r = interrupted(w);
		if (r < 0)
			return ck_journal_unread(path, "reading", r, err);
		if (r == 0)
			return no_sense(path, s->end, "should be the first, and is damaged", err);
		s->end = 0;
	}
	return 0;
}

static int scan_file(const struct ck_vfs *vfs, const char *path, uint64_t end, ck_journal_fn *fn,
		     void *arg, struct ck_journal_scan *ret, struct ck_err *err)
{
	struct ck_journal_scan s = { 0 };
	struct window w = { 0 };
	struct ck_vstat st;
	int r = vfs->stat(vfs, path, &st);

	if (r == 0 && !S_ISREG(st.mode)) /* and opening it might wait for ever */
		return ck_fail(err, CK_FOREIGN, EINVAL,
			       "%s: is not a regular file, and so no journal: move it out of the "
			       "way", path);
	if (r == 0)
		r = ck_vfs_open(vfs, path, O_RDONLY, 0, &w.f);
	if (r == -ENOENT || r == -ENOTDIR)
		return ck_fail(err, CK_MISSING, ENOENT, "%s: there is no such journal", path);
	if (r == 0)
		r = w.f->vfs->fstat(w.f, &st);
	if (r < 0) {
		ck_journal_unread(path, "opening", r, err);
	} else {
		s.size = st.size;
		w.size = st.size < end ? st.size : end;
		r = scan(path, &w, fn, arg, &s, err);
	}
	ck_vfs_close(w.f);
	free(w.p);
	if (r == 0)
		*ret = s;
	return r;
}

int ck_journal_scan(const struct ck_vfs *vfs, const char *path, ck_journal_fn *fn, void *arg,
		    struct ck_journal_scan *ret, struct ck_err *err)
{
	return scan_file(vfs, path, UINT64_MAX, fn, arg, ret, err);
}

int ck_journal_scan_until(const struct ck_vfs *vfs, const char *path, uint64_t end,
			  struct ck_journal_scan *ret, struct ck_err *err)
{
	return scan_file(vfs, path, end, NULL, NULL, ret, err);
}

/*
 * journal.c - a journal that is open for appending: see journal.h, whose three invariants are kept
 * here, and doc/format-journal.md.
 *
 * Nothing is buffered: a record is in the file when its append returns, in one write, or two where
 * its data is worth more than a copy. So an error meets the call that caused it, and no other.
 *
 * What the file is, is what is in memory: [0, end) are valid records. Behind it may lie what a
 * failed append has left (tail), which is cut off before anything else is done. A sync that failed
 * makes the journal suspect (repair.c). That is also noted in the file, for the next process would
 * read pages that this one could not get to the disk, and not know.
 */
#include "journal/private.h"

#include "util/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define COPIED_MAX 16384 /* data up to this size goes out in one piece with its record */
#define BUF_KEPT (1u << 20)
#define RUN (UINT64_C(8) << 20) /* bytes: as far as what is not on its way to the disk grows */

static int failed(enum ck_class cls, const char *path, const char *doing, int r, struct ck_err *err)
{
	const char *advice = r == -ENOSPC ? ": free some space there and try again" :
			     r == -EDQUOT ? ": the quota is used up, free some space" :
			     r == -EIO ? ": check the disk" :
			     r == -EROFS ? ": it has to lie where one can write" :
			     r == -EACCES ? ": ask its owner for permission" :
			     r == -EMFILE ? ": raise the limit on open files (ulimit -n)" : "";

	return ck_fail(err, cls, -r, "%s: %s failed: %s%s", path, doing, strerror(-r), advice);
}

int ck_journal_fail(const char *path, const char *doing, int r, struct ck_err *err)
{
	return failed(CK_PUBLISH, path, doing, r, err);
}

int ck_journal_unread(const char *path, const char *doing, int r, struct ck_err *err)
{
	return failed(CK_MISSING, path, doing, r, err);
}

/* Any number that another journal in the same place is not likely to have. */
static uint64_t new_salt(void)
{
	struct timespec now = { 0 };
	uint64_t salt;

	if (getrandom(&salt, sizeof(salt), GRND_NONBLOCK) == (ssize_t)sizeof(salt))
		return salt;
	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct ck_journal *journal_new(const struct ck_vfs *vfs, const char *path)
{
	struct ck_journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->path = strdup(path);
	if (!j->path || pthread_rwlock_init(&j->lock, NULL) != 0) {
		free(j->path);
		free(j);
		return NULL;
	}
	j->vfs = vfs;
	j->unnamed = true;
	return j;
}

static void journal_free(struct ck_journal *j)
{
	ck_vfs_close(j->f);
	pthread_rwlock_destroy(&j->lock);
	ck_buf_done(&j->buf);
	free(j->path);
	free(j);
}

static void set_end(struct ck_journal *j, uint64_t end, uint32_t chain)
{
	__atomic_store_n(&j->end, end, __ATOMIC_RELEASE);
	j->chain = chain;
}

/* Cuts off what a failed append has left. */
static int cut_tail(struct ck_journal *j)
{
	int r;

	if (!j->tail)
		return 0;
	r = ck_vfs_truncate(j->f, j->end);
	if (r == 0)
		j->tail = false;
	return r;
}

/* j->buf becomes the record up to the data that is written from where it is, which is *rest; a
 * BASE record has the journal's head before it. */
static int put_record(struct ck_journal *j, const struct ck_record *r, struct ck_span *rest,
		      uint64_t *data_at, uint32_t *crc, struct ck_err *err)
{
	const size_t head = r->type == CK_REC_BASE ? CK_JOURNAL_HEAD : 0;
	uint8_t room[CK_JOURNAL_HEAD + CK_JOURNAL_RECORD] = { 0 };
	struct ck_buf *b = &j->buf;
	uint64_t payload;
	uint8_t *p;

	*rest = r->type == CK_REC_WRITE ? r->data : ck_span(NULL, 0);
	ck_buf_clear(b);
	ck_journal_put_head(room, j->salt);
	ck_buf_add(b, room, head + CK_JOURNAL_RECORD);
	ck_record_encode_head(r, b);
	*data_at = j->end + b->n;
	payload = b->n - head - CK_JOURNAL_RECORD + (uint64_t)rest->n;
	if (rest->n <= COPIED_MAX) {
		ck_buf_add(b, rest->p, rest->n);
		rest->n = 0;
	}
	if (ck_buf_failed(b))
		return ck_fail_nomem(err, j->path);
	if (payload > CK_JOURNAL_PAYLOAD_MAX)
		return ck_fail(err, CK_PUBLISH, EFBIG,
			       "%s: a record of %" PRIu64 " bytes is larger than a journal's may "
			       "be (%u): publish in smaller steps", j->path, payload,
			       CK_JOURNAL_PAYLOAD_MAX);
	p = (uint8_t *)b->p + head;
	ck_put_le32(p, (uint32_t)payload);
	ck_put_le32(p + 4, r->type);
	*crc = ck_journal_crc(j->salt, j->chain, p);
	*crc = ck_crc32c_extend(*crc, p + CK_JOURNAL_RECORD, b->n - head - CK_JOURNAL_RECORD);
	*crc = ck_crc32c_extend(*crc, rest->p, rest->n);
	ck_put_le32(p + 8, *crc);
	return 0;
}

/* So that the sync that comes has little left to do. */
static void start_sync(struct ck_journal *j)
{
	if (j->sent > j->end) /* some was cut off */
		j->sent = j->end;
	if (j->end - j->sent < RUN)
		return;
	ck_vfs_start_sync(j->f, j->sent, j->end - j->sent);
	j->sent = j->end;
}

static int append(struct ck_journal *j, const struct ck_record *rec, uint64_t *data_at,
		  struct ck_err *err)
{
	struct ck_span rest;
	uint64_t where = 0;
	uint32_t crc = 0;
	int r;

	if (!ck_record_check(rec)) {
		const char *name = ck_rec_type_name(rec->type);

		return ck_fail(err, CK_PUBLISH, EINVAL,
			       "%s: a %s record with a path, name or range that cannot be", j->path,
			       name ? name : "strange");
	}
	r = put_record(j, rec, &rest, &where, &crc, err);
	if (r < 0)
		return r;
	r = cut_tail(j);
	if (r < 0)
		return ck_journal_fail(j->path, "cutting off a record that failed", r, err);
	j->dirty = true;
	r = ck_vfs_write(j->f, j->end, j->buf.p, j->buf.n);
	if (r == 0 && rest.n)
		r = ck_vfs_write(j->f, j->end + j->buf.n, rest.p, rest.n);
	if (r < 0) {
		j->tail = true;
		ck_journal_fail(j->path, "writing", r, err);
		cut_tail(j); /* or before the next append, or by the next sync */
		return r;
	}
	j->last_at = j->end;
	j->last_chain = j->chain;
	j->committed = rec->type == CK_REC_COMMIT;
	set_end(j, j->end + j->buf.n + rest.n, crc);
	start_sync(j);
	if (j->buf.room > BUF_KEPT)
		ck_buf_done(&j->buf);
	if (data_at)
		*data_at = where;
	return 0;
}

int ck_journal_create(const struct ck_vfs *vfs, const char *path, mode_t mode,
		      const struct ck_record *base, struct ck_journal **ret, struct ck_err *err)
{
	struct ck_journal *j;
	int r;

	if (base->type != CK_REC_BASE)
		return ck_fail(err, CK_PUBLISH, EINVAL, "%s: a journal begins with BASE", path);
	j = journal_new(vfs, path);
	if (!j)
		return ck_fail_nomem(err, path);
	r = ck_vfs_open(vfs, path, O_RDWR | O_CREAT | O_EXCL, mode, &j->f);
	if (r < 0) {
		if (r == -EEXIST)
			ck_fail(err, CK_BUSY, EEXIST,
				"%s: is there already: somebody else edits the checkpoint", path);
		else
			ck_journal_fail(path, "making", r, err);
		journal_free(j);
		return r;
	}
	/* The head goes out in one write with BASE: interrupted() in scan.c relies on it. */
	j->salt = new_salt();
	r = append(j, base, NULL, err);
	if (r == 0)
		r = ck_journal_sync(j, err);
	if (r < 0) {
		vfs->unlink(vfs, path);
		journal_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

/* Whether the file is the one that was scanned. */
static int recognise(struct ck_journal *j, const struct ck_journal_scan *scan, uint64_t *size,
		     struct ck_err *err)
{
	uint8_t head[CK_JOURNAL_HEAD];
	struct ck_vstat st;
	int r = j->f->vfs->fstat(j->f, &st);

	if (r == 0)
		r = ck_vfs_read(j->f, 0, head, sizeof(head));
	if (r < 0)
		return ck_journal_fail(j->path, "reading", r, err);
	r = ck_journal_take_head(j->path, head, &j->salt, err);
	if (r < 0)
		return r;
	if (j->salt != scan->salt || st.size < scan->end)
		return ck_fail(err, CK_BUSY, ESTALE,
			       "%s: was changed while it was looked at: end what else writes to "
			       "it, and try again", j->path);
	*size = st.size;
	j->suspect = j->f->vfs->getxattr(j->f, SUSPECT_XATTR, NULL, 0) >= 0;
	return 0;
}

int ck_journal_resume(const struct ck_vfs *vfs, const char *path,
		      const struct ck_journal_scan *scan, struct ck_journal **ret,
		      struct ck_err *err)
{
	struct ck_journal *j;
	uint64_t size = 0;
	int r;

	if (!scan->has_base)
		return ck_fail(err, CK_PUBLISH, EINVAL,
			       "%s: a journal without a beginning cannot be gone on with", path);
	j = journal_new(vfs, path);
	if (!j)
		return ck_fail_nomem(err, path);
	r = ck_vfs_open(vfs, path, O_RDWR, 0, &j->f);
	if (r < 0)
		ck_journal_fail(path, "opening", r, err);
	else
		r = recognise(j, scan, &size, err);
	if (r == 0) {
		ck_journal_remove_leftover(vfs, path);
		set_end(j, scan->end, scan->chain);
		j->committed = scan->committed;
		j->dirty = true; /* whoever wrote it may not have synced it */
		j->tail = size > scan->end;
		if (j->tail)
			r = ck_journal_sync(j, err);
	}
	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

int ck_journal_append(struct ck_journal *j, const struct ck_record *r, uint64_t *data_at,
		      struct ck_err *err)
{
	if (r->type == CK_REC_BASE || j->committed)
		return ck_fail(err, CK_PUBLISH, EINVAL, "%s: no %s record can follow here", j->path,
			       ck_rec_type_name(r->type) ? ck_rec_type_name(r->type) : "strange");
	return append(j, r, data_at, err);
}

/* From now on a sync has to write everything anew. Best effort in the file: the mark is for who
 * resumes it while the kernel still has the pages, and then it has this one too. It is no byte of
 * the file: those that are durable are not written again. */
static void set_suspect(struct ck_journal *j)
{
	j->suspect = true;
	j->f->vfs->setxattr(j->f, SUSPECT_XATTR, "1", 1);
}

int ck_journal_sync(struct ck_journal *j, struct ck_err *err)
{
	int r;

	if (!j->suspect && !j->dirty && !j->tail && !j->unnamed)
		return 0;
	if (j->suspect || cut_tail(j) < 0) {
		r = ck_journal_repair(j, err);
		if (r < 0)
			set_suspect(j);
		return r;
	}
	r = ck_vfs_sync(j->f);
	if (r == 0 && j->unnamed)
		r = j->vfs->sync_dir(j->vfs, j->path);
	if (r < 0) {
		set_suspect(j);
		return ck_journal_fail(j->path, "syncing", r, err);
	}
	j->dirty = j->unnamed = false;
	j->durable = j->end;
	return 0;
}

int ck_journal_read(struct ck_journal *j, uint64_t off, void *p, size_t n, struct ck_err *err)
{
	uint64_t end = __atomic_load_n(&j->end, __ATOMIC_ACQUIRE);
	int r;

	if (off > end || n > end - off)
		return ck_fail(err, CK_CORRUPT, EIO,
			       "%s: ends at byte %" PRIu64 ", where %zu bytes at %" PRIu64
			       " were expected: the journal was damaged",
			       j->path, end, n, off);
	pthread_rwlock_rdlock(&j->lock);
	r = ck_vfs_read(j->f, off, p, n);
	pthread_rwlock_unlock(&j->lock);
	return r < 0 ? ck_journal_fail(j->path, "reading", r, err) : 0;
}

uint64_t ck_journal_size(const struct ck_journal *j)
{
	return __atomic_load_n(&j->end, __ATOMIC_ACQUIRE);
}

uint64_t ck_journal_durable(const struct ck_journal *j)
{
	return j->durable;
}

const char *ck_journal_path(const struct ck_journal *j)
{
	return j->path;
}

uint32_t ck_journal_chain(const struct ck_journal *j)
{
	return j->chain;
}

int ck_journal_unappend(struct ck_journal *j, uint64_t at, uint32_t chain, struct ck_err *err)
{
	bool again = j->end == at && j->chain == chain;

	if (!again &&
	    (!j->last_at || j->last_at != at || j->last_chain != chain || at < j->durable))
		return ck_fail(err, CK_PUBLISH, EINVAL,
			       "%s: the record at byte %" PRIu64 " cannot be taken back", j->path,
			       at);
	if (!again) {
		set_end(j, at, chain);
		j->last_at = 0;
		j->committed = false;
		j->tail = j->dirty = true;
		cut_tail(j); /* if it fails, or does not suffice, the sync copies the rest */
	}
	return ck_journal_sync(j, err);
}

int ck_journal_move(struct ck_journal *j, const char *to, struct ck_err *err)
{
	char *path = strdup(to);
	int r;

	if (!path)
		return ck_fail_nomem(err, j->path);
	r = j->vfs->rename(j->vfs, j->path, to);
	if (r < 0) {
		free(path);
		return ck_journal_fail(j->path, "renaming", r, err);
	}
	free(j->path);
	j->path = path;
	j->unnamed = true;
	r = j->vfs->sync_dir(j->vfs, to);
	if (r < 0)
		return ck_journal_fail(to, "syncing its folder", r, err);
	j->unnamed = false;
	return 0;
}

int ck_journal_close(struct ck_journal *j, bool remove, struct ck_err *err)
{
	int r = 0;

	if (!j)
		return 0;
	if (remove) {
		r = j->vfs->unlink(j->vfs, j->path);
		if (r == 0)
			r = j->vfs->sync_dir(j->vfs, j->path);
		if (r < 0)
			ck_journal_fail(j->path, "removing", r, err);
	}
	journal_free(j);
	return r;
}

/*
 * repair.c - a suspect journal is copied, since no later sync can make it good.
 *
 * The kernel marks pages clean that it failed to write: what is read back is right, and yet not on
 * the disk, and no sync will ever write it again. So all valid bytes are written anew, to PATH.new,
 * which becomes PATH once it is durable. The chain of CRCs is checked on the way, for the pages may
 * just as well have been dropped and read again from the disk.
 *
 * Offsets stay; who reads from the old file while it is exchanged has read the same bytes.
 */
#include "journal/private.h"

#include "util/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PIECE (1u << 20)

/* A journal's records as they pass by in pieces. */
struct checker {
	uint64_t salt;
	uint32_t chain; /* of the last whole record */
	uint32_t crc; /* of the one that is passing */
	uint8_t head[CK_JOURNAL_RECORD];
	size_t have; /* bytes of head */
	size_t left; /* of the payload */
};

static size_t min_size(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

static bool check(struct checker *c, const uint8_t *p, size_t n)
{
	while (n) {
		bool in_head = c->have < sizeof(c->head);
		size_t k = min_size(in_head ? sizeof(c->head) - c->have : c->left, n);

		if (in_head) {
			memcpy(c->head + c->have, p, k);
			c->have += k;
			if (c->have == sizeof(c->head)) {
				c->left = ck_le32(c->head);
				c->crc = ck_journal_crc(c->salt, c->chain, c->head);
			}
		} else {
			c->crc = ck_crc32c_extend(c->crc, p, k);
			c->left -= k;
		}
		p += k;
		n -= k;
		if (c->have == sizeof(c->head) && !c->left) {
			if (c->crc != ck_le32(c->head + 8))
				return false;
			c->chain = c->crc;
			c->have = 0;
		}
	}
	return true;
}

static int lost(const struct ck_journal *j, struct ck_err *err)
{
	return ck_fail(err, CK_PUBLISH, EIO,
		       "%s: was not written to the disk and cannot be read back: check the disk; "
		       "what was synced before that is still there",
		       j->path);
}

static int copy(struct ck_journal *j, struct ck_vfile *to, struct ck_err *err)
{
	struct checker c = { .salt = j->salt };
	uint8_t *p = malloc(PIECE);
	uint64_t off = CK_JOURNAL_HEAD;
	int r;

	if (!p)
		return ck_fail_nomem(err, j->path);
	ck_journal_put_head(p, j->salt);
	r = ck_vfs_write(to, 0, p, CK_JOURNAL_HEAD);
	while (r == 0 && off < j->end) {
		size_t n = min_size(j->end - off, PIECE);

		r = ck_vfs_read(j->f, off, p, n);
		if (r == 0 && !check(&c, p, n)) {
			r = lost(j, err);
			break;
		}
		if (r == 0)
			r = ck_vfs_write(to, off, p, n);
		off += n;
	}
	free(p);
	if (r < 0)
		return ck_journal_fail(j->path, "copying", r, err);
	if (c.have || c.chain != j->chain)
		return lost(j, err);
	return 0;
}

static char *new_path(const char *path)
{
	struct ck_buf b = CK_BUF_INIT;

	ck_buf_printf(&b, "%s.new", path);
	if (!ck_buf_failed(&b))
		return b.p;
	ck_buf_done(&b);
	return NULL;
}

/* Whether a file is a copy that was never finished: the beginning of a journal, or of a pointer
 * (which are written in the same way), or zeros. */
static bool is_leftover(const struct ck_vfs *vfs, const char *path)
{
	static const uint8_t zeros[4];
	struct ck_vfile *f = NULL;
	struct ck_vstat st;
	uint8_t p[4] = { 0 };
	bool is = false;

	if (vfs->lstat(vfs, path, &st) < 0 || !S_ISREG(st.mode) ||
	    ck_vfs_open(vfs, path, O_RDONLY | O_NOFOLLOW, 0, &f) < 0)
		return false;
	if (ck_vfs_read(f, 0, p, min_size(st.size, sizeof(p))) == 0)
		is = st.size < sizeof(p) || memcmp(p, CK_JOURNAL_MAGIC, sizeof(p)) == 0 ||
		     memcmp(p, zeros, sizeof(p)) == 0;
	ck_vfs_close(f);
	return is;
}

static void remove_leftover(const struct ck_vfs *vfs, const char *path)
{
	if (is_leftover(vfs, path))
		vfs->unlink(vfs, path);
}

void ck_journal_remove_leftover(const struct ck_vfs *vfs, const char *path)
{
	char *beside = new_path(path);

	if (beside)
		remove_leftover(vfs, beside);
	free(beside);
}

static int open_new(struct ck_journal *j, const char *path, struct ck_vfile **ret,
		    struct ck_err *err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL;
	struct ck_vstat st;
	int r = j->f->vfs->fstat(j->f, &st);

	if (r < 0)
		return ck_journal_fail(j->path, "examining", r, err);
	r = ck_vfs_open(j->vfs, path, flags, st.mode & 07777, ret);
	if (r == -EEXIST) {
		remove_leftover(j->vfs, path);
		r = ck_vfs_open(j->vfs, path, flags, st.mode & 07777, ret);
	}
	if (r == -EEXIST)
		return ck_fail(err, CK_PUBLISH, EEXIST,
			       "%s: is in the way of the journal's new copy: move it elsewhere",
			       path);
	return r < 0 ? ck_journal_fail(path, "making", r, err) : 0;
}

int ck_journal_repair(struct ck_journal *j, struct ck_err *err)
{
	char *path = new_path(j->path);
	struct ck_vfile *f = NULL, *old;
	int r;

	if (!path)
		return ck_fail_nomem(err, j->path);
	r = open_new(j, path, &f, err);
	if (r < 0)
		goto out;
	r = copy(j, f, err);
	if (r == 0) {
		r = ck_vfs_sync(f);
		if (r == 0)
			r = j->vfs->rename(j->vfs, path, j->path);
		if (r < 0)
			ck_journal_fail(j->path, "writing it anew", r, err);
	}
	if (r < 0) {
		ck_vfs_close(f);
		j->vfs->unlink(j->vfs, path);
		goto out;
	}
	pthread_rwlock_wrlock(&j->lock);
	old = j->f;
	j->f = f;
	pthread_rwlock_unlock(&j->lock);
	ck_vfs_close(old);
	j->tail = false;
	/* Should this fail, the name may still be the old file's after a power cut: it stays
	 * suspect, and is copied and renamed once more. */
	r = j->vfs->sync_dir(j->vfs, j->path);
	if (r < 0) {
		ck_journal_fail(j->path, "making its name durable", r, err);
	} else {
		j->suspect = j->dirty = j->unnamed = false;
		j->durable = j->end;
	}
out:
	free(path);
	return r;
}

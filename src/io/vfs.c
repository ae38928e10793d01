/*
 * vfs.c - see vfs.h: what every table of calls needs around it.
 *
 * The calls of a table may be short and may be interrupted, as the system's may; here they are
 * repeated until they have done what was asked, or have failed for good.
 */
#include "io/vfs.h"

#include <errno.h>
#include <stdlib.h>

#define COPY_BUFFER ((size_t)1 << 20)
#define COPY_ONCE ((uint64_t)1 << 30) /* bytes asked of one call; the system takes 2 GiB at most */

int ck_vfs_open(const struct ck_vfs *v, const char *path, int flags, mode_t mode,
		struct ck_vfile **ret)
{
	int r;

	do
		r = v->open(v, path, flags, mode, ret);
	while (r == -EINTR);
	return r;
}

struct ck_vfile *ck_vfs_close(struct ck_vfile *f)
{
	if (f)
		f->vfs->close(f);
	return NULL;
}

int ck_vfs_read(struct ck_vfile *f, uint64_t off, void *p, size_t n)
{
	uint8_t *to = p;

	while (n) {
		ssize_t got = f->vfs->pread(f, to, n, off);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return (int)got;
		if (got == 0)
			return -EIO;
		to += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int ck_vfs_write(struct ck_vfile *f, uint64_t off, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n) {
		ssize_t put = f->vfs->pwrite(f, from, n, off);

		if (put == -EINTR)
			continue;
		if (put < 0)
			return (int)put;
		if (put == 0) /* would go on for ever */
			return -EIO;
		from += put;
		off += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

void ck_vfs_start_sync(struct ck_vfile *f, uint64_t off, uint64_t n)
{
	if (f->vfs->start_sync && n)
		f->vfs->start_sync(f, off, n);
}

int ck_vfs_sync(struct ck_vfile *f)
{
	int r;

	do
		r = f->vfs->sync(f);
	while (r == -EINTR);
	return r;
}

int ck_vfs_truncate(struct ck_vfile *f, uint64_t size)
{
	int r;

	do
		r = f->vfs->truncate(f, size);
	while (r == -EINTR);
	return r;
}

static int copy_by_hand(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src,
			uint64_t src_off, uint64_t n)
{
	size_t room = n < COPY_BUFFER ? (size_t)n : COPY_BUFFER;
	uint8_t *p = malloc(room);
	int r = p ? 0 : -ENOMEM;

	while (r == 0 && n) {
		size_t piece = n < room ? (size_t)n : room;

		r = ck_vfs_read(src, src_off, p, piece);
		if (r == 0)
			r = ck_vfs_write(dst, dst_off, p, piece);
		src_off += piece;
		dst_off += piece;
		n -= piece;
	}
	free(p);
	return r;
}

int ck_vfs_copy(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src, uint64_t src_off,
		uint64_t n)
{
	/* Two tables know nothing of each other's files. */
	while (n && dst->vfs == src->vfs) {
		size_t want = (size_t)(n < COPY_ONCE ? n : COPY_ONCE);
		ssize_t got = dst->vfs->copy(dst, dst_off, src, src_off, want);

		if (got == -EINTR)
			continue;
		/* At the end too: some file systems say so where they cannot copy, and where it is
		 * the truth reading says it better. */
		if (got == -EOPNOTSUPP || got == -EXDEV || got == -EINVAL || got == 0)
			break;
		if (got < 0)
			return (int)got;
		dst_off += (uint64_t)got;
		src_off += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return n ? copy_by_hand(dst, dst_off, src, src_off, n) : 0;
}

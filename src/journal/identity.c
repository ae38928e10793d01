/* identity.c - see identity.h. */
#include "journal/identity.h"

#include "journal/private.h"
#include "util/crc32c.h"
#include "util/fnv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define PIECE (256u << 10)

static int hash_file(struct ck_vfile *f, struct ck_rec_index *x)
{
	struct ck_rec_index got = { .fnv = CK_FNV64_INIT };
	uint8_t *p = malloc(PIECE);
	ssize_t n;

	if (!p)
		return -ENOMEM;
	do {
		n = f->vfs->pread(f, p, PIECE, got.size);
		if (n > 0) {
			got.crc32c = ck_crc32c_extend(got.crc32c, p, (size_t)n);
			got.fnv = ck_fnv64_extend(got.fnv, p, (size_t)n);
			got.size += (uint64_t)n;
		}
	} while (n > 0 || n == -EINTR);
	free(p);
	if (n < 0)
		return (int)n;
	*x = got;
	return 0;
}

int ck_rec_index_of(const struct ck_vfs *vfs, const char *path, struct ck_rec_index *ret,
		    struct ck_err *err)
{
	struct ck_vfile *f = NULL;
	int r = ck_vfs_open(vfs, path, O_RDONLY, 0, &f);

	if (r == -ENOENT) {
		*ret = (struct ck_rec_index){ .absent = true };
		return 0;
	}
	if (r == 0)
		r = hash_file(f, ret);
	ck_vfs_close(f);
	return r < 0 ? ck_journal_unread(path, "reading", r, err) : 0;
}

bool ck_rec_index_same(const struct ck_rec_index *a, const struct ck_rec_index *b)
{
	if (a->absent || b->absent)
		return a->absent && b->absent;
	return a->size == b->size && a->crc32c == b->crc32c && a->fnv == b->fnv;
}

static int64_t in_ns(const struct timespec *t)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)t->tv_sec, INT64_C(1000000000), &ns) ||
	    __builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns))
		return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

void ck_rec_shard_of(const struct ck_vstat *st, uint32_t id, bool touched,
		     struct ck_rec_shard *ret)
{
	*ret = (struct ck_rec_shard){
		.id = id,
		.ino = st->ino,
		.size = st->size,
		.mtime_ns = in_ns(&st->mtime),
		.btime_ns = in_ns(&st->btime),
		.touched = touched,
	};
}

const char *ck_rec_shard_differs(const struct ck_rec_shard *was, const struct ck_vstat *st)
{
	struct ck_rec_shard is;

	ck_rec_shard_of(st, was->id, was->touched, &is);
	if (is.ino != was->ino || (is.btime_ns && was->btime_ns && is.btime_ns != was->btime_ns))
		return "was replaced by another file";
	if (is.size < was->size)
		return "was cut short";
	if (was->touched)
		return NULL;
	if (is.size != was->size)
		return "was made longer";
	/* A sync makes bytes durable, not this time: after a power cut it may be an older one. */
	return is.mtime_ns > was->mtime_ns ? "was written to" : NULL;
}

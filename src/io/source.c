/* source.c - see source.h. */
#include "io/source.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

struct ck_source {
	int refs; /* atomic */
	struct ck_vfile *file; /* NULL for memory and for what is patched */
	int fd; /* the file's, or -1 where it has none */
	uint64_t size;
	char *path;
	struct stat st;
	pthread_mutex_t lock; /* for the making of the mapping */
	const uint8_t *map; /* the whole file, or the memory; NULL until asked for; atomic */
	bool unmappable; /* it was tried and failed */

	/* What is patched: base, but for the ranges that lie in from. */
	struct ck_source *base, *from;
	struct ck_source_patch *patches; /* none of them empty */
	size_t npatches;
};

static struct ck_source *source_new(const char *path, struct ck_err *err)
{
	struct ck_source *s = calloc(1, sizeof(*s));

	if (s)
		s->path = strdup(path);
	if (!s || !s->path) {
		free(s);
		ck_fail_nomem(err, path);
		return NULL;
	}
	s->refs = 1;
	s->fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

int ck_source_open_vfs(const struct ck_vfs *vfs, const char *path, struct ck_source **ret,
		       struct ck_err *err)
{
	struct ck_source *s = source_new(path, err);
	struct ck_vstat st;
	int r;

	if (!s)
		return -ENOMEM;
	r = ck_vfs_open(vfs, path, O_RDONLY, 0, &s->file);
	if (r < 0) {
		r = ck_fail(err, CK_MISSING, -r, "%s: cannot be opened: %s%s", path, strerror(-r),
			    r == -EACCES ? ": ask its owner for read permission" :
			    r == -EMFILE ? ": raise the limit on open files (ulimit -n)" : "");
		goto fail;
	}
	r = vfs->fstat(s->file, &st);
	if (r < 0) {
		r = ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", path, strerror(-r));
		goto fail;
	}
	if (!S_ISREG(st.mode)) {
		r = ck_fail(err, CK_FOREIGN, S_ISDIR(st.mode) ? EISDIR : EINVAL,
			    "%s: is %s where a regular file was expected", path,
			    S_ISDIR(st.mode) ? "a folder" : "a device, pipe or socket");
		goto fail;
	}
	s->fd = vfs->fd(s->file);
	s->size = st.size;
	s->st = (struct stat){
		.st_dev = st.dev,
		.st_ino = st.ino,
		.st_size = (off_t)st.size,
		.st_nlink = st.nlink,
		.st_mode = st.mode,
		.st_uid = st.uid,
		.st_gid = st.gid,
		.st_mtim = st.mtime,
		.st_ctim = st.ctime,
	};
	*ret = s;
	return 0;
fail:
	ck_source_unref(s);
	return r;
}

int ck_source_open(const char *path, struct ck_source **ret, struct ck_err *err)
{
	return ck_source_open_vfs(&ck_vfs_posix, path, ret, err);
}

int ck_source_mem(const void *p, size_t n, const char *label, struct ck_source **ret,
		  struct ck_err *err)
{
	struct ck_source *s = source_new(label, err);

	if (!s)
		return -ENOMEM;
	s->map = p;
	s->size = n;
	*ret = s;
	return 0;
}

int ck_source_patched(struct ck_source *base, struct ck_source *from,
		      const struct ck_source_patch *patches, size_t n, struct ck_source **ret,
		      struct ck_err *err)
{
	struct ck_source *s;
	uint64_t end = 0; /* of the patch before */

	for (size_t i = 0; i < n; i++) {
		const struct ck_source_patch *p = &patches[i];

		/* The sums cannot overflow once the ends are known to lie inside. */
		if (p->off < end || p->off > base->size || p->len > base->size - p->off)
			return ck_fail(err, CK_CORRUPT, EINVAL,
				       "%s: a change of %llu bytes at byte %llu does not fit it",
				       base->path, (unsigned long long)p->len,
				       (unsigned long long)p->off);
		if (p->at > from->size || p->len > from->size - p->at)
			return ck_fail(err, CK_CORRUPT, EINVAL,
				       "%s: ends before byte %llu + %llu, where bytes of %s should lie",
				       from->path, (unsigned long long)p->at,
				       (unsigned long long)p->len, base->path);
		end = p->off + p->len;
	}
	s = source_new(base->path, err);
	if (!s)
		return -ENOMEM;
	s->patches = n ? calloc(n, sizeof(*patches)) : NULL;
	if (n && !s->patches) {
		ck_source_unref(s);
		return ck_fail_nomem(err, base->path);
	}
	for (size_t i = 0; i < n; i++)
		if (patches[i].len)
			s->patches[s->npatches++] = patches[i];
	s->base = ck_source_ref(base);
	s->from = ck_source_ref(from);
	s->size = base->size;
	s->st = base->st;
	s->unmappable = true;
	*ret = s;
	return 0;
}

struct ck_source *ck_source_ref(struct ck_source *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

struct ck_source *ck_source_unref(struct ck_source *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return NULL;
	if (s->file && s->map)
		munmap((void *)(uintptr_t)s->map, s->size);
	ck_vfs_close(s->file);
	ck_source_unref(s->base);
	ck_source_unref(s->from);
	free(s->patches);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
	return NULL;
}

uint64_t ck_source_size(const struct ck_source *s)
{
	return s->size;
}

const char *ck_source_path(const struct ck_source *s)
{
	return s->path;
}

const struct stat *ck_source_stat(const struct ck_source *s)
{
	return &s->st;
}

static int cut_short(struct ck_source *s, uint64_t off, uint64_t n, struct ck_err *err)
{
	return ck_fail(err, CK_CORRUPT, EIO,
		       "%s: ends before byte %llu, where %llu bytes at %llu were expected: "
		       "the file was cut short; copy or download it again",
		       s->path, (unsigned long long)(off + n), (unsigned long long)n,
		       (unsigned long long)off);
}

/* The first patch that ends behind off; npatches where none does. */
static size_t find_patch(const struct ck_source *s, uint64_t off)
{
	size_t lo = 0, hi = s->npatches;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->patches[mid].off + s->patches[mid].len > off)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Fills the first n bytes of the pieces and steps over them; there are as many. */
static int read_front(struct ck_source *s, uint64_t off, uint64_t n, struct iovec **iov,
		      int *iovcnt, struct ck_err *err)
{
	struct iovec last = { 0 };
	uint64_t have = 0;
	int k = 0, r;

	while (have < n)
		have += (*iov)[k++].iov_len;
	if (have > n) { /* the last piece goes on behind the border */
		struct iovec *cut = &(*iov)[k - 1];
		size_t taken = cut->iov_len - (size_t)(have - n);

		last = (struct iovec){
			.iov_base = (uint8_t *)cut->iov_base + taken,
			.iov_len = cut->iov_len - taken,
		};
		cut->iov_len = taken;
	}
	r = ck_source_readv(s, off, *iov, k, err);
	if (last.iov_len)
		(*iov)[--k] = last;
	*iov += k;
	*iovcnt -= k;
	return r;
}

static int readv_patched(struct ck_source *s, uint64_t off, uint64_t left, struct iovec *iov,
			 int iovcnt, struct ck_err *err)
{
	size_t i = find_patch(s, off);
	int r = 0;

	while (r == 0 && left) {
		const struct ck_source_patch *p = i < s->npatches ? &s->patches[i] : NULL;
		bool in = p && p->off <= off;
		uint64_t n = in ? p->off + p->len - off : p ? p->off - off : left;

		if (n > left)
			n = left;
		if (in)
			r = read_front(s->from, p->at + (off - p->off), n, &iov, &iovcnt, err);
		else
			r = read_front(s->base, off, n, &iov, &iovcnt, err);
		off += n;
		left -= n;
		i += in;
	}
	return r;
}

/* One call; what the table has no call for goes piece by piece. */
static ssize_t read_some(struct ck_source *s, uint64_t off, const struct iovec *iov, int iovcnt)
{
	ssize_t got;

	if (s->fd < 0)
		return s->file->vfs->pread(s->file, iov->iov_base, iov->iov_len, off);
	got = preadv(s->fd, iov, iovcnt, (off_t)off);
	return got < 0 ? -errno : got;
}

int ck_source_readv(struct ck_source *s, uint64_t off, struct iovec *iov, int iovcnt,
		    struct ck_err *err)
{
	uint64_t left = 0;

	for (int i = 0; i < iovcnt; i++)
		left += iov[i].iov_len;
	if (off > s->size || left > s->size - off)
		return cut_short(s, off, left, err);
	if (s->base)
		return readv_patched(s, off, left, iov, iovcnt, err);
	if (!s->file) {
		for (int i = 0; i < iovcnt; i++) {
			if (iov[i].iov_len)
				memcpy(iov[i].iov_base, s->map + off, iov[i].iov_len);
			off += iov[i].iov_len;
		}
		return 0;
	}
	while (left) {
		ssize_t got;

		while (iov->iov_len == 0) { /* asked for alone it would look like the end */
			iov++;
			iovcnt--;
		}
		got = read_some(s, off, iov, iovcnt);
		if (got == -EINTR)
			continue;
		if (got < 0)
			return ck_fail(err, CK_CORRUPT, got == -EINVAL ? EIO : (int)-got,
				       "%s: reading at byte %llu failed: %s: check the disk",
				       s->path, (unsigned long long)off, strerror((int)-got));
		if (got == 0) /* cut short after it was opened */
			return cut_short(s, off, left, err);
		off += (uint64_t)got;
		left -= (uint64_t)got;
		while (iovcnt && (size_t)got >= iov->iov_len) {
			got -= (ssize_t)iov->iov_len;
			iov++;
			iovcnt--;
		}
		if (iovcnt) {
			iov->iov_base = (uint8_t *)iov->iov_base + got;
			iov->iov_len -= (size_t)got;
		}
	}
	return 0;
}

int ck_source_read(struct ck_source *s, uint64_t off, void *p, size_t n, struct ck_err *err)
{
	struct iovec iov = { .iov_base = p, .iov_len = n };

	return ck_source_readv(s, off, &iov, 1, err);
}

const void *ck_source_map(struct ck_source *s, uint64_t off, size_t n)
{
	const uint8_t *map = __atomic_load_n(&s->map, __ATOMIC_ACQUIRE);

	if (off > s->size || n > s->size - off || s->size > SIZE_MAX)
		return NULL;
	if (s->base) {
		size_t i = find_patch(s, off);

		if (i < s->npatches && s->patches[i].off < off + n)
			return NULL;
		return ck_source_map(s->base, off, n);
	}
	if (!map) {
		pthread_mutex_lock(&s->lock);
		map = s->map;
		if (!map && !s->unmappable && s->fd >= 0 && s->size) {
			void *p = mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->fd, 0);

			if (p == MAP_FAILED)
				s->unmappable = true;
			else
				map = p;
			__atomic_store_n(&s->map, map, __ATOMIC_RELEASE);
		}
		pthread_mutex_unlock(&s->lock);
	}
	return map ? map + off : NULL;
}

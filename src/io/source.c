/* source.c - see source.h. */
#include "io/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct ck_source {
	int refs; /* atomic */
	int fd; /* -1 for memory */
	uint64_t size;
	char *path;
	struct stat st;
	pthread_mutex_t lock; /* for the making of the mapping */
	const uint8_t *map; /* the whole file, or the memory; NULL until asked for; atomic */
	bool unmappable; /* it was tried and failed */
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

int ck_source_open(const char *path, struct ck_source **ret, struct ck_err *err)
{
	struct ck_source *s = source_new(path, err);
	int r;

	if (!s)
		return -ENOMEM;
	/* Non-blocking, so that a FIFO in the place of a file does not hang us. */
	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (s->fd < 0) {
		r = ck_fail(err, CK_MISSING, errno, "%s: cannot be opened: %s%s", path,
			    strerror(errno),
			    errno == EACCES ? ": ask its owner for read permission" :
			    errno == EMFILE ? ": raise the limit on open files (ulimit -n)" : "");
		goto fail;
	}
	if (fstat(s->fd, &s->st) < 0) {
		r = ck_fail(err, CK_MISSING, errno, "%s: cannot be examined: %s", path,
			    strerror(errno));
		goto fail;
	}
	if (!S_ISREG(s->st.st_mode)) {
		r = ck_fail(err, CK_FOREIGN, S_ISDIR(s->st.st_mode) ? EISDIR : EINVAL,
			    "%s: is %s where a regular file was expected", path,
			    S_ISDIR(s->st.st_mode) ? "a folder" : "a device, pipe or socket");
		goto fail;
	}
	s->size = (uint64_t)s->st.st_size;
	*ret = s;
	return 0;
fail:
	ck_source_unref(s);
	return r;
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

struct ck_source *ck_source_ref(struct ck_source *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

struct ck_source *ck_source_unref(struct ck_source *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return NULL;
	if (s->fd >= 0) {
		if (s->map)
			munmap((void *)(uintptr_t)s->map, s->size);
		close(s->fd);
	}
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

int ck_source_readv(struct ck_source *s, uint64_t off, struct iovec *iov, int iovcnt,
		    struct ck_err *err)
{
	uint64_t left = 0;

	for (int i = 0; i < iovcnt; i++)
		left += iov[i].iov_len;
	if (off > s->size || left > s->size - off)
		return cut_short(s, off, left, err);
	if (s->fd < 0) {
		for (int i = 0; i < iovcnt; i++) {
			if (iov[i].iov_len)
				memcpy(iov[i].iov_base, s->map + off, iov[i].iov_len);
			off += iov[i].iov_len;
		}
		return 0;
	}
	while (left) {
		ssize_t got = preadv(s->fd, iov, iovcnt, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ck_fail(err, CK_CORRUPT, errno == EINVAL ? EIO : errno,
				       "%s: reading at byte %llu failed: %s: check the disk",
				       s->path, (unsigned long long)off, strerror(errno));
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

/*
 * source.h - a read-only sequence of bytes: a file of the checkpoint, or memory under test.
 *
 * Formats see nothing but sources; they never open, map or stat a file themselves. A file is
 * opened once and stays open, so that a checkpoint that is replaced while it is mounted keeps
 * being read from the files it was mounted from.
 *
 * Reading is by copy (ck_source_read) or in place (ck_source_map). Mapped bytes may only be
 * handed to the kernel, never touched by us: where the file was cut short under the mapping the
 * kernel answers EFAULT, while our own access would die with SIGBUS.
 *
 * Threads: all functions may be called at once on one source; ref and unref are atomic.
 */
#ifndef CK_IO_SOURCE_H
#define CK_IO_SOURCE_H

#include "base/err.h"
#include "io/vfs.h"
#include "util/bytes.h"

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct ck_source;

/* Opens a regular file (symlinks are followed) for reading. Anything else, a FIFO or a device
 * too, is refused without blocking. */
int ck_source_open(const char *path, struct ck_source **ret, struct ck_err *err);

/* The same through a table of calls (vfs.h). */
int ck_source_open_vfs(const struct ck_vfs *vfs, const char *path, struct ck_source **ret,
		       struct ck_err *err);

/* n bytes at p, which must outlive the source; label stands for the path in messages. */
int ck_source_mem(const void *p, size_t n, const char *label, struct ck_source **ret,
		  struct ck_err *err);

/* A range of a source that is to be read from elsewhere. */
struct ck_source_patch {
	uint64_t off; /* in the source that is patched */
	uint64_t len;
	uint64_t at; /* in the one that the bytes come from */
};

/* base, with n ranges (sorted by off, disjoint, inside both) replaced by bytes of from. References
 * to both are taken, the patches copied; path and stat are base's. */
int ck_source_patched(struct ck_source *base, struct ck_source *from,
		      const struct ck_source_patch *patches, size_t n, struct ck_source **ret,
		      struct ck_err *err);

struct ck_source *ck_source_ref(struct ck_source *s);
/* Accepts NULL; returns NULL. */
struct ck_source *ck_source_unref(struct ck_source *s);

/* Size in bytes when it was opened. */
uint64_t ck_source_size(const struct ck_source *s);
const char *ck_source_path(const struct ck_source *s);
/* What fstat said when it was opened; all zero for memory. */
const struct stat *ck_source_stat(const struct ck_source *s);

/* Exactly n bytes from offset off into p; -EIO with the file and offset in *err where the file
 * ends before, or cannot be read. */
int ck_source_read(struct ck_source *s, uint64_t off, void *p, size_t n, struct ck_err *err);

/* The same, scattered over iovcnt (at most IOV_MAX) pieces; changes iov as it goes. */
int ck_source_readv(struct ck_source *s, uint64_t off, struct iovec *iov, int iovcnt,
		    struct ck_err *err);

/* Address of the n bytes at off, valid while the source lives, or NULL where they lie outside or
 * cannot be mapped. For the kernel's eyes only, see above. */
const void *ck_source_map(struct ck_source *s, uint64_t off, size_t n);

#endif

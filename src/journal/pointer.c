/* pointer.c - see pointer.h. */
#include "journal/pointer.h"

#include "journal/private.h"
#include "util/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#define HEAD 16
#define POINTER_MAX (HEAD + CK_POINTER_PATH_MAX + 4)

static int put_file(const struct ck_vfs *vfs, const char *path, struct ck_span bytes, mode_t mode)
{
	struct ck_vfile *f = NULL;
	int r = ck_vfs_open(vfs, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode, &f);

	if (r < 0)
		return r;
	r = ck_vfs_write(f, 0, bytes.p, bytes.n);
	if (r == 0)
		r = ck_vfs_sync(f);
	ck_vfs_close(f);
	return r;
}

/* Refuses to put a pointer in the place of anything else. */
static int is_free(const struct ck_vfs *vfs, const char *at, struct ck_err *err)
{
	struct ck_err why = CK_ERR_INIT;
	char *there = NULL;
	int r = ck_pointer_read(vfs, at, &there, &why);

	free(there);
	if (r == 0 || r == -ENOENT)
		return 0;
	if (why.cls == CK_MISSING)
		return ck_fail(err, why.cls, why.errnum, "%s", why.text);
	return ck_fail(err, CK_PUBLISH, EEXIST,
		       "%s: lies where the pointer to the journal belongs: publish or discard "
		       "what it holds first, or move it out of the way", at);
}

int ck_pointer_write(const struct ck_vfs *vfs, const char *at, const char *path, mode_t mode,
		     struct ck_err *err)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT, ck_auto_buf beside = CK_BUF_INIT;
	size_t n = strlen(path);
	uint8_t word[4];
	int r;

	if (path[0] != '/' || n > CK_POINTER_PATH_MAX)
		return ck_fail(err, CK_USAGE, EINVAL,
			       "%s: a journal elsewhere needs an absolute path of at most %d bytes",
			       path, CK_POINTER_PATH_MAX);
	r = is_free(vfs, at, err);
	if (r < 0)
		return r;
	ck_buf_str(&b, CK_POINTER_MAGIC);
	ck_put_le32(word, CK_POINTER_VERSION);
	ck_buf_add(&b, word, 4);
	ck_put_le32(word, (uint32_t)n);
	ck_buf_add(&b, word, 4);
	ck_buf_add(&b, path, n);
	ck_put_le32(word, b.p ? ck_crc32c(b.p, b.n) : 0);
	ck_buf_add(&b, word, 4);
	ck_buf_printf(&beside, "%s.new", at);
	if (ck_buf_failed(&b) || ck_buf_failed(&beside))
		return ck_fail_nomem(err, at);
	r = put_file(vfs, beside.p, ck_span(b.p, b.n), mode);
	if (r == 0)
		r = vfs->rename(vfs, beside.p, at);
	if (r < 0) {
		vfs->unlink(vfs, beside.p);
		return ck_journal_fail(at, "writing", r, err);
	}
	r = vfs->sync_dir(vfs, at);
	return r < 0 ? ck_journal_fail(at, "making its name durable", r, err) : 0;
}

static int damaged(const char *at, struct ck_err *err)
{
	return ck_fail(err, CK_CORRUPT, EBADMSG,
		       "%s: the pointer to the journal is damaged: run ckptctl discard, or put it "
		       "right", at);
}

static int parse(const char *at, struct ck_span s, char **ret, struct ck_err *err)
{
	uint32_t version, n;
	char *path;

	if (s.n < HEAD || memcmp(s.p, CK_POINTER_MAGIC, 8) != 0)
		return ck_fail(err, CK_FOREIGN, EBADMSG, "%s: is no pointer to a journal", at);
	version = ck_le32(s.p + 8);
	if (version != CK_POINTER_VERSION)
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: a pointer of version %" PRIu32 ", where this program knows %d: "
			       "use the one that wrote it", at, version, CK_POINTER_VERSION);
	n = ck_le32(s.p + 12);
	if (n > CK_POINTER_PATH_MAX || s.n != HEAD + (size_t)n + 4 ||
	    ck_crc32c(s.p, HEAD + n) != ck_le32(s.p + HEAD + n) || !n || s.p[HEAD] != '/' ||
	    memchr(s.p + HEAD, 0, n))
		return damaged(at, err);
	path = strndup((const char *)s.p + HEAD, n);
	if (!path)
		return ck_fail_nomem(err, at);
	*ret = path;
	return 0;
}

int ck_pointer_read(const struct ck_vfs *vfs, const char *at, char **ret, struct ck_err *err)
{
	struct ck_vfile *f = NULL;
	struct ck_vstat st;
	uint8_t p[POINTER_MAX + 1]; /* a longer file is none, and need not be read */
	size_t n;
	int r = vfs->stat(vfs, at, &st);

	if (r == 0 && !S_ISREG(st.mode))
		return ck_fail(err, CK_FOREIGN, EBADMSG,
			       "%s: is not a regular file, and so no pointer to a journal", at);
	if (r == 0)
		r = ck_vfs_open(vfs, at, O_RDONLY, 0, &f);
	if (r == -ENOENT || r == -ENOTDIR)
		return ck_fail(err, CK_MISSING, ENOENT, "%s: there is no such file", at);
	if (r < 0)
		return ck_journal_unread(at, "opening", r, err);
	n = st.size < sizeof(p) ? (size_t)st.size : sizeof(p);
	r = ck_vfs_read(f, 0, p, n);
	ck_vfs_close(f);
	return r < 0 ? ck_journal_unread(at, "reading", r, err) : parse(at, ck_span(p, n), ret, err);
}

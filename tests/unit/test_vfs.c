/* test_vfs.c - the system's table of calls, and what is built on any table. */
#include "io/vfs.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct ck_vfs *const V = &ck_vfs_posix;

static struct ck_vfile *must_open(const char *path, int flags)
{
	struct ck_vfile *f = NULL;
	int r = ck_vfs_open(V, path, flags, 0640, &f);

	if (r < 0) {
		printf("Bail out! %s: %s\n", path, strerror(-r));
		exit(1);
	}
	return f;
}

/* Whether the file holds exactly these bytes. */
static bool holds(const char *path, const char *want)
{
	struct ck_vfile *f = must_open(path, O_RDONLY);
	struct ck_vstat st;
	char got[256];
	bool same = V->fstat(f, &st) == 0 && st.size == strlen(want) &&
		    ck_vfs_read(f, 0, got, st.size) == 0 && memcmp(got, want, st.size) == 0;

	ck_vfs_close(f);
	return same;
}

static void make(const char *path, const char *text)
{
	struct ck_vfile *f = must_open(path, O_WRONLY | O_CREAT | O_TRUNC);

	if (ck_vfs_write(f, 0, text, strlen(text)) < 0) {
		printf("Bail out! %s cannot be written\n", path);
		exit(1);
	}
	ck_vfs_close(f);
}

static void test_files(void)
{
	struct ck_vfile *f, *g = NULL;
	struct ck_vstat st, again;
	struct stat posix;
	char p[16];

	tap_is_u64((uint64_t)-ck_vfs_open(V, "a", O_RDWR, 0, &g), ENOENT, "open: nothing there");
	f = must_open("a", O_RDWR | O_CREAT | O_EXCL);
	tap_is_u64((uint64_t)-V->open(V, "a", O_RDWR | O_CREAT | O_EXCL, 0600, &g), EEXIST,
		   "open: O_EXCL");
	tap_ok(g == NULL, "open: a failed one writes no file");
	tap_ok(fcntl(V->fd(f), F_GETFD) & FD_CLOEXEC, "open: not inherited");
	tap_is_u64((uint64_t)V->pwrite(f, "0123456789", 10, 5), 10, "pwrite: behind the end");
	tap_is_u64((uint64_t)V->pread(f, p, 16, 3), 12, "pread: up to the end");
	tap_ok(memcmp(p, "\0\0" "0123456789", 12) == 0, "pread: the gap is zeros");
	tap_is_u64((uint64_t)V->pread(f, p, 16, 15), 0, "pread: nothing at the end");
	tap_is_u64((uint64_t)-V->pwrite(f, "x", 1, UINT64_MAX), EFBIG, "pwrite: no such place");
	tap_is_u64((uint64_t)-V->truncate(f, UINT64_MAX), EFBIG, "truncate: no such size");
	tap_ok(ck_vfs_truncate(f, 7) == 0 && V->fstat(f, &st) == 0 && st.size == 7,
	       "truncate: fstat says the size");
	tap_ok(ck_vfs_sync(f) == 0, "sync");
	tap_ok(stat("a", &posix) == 0 && st.dev == posix.st_dev && st.ino == posix.st_ino &&
	       st.mode == posix.st_mode && st.uid == posix.st_uid && st.gid == posix.st_gid &&
	       st.nlink == 1 && st.mtime.tv_sec == posix.st_mtim.tv_sec &&
	       st.mtime.tv_nsec == posix.st_mtim.tv_nsec &&
	       st.ctime.tv_nsec == posix.st_ctim.tv_nsec, "fstat: what stat(2) says");
	tap_ok((st.mode & 0777 & ~0640) == 0 && S_ISREG(st.mode), "open: the mode asked for");
	tap_ok(st.btime.tv_sec == 0 || st.btime.tv_sec <= st.ctime.tv_sec,
	       "fstat: born before it was changed, or not known");
	ck_vfs_close(f);
	tap_ok(V->stat(V, "a", &again) == 0 && again.ino == st.ino &&
	       again.btime.tv_nsec == st.btime.tv_nsec, "stat: the same by path");
	f = must_open("a", O_RDWR | O_TRUNC);
	tap_ok(V->fstat(f, &st) == 0 && st.size == 0, "open: O_TRUNC");
	ck_vfs_close(f);
	tap_ok(ck_vfs_close(NULL) == NULL, "close: of nothing");
	mkfifo("fifo", 0600);
	f = must_open("fifo", O_RDONLY);
	tap_ok(V->fstat(f, &st) == 0 && S_ISFIFO(st.mode), "open: a FIFO does not block");
	ck_vfs_close(f);
}

static void test_exactly(void)
{
	struct ck_vfile *f;
	char p[32] = "unchanged";

	make("short", "abcdef");
	f = must_open("short", O_RDWR);
	tap_ok(ck_vfs_read(f, 2, p, 4) == 0 && memcmp(p, "cdef", 4) == 0, "read: to the last byte");
	tap_is_u64((uint64_t)-ck_vfs_read(f, 2, p, 5), EIO, "read: one byte more is EIO");
	tap_is_u64((uint64_t)-ck_vfs_read(f, 100, p, 1), EIO, "read: past the end is EIO");
	tap_ok(ck_vfs_read(f, 100, p, 0) == 0, "read: nothing can be read anywhere");
	tap_ok(ck_vfs_write(f, 6, "gh", 2) == 0 && holds("short", "abcdefgh"), "write: all of it");
	ck_vfs_close(f);
	f = must_open("short", O_RDONLY);
	tap_is_u64((uint64_t)-ck_vfs_write(f, 0, "x", 1), EBADF, "write: to a file open to read");
	ck_vfs_close(f);
}

static void test_names(void)
{
	struct ck_vstat a, b;
	char p[16];

	make("one", "1");
	make("two", "2");
	tap_ok(V->rename(V, "one", "two") == 0 && holds("two", "1"), "rename: over another");
	tap_is_u64((uint64_t)-V->stat(V, "one", &a), ENOENT, "rename: the old name is gone");
	tap_is_u64((uint64_t)-V->rename(V, "one", "two"), ENOENT, "rename: of nothing");
	tap_ok(V->link(V, "two", "three") == 0 && V->stat(V, "two", &a) == 0 &&
	       V->stat(V, "three", &b) == 0 && a.ino == b.ino && b.nlink == 2, "link: two names");
	tap_is_u64((uint64_t)-V->link(V, "two", "three"), EEXIST, "link: never over another");
	tap_ok(V->unlink(V, "two") == 0 && holds("three", "1"), "unlink: one of two names");
	tap_is_u64((uint64_t)-V->unlink(V, "two"), ENOENT, "unlink: of nothing");

	tap_ok(V->symlink(V, "three", "ln") == 0 && holds("ln", "1"), "symlink: open follows it");
	tap_ok(V->stat(V, "ln", &a) == 0 && a.ino == b.ino, "stat: follows it");
	tap_ok(V->lstat(V, "ln", &a) == 0 && S_ISLNK(a.mode), "lstat: does not");
	tap_ok(V->readlink(V, "ln", p, sizeof(p)) == 5 && memcmp(p, "three", 5) == 0, "readlink");
	tap_is_u64((uint64_t)-V->readlink(V, "three", p, sizeof(p)), EINVAL, "readlink: of a file");
	tap_is_u64((uint64_t)-V->symlink(V, "x", "ln"), EEXIST, "symlink: never over another");
	{
		struct ck_vfile *f = NULL;

		tap_is_u64((uint64_t)-V->open(V, "ln", O_RDONLY | O_NOFOLLOW, 0, &f), ELOOP,
			   "open: O_NOFOLLOW");
		tap_is_u64((uint64_t)-V->open(V, "ln", O_RDWR | O_CREAT | O_EXCL, 0600, &f), EEXIST,
			   "open: O_EXCL does not go through it");
	}
	tap_ok(V->link(V, "ln", "ln2") == 0 && V->lstat(V, "ln2", &a) == 0 && S_ISLNK(a.mode),
	       "link: of the symlink itself");
	tap_ok(V->rename(V, "ln", "ln3") == 0 && V->lstat(V, "ln3", &a) == 0 && S_ISLNK(a.mode) &&
	       holds("three", "1"), "rename: of the symlink itself");
	make("four", "4");
	tap_ok(V->rename(V, "four", "ln3") == 0 && V->lstat(V, "ln3", &a) == 0 && S_ISREG(a.mode) &&
	       holds("three", "1"), "rename: over the symlink itself");
	tap_ok(V->unlink(V, "ln2") == 0 && holds("three", "1"), "unlink: of the symlink itself");

	mkdir("folder", 0700);
	make("folder/f", "f");
	tap_ok(V->sync_dir(V, "folder/f") == 0, "sync_dir: by what lies in it");
	tap_ok(V->sync_dir(V, "folder/gone") == 0, "sync_dir: by what lay in it");
	tap_ok(V->sync_dir(V, "three") == 0, "sync_dir: a bare name");
	tap_is_u64((uint64_t)-V->sync_dir(V, "nowhere/f"), ENOENT, "sync_dir: no such folder");
	tap_is_u64((uint64_t)-V->sync_dir(V, "three/f"), ENOTDIR, "sync_dir: of no folder");
}

static void test_lock(void)
{
	struct ck_vfile *a, *b;

	make("lock", "");
	a = must_open("lock", O_RDWR);
	b = must_open("lock", O_RDWR);
	tap_ok(V->lock(a) == 0, "lock");
	tap_ok(V->lock(a) == 0, "lock: again by who has it");
	tap_is_u64((uint64_t)-V->lock(b), EWOULDBLOCK, "lock: held by another");
	ck_vfs_close(a);
	tap_ok(V->lock(b) == 0, "lock: ends with close");
	ck_vfs_close(b);
}

static void test_copies(void)
{
	static const uint64_t block = 65536; /* a multiple of every file system's */
	struct ck_vfile *a = must_open("from", O_RDWR | O_CREAT);
	struct ck_vfile *b = must_open("to", O_RDWR | O_CREAT);
	size_t n = 3u << 20; /* more than the buffer of ck_vfs_copy() */
	uint8_t *p = malloc(n), *q = calloc(1, n);
	struct ck_vstat st;
	int r;

	for (size_t i = 0; p && i < n; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 13);
	tap_ok(p && q && ck_vfs_write(a, 0, p, n) == 0, "three megabytes");
	r = V->clone(b, block, a, 0, block);
	if (r == 0)
		tap_ok(ck_vfs_read(b, block, q, block) == 0 && memcmp(p, q, block) == 0,
		       "clone: the same bytes");
	else
		tap_ok(r == -EOPNOTSUPP, "clone: EOPNOTSUPP where there is none (%s)",
		       strerror(-r));
	tap_ok(V->clone(b, 0, a, 0, 0) == r &&
	       (r < 0 || (V->fstat(b, &st) == 0 && st.size == n &&
			  ck_vfs_read(b, n - block, q, block) == 0 &&
			  memcmp(p + n - block, q, block) == 0)), "clone: 0 bytes are all");
	tap_is_u64((uint64_t)-V->clone(b, 1, a, 1, 1), r == 0 ? EINVAL : EOPNOTSUPP,
		   "clone: of parts of a block");
	{
		ssize_t got = V->copy(b, 0, a, 0, 1000);

		tap_ok(got == -EOPNOTSUPP || (got > 0 && got <= 1000), "copy: some, or EOPNOTSUPP");
		tap_ok(V->copy(b, 0, a, n, 1000) == (got < 0 ? got : 0), "copy: none at the end");
		tap_ok(V->copy(a, 1, a, 0, 1000) == -EOPNOTSUPP, "copy: onto itself, EOPNOTSUPP");
	}
	tap_ok(ck_vfs_copy(b, 7, a, 5, n - 5) == 0 && ck_vfs_read(b, 7, q, n - 5) == 0 &&
	       memcmp(p + 5, q, n - 5) == 0, "ck_vfs_copy: all bytes");
	tap_is_u64((uint64_t)-ck_vfs_copy(b, 0, a, 5, n), EIO, "ck_vfs_copy: more than there are");
	tap_ok(ck_vfs_copy(b, 0, a, 0, 0) == 0, "ck_vfs_copy: nothing");
	tap_ok(V->fstat(b, &st) == 0 && st.size == n + 2, "ck_vfs_copy: and no others");
	free(p);
	free(q);
	ck_vfs_close(a);
	ck_vfs_close(b);
}

static void test_xattr(void)
{
	struct ck_vfile *f = must_open("attr", O_RDWR | O_CREAT);
	char p[8];
	int r = V->setxattr(f, "user.ckptfuse.test", "value", 5);

	if (r == -EOPNOTSUPP) {
		for (int i = 0; i < 5; i++)
			tap_ok(true, "xattr # skip the file system here has none");
		ck_vfs_close(f);
		return;
	}
	tap_ok(r == 0 && ck_vfs_sync(f) == 0 && ck_vfs_sync(f) == 0, "setxattr, sync, sync");
	tap_ok(V->getxattr(f, "user.ckptfuse.test", p, sizeof(p)) == 5 &&
	       memcmp(p, "value", 5) == 0, "getxattr: what was set");
	tap_ok(V->getxattr(f, "user.ckptfuse.test", NULL, 0) == 5, "getxattr: its length");
	tap_ok(V->getxattr(f, "user.ckptfuse.test", p, 4) == -ERANGE, "getxattr: too little room");
	tap_ok(V->getxattr(f, "user.ckptfuse.none", p, 4) == -ENODATA, "getxattr: none there");
	ck_vfs_close(f);
}

/* A table whose every call does little: one byte at a time, and every second one interrupted. */
static struct {
	int calls;
	bool zero; /* writes say 0 */
} rough;

static bool interrupted(void)
{
	return rough.calls++ % 2 == 0;
}

static ssize_t rough_pread(struct ck_vfile *f, void *p, size_t n, uint64_t off)
{
	return interrupted() ? -EINTR : ck_vfs_posix.pread(f, p, n ? 1 : 0, off);
}

static ssize_t rough_pwrite(struct ck_vfile *f, const void *p, size_t n, uint64_t off)
{
	if (rough.zero)
		return 0;
	return interrupted() ? -EINTR : ck_vfs_posix.pwrite(f, p, n ? 1 : 0, off);
}

static int rough_truncate(struct ck_vfile *f, uint64_t size)
{
	return interrupted() ? -EINTR : ck_vfs_posix.truncate(f, size);
}

static int rough_sync(struct ck_vfile *f)
{
	return interrupted() ? -EINTR : ck_vfs_posix.sync(f);
}

static int rough_open(const struct ck_vfs *v, const char *path, int flags, mode_t mode,
		      struct ck_vfile **ret)
{
	return interrupted() ? -EINTR : ck_vfs_posix.open(v, path, flags, mode, ret);
}

static ssize_t rough_copy(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src,
			  uint64_t src_off, size_t n)
{
	(void)dst, (void)dst_off, (void)src, (void)src_off, (void)n;
	return rough.calls < 100 ? -EINTR : -EXDEV;
}

static void test_rough(void)
{
	struct ck_vfs v = ck_vfs_posix;
	struct ck_vfile *f = NULL, *g;
	char p[8];

	v.open = rough_open;
	v.pread = rough_pread;
	v.pwrite = rough_pwrite;
	v.truncate = rough_truncate;
	v.sync = rough_sync;
	v.copy = rough_copy;
	tap_ok(ck_vfs_open(&v, "rough", O_RDWR | O_CREAT, 0600, &f) == 0, "interrupted: open");
	tap_ok(ck_vfs_write(f, 0, "abcdefgh", 8) == 0 && holds("rough", "abcdefgh"),
	       "interrupted and short: write");
	tap_ok(ck_vfs_read(f, 0, p, 8) == 0 && memcmp(p, "abcdefgh", 8) == 0,
	       "interrupted and short: read");
	rough.calls = 0;
	tap_ok(ck_vfs_truncate(f, 6) == 0 && holds("rough", "abcdef"), "interrupted: truncate");
	rough.calls = 0;
	tap_ok(ck_vfs_sync(f) == 0 && rough.calls == 2, "interrupted: sync, until it is done");
	ck_vfs_start_sync(f, 0, 6);
	ck_vfs_start_sync(f, UINT64_MAX, UINT64_MAX);
	v.start_sync = NULL;
	ck_vfs_start_sync(f, 0, 6);
	tap_ok(holds("rough", "abcdef"), "start_sync: any range, and where there is none of it");
	rough.calls = 100;
	tap_ok(ck_vfs_copy(f, 6, f, 0, 6) == 0 && holds("rough", "abcdefabcdef"),
	       "no copy call: through a buffer");
	g = must_open("other", O_RDWR | O_CREAT);
	tap_ok(ck_vfs_copy(g, 0, f, 3, 6) == 0 && holds("other", "defabc"),
	       "from another table: through a buffer");
	rough.zero = true;
	tap_is_u64((uint64_t)-ck_vfs_write(f, 0, "x", 1), EIO, "a write of nothing is an error");
	ck_vfs_close(g);
	ck_vfs_close(f);
}

int main(void)
{
	char folder[] = "/tmp/ckpt-vfs.XXXXXX";
	const char *list[] = { "a", "fifo", "short", "two", "three", "ln3", "folder/f", "lock",
			       "from", "to", "attr", "rough", "other" };

	tap_plan(79);
	umask(022);
	if (!mkdtemp(folder) || chdir(folder) < 0) {
		printf("Bail out! no folder to work in\n");
		exit(1);
	}
	test_files();
	test_exactly();
	test_names();
	test_lock();
	test_copies();
	test_xattr();
	test_rough();
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		unlink(list[i]);
	rmdir("folder");
	tap_ok(rmdir(folder) == 0, "nothing else was left behind");
	return tap_done();
}

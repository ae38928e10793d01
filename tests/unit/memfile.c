/* memfile.c - see memfile.h. */
#include "memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECTOR 512

struct content {
	uint8_t *p;
	size_t n, room;
};

struct memdisk_inode {
	struct memdisk_inode *next;
	uint64_t ino;
	mode_t mode;
	int64_t mtime;
	struct content seen, disk;
	struct content dirty; /* a byte for each of seen: to be written */
	bool size_dirty;
	char xattr[64]; /* the only one, by its name; "": none. Never on the disk */
};

struct memdisk_name {
	struct memdisk_name *next;
	char *path;
	struct memdisk_inode *seen, *disk; /* NULL: no such name */
	bool dirty;
};

struct handle {
	struct ck_vfile v;
	struct memdisk *d;
	struct memdisk_inode *i;
	bool writes;
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static void resize(struct content *c, size_t n)
{
	if (n > c->room) {
		c->room = 2 * n + 64;
		c->p = must(realloc(c->p, c->room));
	}
	if (n > c->n)
		memset(c->p + c->n, 0, n - c->n);
	c->n = n;
}

static struct memdisk *disk_of(const struct ck_vfs *v)
{
	return v->self;
}

/* Counts a call; its answer if it is one that fails. */
static int fault(struct memdisk *d)
{
	if (d->interrupts && !d->interrupted) {
		d->interrupted = true;
		return -EINTR;
	}
	d->interrupted = false;
	d->calls++;
	if (d->calls == d->fail_at || d->calls == d->fail_also ||
	    (d->fail_on && d->fail_at && d->calls > d->fail_at))
		return -d->fail_errno;
	return 0;
}

/* The same for calls that nothing interrupts. */
static int whole_fault(struct memdisk *d)
{
	d->interrupted = true;
	return fault(d);
}

static struct memdisk_name *name_of(struct memdisk *d, const char *path, bool make)
{
	struct memdisk_name *n;

	for (n = d->names; n; n = n->next) {
		if (strcmp(n->path, path) == 0)
			return n;
	}
	if (!make)
		return NULL;
	n = must(calloc(1, sizeof(*n)));
	n->path = must(strdup(path));
	n->next = d->names;
	d->names = n;
	return n;
}

static struct memdisk_inode *inode_of(struct memdisk *d, const char *path)
{
	struct memdisk_name *n = name_of(d, path, false);

	return n ? n->seen : NULL;
}

static void set_name(struct memdisk *d, const char *path, struct memdisk_inode *i)
{
	struct memdisk_name *n = name_of(d, path, true);

	n->seen = i;
	n->dirty = true;
}

static struct memdisk_inode *inode_new(struct memdisk *d, mode_t mode)
{
	struct memdisk_inode *i = must(calloc(1, sizeof(*i)));

	i->ino = ++d->last_ino;
	i->mode = S_IFREG | mode;
	i->mtime = ++d->now;
	i->next = d->inodes;
	d->inodes = i;
	return i;
}

static void set_size(struct memdisk_inode *i, size_t n)
{
	size_t was = i->seen.n;

	resize(&i->seen, n);
	resize(&i->dirty, n);
	if (n > was)
		memset(i->dirty.p + was, 1, n - was);
	i->size_dirty = true;
}

static int do_open(const struct ck_vfs *v, const char *path, int flags, mode_t mode,
		   struct ck_vfile **ret)
{
	struct memdisk *d = disk_of(v);
	struct memdisk_inode *i = inode_of(d, path);
	struct handle *h;
	int r = fault(d);

	if (r < 0)
		return r;
	if (!i && !(flags & O_CREAT))
		return -ENOENT;
	if (i && (flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (!i) {
		i = inode_new(d, mode);
		set_name(d, path, i);
	}
	if (flags & O_TRUNC)
		set_size(i, 0);
	h = must(calloc(1, sizeof(*h)));
	*h = (struct handle){ { v }, d, i, (flags & O_ACCMODE) != O_RDONLY };
	*ret = &h->v;
	return 0;
}

static void do_close(struct ck_vfile *f)
{
	free(f);
}

static ssize_t do_pread(struct ck_vfile *f, void *p, size_t n, uint64_t off)
{
	struct handle *h = (struct handle *)f;
	struct content *c = &h->i->seen;
	int r = fault(h->d);

	if (r < 0)
		return r;
	if (off >= c->n)
		return 0;
	if (n > c->n - off)
		n = c->n - off;
	if (h->d->most && n > h->d->most)
		n = h->d->most;
	memcpy(p, c->p + off, n);
	return (ssize_t)n;
}

/* One that fails has written half of it. */
static ssize_t do_pwrite(struct ck_vfile *f, const void *p, size_t n, uint64_t off)
{
	struct handle *h = (struct handle *)f;
	struct memdisk_inode *i = h->i;
	int r = fault(h->d);

	if (!h->writes)
		return -EBADF;
	if (r == -EINTR)
		return r;
	if (r < 0)
		n /= 2;
	if (h->d->most && n > h->d->most)
		n = h->d->most;
	if (!n)
		return r;
	if (off + n > i->seen.n)
		set_size(i, off + n);
	memcpy(i->seen.p + off, p, n);
	memset(i->dirty.p + off, 1, n);
	i->mtime = ++h->d->now;
	return r < 0 ? r : (ssize_t)n;
}

static int do_truncate(struct ck_vfile *f, uint64_t size)
{
	struct handle *h = (struct handle *)f;
	int r = fault(h->d);

	if (r < 0)
		return r;
	set_size(h->i, size);
	h->i->mtime = ++h->d->now;
	return 0;
}

/* Bytes that reach the disk, or are given up. */
static void clean(struct memdisk_inode *i, bool written)
{
	if (i->size_dirty && written)
		resize(&i->disk, i->seen.n);
	for (size_t k = 0; k < i->seen.n; k++) {
		if (i->dirty.p[k] && written && k < i->disk.n)
			i->disk.p[k] = i->seen.p[k];
		i->dirty.p[k] = 0;
	}
	i->size_dirty = false;
}

static void read_again(struct memdisk_inode *i)
{
	set_size(i, i->disk.n);
	if (i->disk.n)
		memcpy(i->seen.p, i->disk.p, i->disk.n);
	clean(i, false);
}

static int do_sync(struct ck_vfile *f)
{
	struct handle *h = (struct handle *)f;
	int r = fault(h->d);

	if (r == -EINTR)
		return r;
	clean(h->i, r == 0);
	if (r < 0 && h->d->drops)
		read_again(h->i);
	return r;
}

static void fill_stat(const struct memdisk_inode *i, struct ck_vstat *ret)
{
	*ret = (struct ck_vstat){
		.dev = 1,
		.ino = i->ino,
		.size = i->seen.n,
		.nlink = 1,
		.mode = i->mode,
		.mtime.tv_sec = i->mtime,
		.ctime.tv_sec = i->mtime,
		.btime.tv_sec = (time_t)i->ino,
	};
}

static int do_fstat(struct ck_vfile *f, struct ck_vstat *ret)
{
	struct handle *h = (struct handle *)f;
	int r = whole_fault(h->d);

	if (r == 0)
		fill_stat(h->i, ret);
	return r;
}

static int do_fd(struct ck_vfile *f)
{
	(void)f;
	return -1;
}

static int do_lock(struct ck_vfile *f)
{
	return whole_fault(((struct handle *)f)->d);
}

static int no_clone(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src, uint64_t src_off,
		    uint64_t n)
{
	(void)dst, (void)dst_off, (void)src, (void)src_off, (void)n;
	return -EOPNOTSUPP;
}

static ssize_t no_copy(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src,
		       uint64_t src_off, size_t n)
{
	(void)dst, (void)dst_off, (void)src, (void)src_off, (void)n;
	return -EOPNOTSUPP;
}

/* That it is there is all that is remembered, and is lost in a crash. */
static int do_setxattr(struct ck_vfile *f, const char *name, const void *value, size_t n)
{
	struct handle *h = (struct handle *)f;
	int r = whole_fault(h->d);

	(void)value, (void)n;
	if (r == 0)
		snprintf(h->i->xattr, sizeof(h->i->xattr), "%s", name);
	return r;
}

static ssize_t do_getxattr(struct ck_vfile *f, const char *name, void *value, size_t room)
{
	struct handle *h = (struct handle *)f;
	int r = whole_fault(h->d);

	(void)value, (void)room;
	if (r < 0)
		return r;
	return strcmp(h->i->xattr, name) == 0 ? 1 : -ENODATA;
}

static int do_stat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret)
{
	struct memdisk *d = disk_of(v);
	struct memdisk_inode *i = inode_of(d, path);
	int r = whole_fault(d);

	if (r < 0)
		return r;
	if (!i)
		return -ENOENT;
	fill_stat(i, ret);
	return 0;
}

static ssize_t do_readlink(const struct ck_vfs *v, const char *path, char *p, size_t room)
{
	(void)p, (void)room;
	return inode_of(disk_of(v), path) ? -EINVAL : -ENOENT;
}

static int do_rename(const struct ck_vfs *v, const char *from, const char *to)
{
	struct memdisk *d = disk_of(v);
	struct memdisk_inode *i = inode_of(d, from);
	int r = whole_fault(d);

	if (r < 0)
		return r;
	if (!i)
		return -ENOENT;
	set_name(d, to, i);
	set_name(d, from, NULL);
	return 0;
}

static int do_link(const struct ck_vfs *v, const char *from, const char *to)
{
	struct memdisk *d = disk_of(v);
	struct memdisk_inode *i = inode_of(d, from);
	int r = whole_fault(d);

	if (r < 0)
		return r;
	if (!i || inode_of(d, to))
		return i ? -EEXIST : -ENOENT;
	set_name(d, to, i);
	return 0;
}

static int no_symlink(const struct ck_vfs *v, const char *target, const char *path)
{
	(void)v, (void)target, (void)path;
	return -EPERM;
}

static int do_unlink(const struct ck_vfs *v, const char *path)
{
	struct memdisk *d = disk_of(v);
	int r = whole_fault(d);

	if (r < 0)
		return r;
	if (!inode_of(d, path))
		return -ENOENT;
	set_name(d, path, NULL);
	return 0;
}

static int do_sync_dir(const struct ck_vfs *v, const char *path)
{
	struct memdisk *d = disk_of(v);
	int r = whole_fault(d);

	(void)path;
	for (struct memdisk_name *n = d->names; n; n = n->next) {
		if (n->dirty && r == 0)
			n->disk = n->seen;
		n->dirty = false;
	}
	return r;
}

struct memdisk *memdisk_new(void)
{
	struct memdisk *d = must(calloc(1, sizeof(*d)));

	d->vfs = (struct ck_vfs){
		.self = d,
		.open = do_open,
		.close = do_close,
		.pread = do_pread,
		.pwrite = do_pwrite,
		.truncate = do_truncate,
		.sync = do_sync,
		.fstat = do_fstat,
		.fd = do_fd,
		.lock = do_lock,
		.clone = no_clone,
		.copy = no_copy,
		.setxattr = do_setxattr,
		.getxattr = do_getxattr,
		.stat = do_stat,
		.lstat = do_stat,
		.readlink = do_readlink,
		.rename = do_rename,
		.link = do_link,
		.symlink = no_symlink,
		.unlink = do_unlink,
		.sync_dir = do_sync_dir,
	};
	d->fail_errno = EIO;
	return d;
}

void memdisk_free(struct memdisk *d)
{
	while (d->inodes) {
		struct memdisk_inode *i = d->inodes;

		d->inodes = i->next;
		free(i->seen.p);
		free(i->disk.p);
		free(i->dirty.p);
		free(i);
	}
	while (d->names) {
		struct memdisk_name *n = d->names;

		d->names = n->next;
		free(n->path);
		free(n);
	}
	free(d);
}

void memdisk_put(struct memdisk *d, const char *path, const void *p, size_t n)
{
	struct memdisk_inode *i = inode_new(d, 0644);
	struct memdisk_name *name;

	set_size(i, n);
	if (n) {
		memcpy(i->seen.p, p, n);
		memset(i->dirty.p, 1, n);
	}
	clean(i, true);
	set_name(d, path, i);
	name = name_of(d, path, false);
	name->disk = i;
	name->dirty = false;
}

bool memdisk_xattr(struct memdisk *d, const char *path)
{
	struct memdisk_inode *i = inode_of(d, path);

	return i && i->xattr[0];
}

struct ck_span memdisk_get(struct memdisk *d, const char *path)
{
	struct memdisk_inode *i = inode_of(d, path);

	return i ? ck_span(i->seen.p ? i->seen.p : (uint8_t *)"", i->seen.n) : ck_span(NULL, 0);
}

static bool coin(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16 & 1;
}

static void crash_file(struct memdisk_inode *i, enum memdisk_loss keep, unsigned *seed)
{
	bool take = keep == MEMDISK_ALL;

	if (i->size_dirty && (take || (keep == MEMDISK_SOME && coin(seed))))
		resize(&i->disk, i->seen.n);
	for (size_t k = 0; k < i->seen.n; k++) {
		if (k % SECTOR == 0 && keep == MEMDISK_SOME)
			take = coin(seed);
		if (take && i->dirty.p[k]) {
			if (k >= i->disk.n)
				resize(&i->disk, k + 1);
			i->disk.p[k] = i->seen.p[k];
		}
	}
	read_again(i);
}

void memdisk_crash(struct memdisk *d, enum memdisk_loss keep, unsigned seed)
{
	for (struct memdisk_inode *i = d->inodes; i; i = i->next) {
		crash_file(i, keep, &seed);
		i->xattr[0] = '\0';
	}
	for (struct memdisk_name *n = d->names; n; n = n->next) {
		if (n->dirty && (keep == MEMDISK_ALL || (keep == MEMDISK_SOME && coin(&seed))))
			n->disk = n->seen;
		n->seen = n->disk;
		n->dirty = false;
	}
	d->fail_at = d->fail_also = 0;
}

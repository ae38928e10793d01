/* disk.c - see disk.h: the table of calls. */
#include "disk_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SIZE_LIMIT ((uint64_t)1 << 30)

static struct disk_file *file_of(struct ck_vfile *f)
{
	return (struct disk_file *)f;
}

static struct inode *inode_of(const struct disk_file *f)
{
	return f->disk->slots[f->slot].inode;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Does something to the bytes as they are seen, and remembers it as pending. */
static void change_bytes(struct ck_disk *d, uint32_t slot, struct op o)
{
	struct inode *i = inode_own(d, slot);

	o.slot = slot;
	op_apply_bytes(&o, &i->now, &i->anow, 0, o.data ? o.data->n : 0);
	i->ctime = d->clock;
	if (o.kind != OP_XATTR)
		i->mtime = d->clock;
	op_add(d, o);
}

static int disk_open(const struct ck_vfs *v, const char *path, int flags, mode_t mode,
		     struct ck_vfile **ret)
{
	struct ck_disk *d = disk_of(v);
	bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL), created = false;
	struct disk_file *f;
	char at[PATH_ROOM];
	uint32_t slot;
	int r;

	pthread_mutex_lock(&d->lock);
	r = path_resolve(d, path, !(exclusive || flags & O_NOFOLLOW), at, &slot);
	if (r < 0)
		return disk_fail(d, r);
	if (path_is_folder(d, at, strlen(at)))
		return disk_fail(d, -EISDIR);
	if (slot == NO_SLOT && !(flags & O_CREAT))
		return disk_fail(d, -ENOENT);
	if (slot != NO_SLOT && exclusive)
		return disk_fail(d, -EEXIST);
	if (slot != NO_SLOT && S_ISLNK(d->slots[slot].inode->mode))
		return disk_fail(d, -ELOOP);
	if (slot == NO_SLOT) {
		slot = inode_new(d, S_IFREG | (mode & 07777), blob_new("", 0));
		name_change(d, at, slot, NULL);
		created = true;
	}
	f = must(calloc(1, sizeof(*f)));
	f->file.vfs = v;
	f->disk = d;
	f->slot = slot;
	f->flags = flags;
	f->path = must(strdup(at));
	d->slots[slot].opens++;
	*ret = &f->file;
	if (created)
		return disk_done(d, CK_DISK_CREATE, f->path, NULL, 0, 0);
	if (flags & O_TRUNC && inode_of(f)->now->n) {
		change_bytes(d, slot, (struct op){ .kind = OP_TRUNCATE });
		return disk_done(d, CK_DISK_TRUNCATE, f->path, NULL, 0, 0);
	}
	return disk_fail(d, 0);
}

static void disk_close(struct ck_vfile *file)
{
	struct disk_file *f = file_of(file);
	struct slot *s = &f->disk->slots[f->slot];

	pthread_mutex_lock(&f->disk->lock);
	if (s->locker == f)
		s->locker = NULL;
	if (--s->opens == 0)
		disk_sweep(f->disk);
	pthread_mutex_unlock(&f->disk->lock);
	free(f->path);
	free(f);
}

static ssize_t disk_pread(struct ck_vfile *file, void *p, size_t n, uint64_t off)
{
	struct disk_file *f = file_of(file);
	const struct blob *b;

	if ((f->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	pthread_mutex_lock(&f->disk->lock);
	b = inode_of(f)->now;
	if (off >= b->n)
		n = 0;
	else if (n > b->n - off)
		n = b->n - off;
	if (n)
		memcpy(p, b->p + off, n);
	pthread_mutex_unlock(&f->disk->lock);
	return (ssize_t)n;
}

static ssize_t disk_pwrite(struct ck_vfile *file, const void *p, size_t n, uint64_t off)
{
	struct disk_file *f = file_of(file);

	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (off > SIZE_LIMIT || n > SIZE_LIMIT - off)
		return -EFBIG;
	if (n == 0)
		return 0;
	pthread_mutex_lock(&f->disk->lock);
	change_bytes(f->disk, f->slot,
		     (struct op){ .kind = OP_WRITE, .off = off, .data = blob_new(p, n) });
	disk_done(f->disk, CK_DISK_WRITE, f->path, NULL, off, n);
	return (ssize_t)n;
}

static int disk_truncate(struct ck_vfile *file, uint64_t size)
{
	struct disk_file *f = file_of(file);

	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	if (size > SIZE_LIMIT)
		return -EFBIG;
	pthread_mutex_lock(&f->disk->lock);
	change_bytes(f->disk, f->slot, (struct op){ .kind = OP_TRUNCATE, .off = size });
	return disk_done(f->disk, CK_DISK_TRUNCATE, f->path, NULL, 0, size);
}

/* Takes the operations on the file's bytes out of the list, making the first `keep` durable. */
static void take_out(struct ck_disk *d, uint32_t slot, struct inode *i, size_t keep)
{
	bool *drop = must(calloc(d->nops + 1, sizeof(*drop)));

	for (size_t k = 0; k < d->nops; k++) {
		const struct op *o = d->ops[k];

		drop[k] = o->slot == slot && o->kind != OP_NAME;
		if (!drop[k] || keep == 0)
			continue;
		op_apply_bytes(o, &i->kept, &i->akept, 0, o->data ? o->data->n : 0);
		keep--;
	}
	ops_drop(d, drop);
	free(drop);
}

static int disk_sync(struct ck_vfile *file)
{
	struct disk_file *f = file_of(file);
	struct ck_disk *d = f->disk;
	struct inode *i;

	pthread_mutex_lock(&d->lock);
	i = inode_own(d, f->slot);
	take_out(d, f->slot, i, i->apart ? SIZE_MAX : 0);
	if (!i->apart) {
		blob_unref(i->kept);
		i->kept = blob_ref(i->now);
		attrs_unref(i->akept);
		i->akept = attrs_ref(i->anow);
	}
	i->synced_mtime = i->mtime;
	return disk_done(d, CK_DISK_SYNC, f->path, NULL, 0, 0);
}

void ck_disk_sync_failed(struct ck_vfile *file, enum ck_disk_lost how)
{
	struct disk_file *f = file_of(file);
	struct ck_disk *d = f->disk;
	struct inode *i;
	size_t n = 0;

	if (how == CK_DISK_STAYS)
		return;
	pthread_mutex_lock(&d->lock);
	i = inode_own(d, f->slot);
	for (size_t k = 0; k < d->nops; k++)
		n += d->ops[k]->slot == f->slot && d->ops[k]->kind != OP_NAME;
	if (n)
		i->apart = true;
	take_out(d, f->slot, i, how == CK_DISK_HALF ? n / 2 : 0);
	pthread_mutex_unlock(&d->lock);
}

static int disk_fstat(struct ck_vfile *file, struct ck_vstat *ret)
{
	struct disk_file *f = file_of(file);

	pthread_mutex_lock(&f->disk->lock);
	disk_examine(f->disk, f->slot, ret);
	return disk_fail(f->disk, 0);
}

static int disk_fd(struct ck_vfile *file)
{
	(void)file;
	return -1;
}

static int disk_lock(struct ck_vfile *file)
{
	struct disk_file *f = file_of(file);
	struct slot *s = &f->disk->slots[f->slot];
	int r = 0;

	pthread_mutex_lock(&f->disk->lock);
	if (s->locker && s->locker != f)
		r = -EWOULDBLOCK;
	else
		s->locker = f;
	return disk_fail(f->disk, r);
}

static int disk_clone(struct ck_vfile *to, uint64_t to_off, struct ck_vfile *from,
		      uint64_t from_off, uint64_t n)
{
	struct disk_file *dst = file_of(to), *src = file_of(from);
	struct ck_disk *d = dst->disk;
	const struct blob *b;

	if (!d->reflink)
		return -EOPNOTSUPP;
	if ((dst->flags & O_ACCMODE) == O_RDONLY || (src->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	pthread_mutex_lock(&d->lock);
	b = inode_of(src)->now;
	if (n == 0 && from_off < b->n)
		n = b->n - from_off;
	/* The length may end within a block at the end of the source alone. */
	if (to_off % CK_DISK_BLOCK || from_off % CK_DISK_BLOCK || from_off > b->n ||
	    n > b->n - from_off || to_off > SIZE_LIMIT ||
	    (n % CK_DISK_BLOCK && from_off + n != b->n))
		return disk_fail(d, -EINVAL);
	if (n == 0)
		return disk_fail(d, 0);
	change_bytes(d, dst->slot, (struct op){ .kind = OP_WRITE, .off = to_off,
						.data = blob_new(b->p + from_off, n) });
	return disk_done(d, CK_DISK_CLONE, dst->path, NULL, to_off, n);
}

static ssize_t disk_copy(struct ck_vfile *to, uint64_t to_off, struct ck_vfile *from,
			 uint64_t from_off, size_t n)
{
	struct disk_file *dst = file_of(to), *src = file_of(from);
	struct ck_disk *d = dst->disk;
	const struct blob *b;

	if ((dst->flags & O_ACCMODE) == O_RDONLY || (src->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (to_off > SIZE_LIMIT || n > SIZE_LIMIT - to_off)
		return -EFBIG;
	pthread_mutex_lock(&d->lock);
	b = inode_of(src)->now;
	if (from_off >= b->n || n == 0)
		return disk_fail(d, 0);
	if (n > b->n - from_off)
		n = b->n - from_off;
	change_bytes(d, dst->slot, (struct op){ .kind = OP_WRITE, .off = to_off,
						.data = blob_new(b->p + from_off, n) });
	disk_done(d, CK_DISK_COPY, dst->path, NULL, to_off, n);
	return (ssize_t)n;
}

static int disk_setxattr(struct ck_vfile *file, const char *name, const void *value, size_t n)
{
	struct disk_file *f = file_of(file);

	pthread_mutex_lock(&f->disk->lock);
	change_bytes(f->disk, f->slot,
		     (struct op){ .kind = OP_XATTR, .path = blob_new(name, strlen(name)),
				  .data = blob_new(value, n) });
	return disk_done(f->disk, CK_DISK_XATTR, f->path, NULL, 0, n);
}

static ssize_t disk_getxattr(struct ck_vfile *file, const char *name, void *value, size_t room)
{
	struct disk_file *f = file_of(file);
	const struct blob *b;
	ssize_t r;

	pthread_mutex_lock(&f->disk->lock);
	b = attrs_get(inode_of(f)->anow, name);
	r = !b ? -ENODATA : room && room < b->n ? -ERANGE : (ssize_t)b->n;
	if (r > 0 && room)
		memcpy(value, b->p, b->n);
	pthread_mutex_unlock(&f->disk->lock);
	return r;
}

static const struct ck_vfs table = {
	.open = disk_open,
	.close = disk_close,
	.pread = disk_pread,
	.pwrite = disk_pwrite,
	.truncate = disk_truncate,
	.sync = disk_sync,
	.fstat = disk_fstat,
	.fd = disk_fd,
	.lock = disk_lock,
	.clone = disk_clone,
	.copy = disk_copy,
	.setxattr = disk_setxattr,
	.getxattr = disk_getxattr,
	.stat = disk_stat,
	.lstat = disk_lstat,
	.readlink = disk_readlink,
	.rename = disk_rename,
	.link = disk_link,
	.symlink = disk_symlink,
	.unlink = disk_unlink,
	.sync_dir = disk_sync_dir,
};

struct ck_disk *ck_disk_new(void)
{
	struct ck_disk *d = must(calloc(1, sizeof(*d)));

	d->vfs = table;
	d->vfs.self = d;
	d->clock = 1;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

const struct ck_vfs *ck_disk_vfs(struct ck_disk *d)
{
	return &d->vfs;
}

void ck_disk_set_reflink(struct ck_disk *d, bool works)
{
	d->reflink = works;
}

void ck_disk_tap(struct ck_disk *d, ck_disk_tap_fn *fn, void *arg)
{
	d->tap = fn;
	d->tap_arg = arg;
}

uint64_t ck_disk_calls(const struct ck_disk *d)
{
	return d->calls;
}

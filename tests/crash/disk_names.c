/* disk_names.c - see disk.h: paths and the calls on names. */
#include "disk_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINKS_LIMIT 8
#define INO_FIRST 11 /* of the first slot, as ext4 has it */

/* Ends a call that changed something: one tick of the clock, and the tap. */
int disk_done(struct ck_disk *d, enum ck_disk_what what, const char *path, const char *to,
		uint64_t off, uint64_t n)
{
	struct ck_disk_call call = { .number = ++d->calls, .what = what, .path = path, .to = to,
				     .off = off, .n = n };

	d->clock++;
	pthread_mutex_unlock(&d->lock);
	if (d->tap)
		d->tap(d->tap_arg, d, &call);
	return 0;
}

int disk_fail(struct ck_disk *d, int r)
{
	pthread_mutex_unlock(&d->lock);
	return r;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* Makes the path absolute and takes "//", "." and ".." out. */
static int normalise(const char *path, char out[PATH_ROOM])
{
	size_t n = 0;

	if (!*path)
		return -ENOENT;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0) {
			while (n && out[n - 1] != '/')
				n--;
			n -= n > 0;
		} else if (len && !(len == 1 && *path == '.')) {
			if (n + len + 2 > PATH_ROOM)
				return -ENAMETOOLONG;
			out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		path += len;
		path += *path == '/';
	}
	if (!n)
		out[n++] = '/';
	out[n] = '\0';
	return 0;
}

bool path_is_folder(const struct ck_disk *d, const char *path, size_t n)
{
	if (n == 0 || (n == 1 && *path == '/'))
		return true;
	for (size_t i = 0; i < d->nfolders; i++)
		if (d->folders[i]->n == n && memcmp(d->folders[i]->p, path, n) == 0)
			return true;
	return false;
}

static size_t folder_len(const char *path)
{
	return (size_t)(strrchr(path, '/') - path);
}

static uint32_t slot_at(struct ck_disk *d, const char *path)
{
	ssize_t at = name_find(d, path);

	return at < 0 ? NO_SLOT : d->names[at].now;
}

/* The normalised path, symlinks in its last component followed. Answers 0 with *slot NO_SLOT where
 * there is nothing but could be something. */
int path_resolve(struct ck_disk *d, const char *path, bool follow, char out[PATH_ROOM],
		   uint32_t *slot)
{
	char next[2 * PATH_ROOM];
	int r = normalise(path, out);

	for (int links = 0; r == 0; links++) {
		const struct inode *i;

		if (!path_is_folder(d, out, folder_len(out)))
			return slot_at(d, out) == NO_SLOT ? -ENOENT : -ENOTDIR;
		*slot = slot_at(d, out);
		if (*slot == NO_SLOT || !follow)
			return 0;
		i = d->slots[*slot].inode;
		if (!S_ISLNK(i->mode))
			return 0;
		if (links == LINKS_LIMIT)
			return -ELOOP;
		if (i->now->n && i->now->p[0] == '/')
			snprintf(next, sizeof(next), "%.*s", (int)i->now->n, (char *)i->now->p);
		else
			snprintf(next, sizeof(next), "%.*s/%.*s", (int)folder_len(out), out,
				 (int)i->now->n, (char *)i->now->p);
		r = normalise(next, out);
	}
	return r;
}

/* Changes a name and remembers it as pending. */
void name_change(struct ck_disk *d, const char *path, uint32_t slot, const char *from)
{
	struct op o = { .kind = OP_NAME, .slot = slot, .path = blob_new(path, strlen(path)) };

	name_at(d, o.path)->now = slot;
	if (from) {
		o.from = blob_new(from, strlen(from));
		name_at(d, o.from)->now = NO_SLOT;
	}
	op_add(d, o);
	disk_sweep(d);
}

/* --- names ------------------------------------------------------------------------------------ */

static struct timespec as_timespec(uint64_t clock)
{
	/* Since some day in 2023; ticks of a millisecond and a bit, for nanoseconds that matter. */
	return (struct timespec){ .tv_sec = (time_t)(1700000000 + clock / 1000),
				  .tv_nsec = (long)(clock % 1000) * 1000001 };
}

void disk_examine(struct ck_disk *d, uint32_t slot, struct ck_vstat *ret)
{
	const struct inode *i = d->slots[slot].inode;

	*ret = (struct ck_vstat){
		.dev = 1,
		.ino = INO_FIRST + slot,
		.size = i->now->n,
		.nlink = name_count(d, slot),
		.mode = i->mode,
		.mtime = as_timespec(i->mtime),
		.ctime = as_timespec(i->ctime),
		.btime = as_timespec(i->btime),
	};
}

static int stat_path(const struct ck_vfs *v, const char *path, bool follow, struct ck_vstat *ret)
{
	struct ck_disk *d = disk_of(v);
	char at[PATH_ROOM];
	uint32_t slot;
	int r;

	pthread_mutex_lock(&d->lock);
	r = path_resolve(d, path, follow, at, &slot);
	if (r == 0 && path_is_folder(d, at, strlen(at)))
		*ret = (struct ck_vstat){ .dev = 1, .ino = 2, .nlink = 2, .mode = S_IFDIR | 0755 };
	else if (r == 0 && slot == NO_SLOT)
		r = -ENOENT;
	else if (r == 0)
		disk_examine(d, slot, ret);
	return disk_fail(d, r);
}

int disk_stat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret)
{
	return stat_path(v, path, true, ret);
}

int disk_lstat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret)
{
	return stat_path(v, path, false, ret);
}

ssize_t disk_readlink(const struct ck_vfs *v, const char *path, char *p, size_t room)
{
	struct ck_disk *d = disk_of(v);
	const struct inode *i;
	char at[PATH_ROOM];
	uint32_t slot;
	int r;

	pthread_mutex_lock(&d->lock);
	r = path_resolve(d, path, false, at, &slot);
	if (r == 0 && slot == NO_SLOT)
		r = path_is_folder(d, at, strlen(at)) ? -EINVAL : -ENOENT;
	if (r < 0)
		return disk_fail(d, r);
	i = d->slots[slot].inode;
	if (!S_ISLNK(i->mode))
		return disk_fail(d, -EINVAL);
	if (room > i->now->n)
		room = i->now->n;
	memcpy(p, i->now->p, room);
	pthread_mutex_unlock(&d->lock);
	return (ssize_t)room;
}

int disk_rename(const struct ck_vfs *v, const char *from, const char *to)
{
	struct ck_disk *d = disk_of(v);
	char a[PATH_ROOM], b[PATH_ROOM];
	uint32_t slot, old;
	int r;

	pthread_mutex_lock(&d->lock);
	r = path_resolve(d, from, false, a, &slot);
	if (r == 0 && slot == NO_SLOT)
		r = -ENOENT;
	if (r == 0)
		r = path_resolve(d, to, false, b, &old);
	if (r == 0 && path_is_folder(d, b, strlen(b)))
		r = -EISDIR;
	if (r < 0 || slot == old) /* two names of one file: POSIX leaves both */
		return disk_fail(d, r);
	name_change(d, b, slot, a);
	d->slots[slot].inode = inode_own(d, slot);
	d->slots[slot].inode->ctime = d->clock;
	return disk_done(d, CK_DISK_RENAME, a, b, 0, 0);
}

int disk_link(const struct ck_vfs *v, const char *from, const char *to)
{
	struct ck_disk *d = disk_of(v);
	char a[PATH_ROOM], b[PATH_ROOM];
	uint32_t slot, old;
	int r;

	pthread_mutex_lock(&d->lock);
	r = path_resolve(d, from, false, a, &slot);
	if (r == 0 && slot == NO_SLOT)
		r = -ENOENT;
	if (r == 0)
		r = path_resolve(d, to, false, b, &old);
	if (r == 0 && (old != NO_SLOT || path_is_folder(d, b, strlen(b))))
		r = -EEXIST;
	if (r < 0)
		return disk_fail(d, r);
	name_change(d, b, slot, NULL);
	return disk_done(d, CK_DISK_LINK, a, b, 0, 0);
}

int disk_symlink(const struct ck_vfs *v, const char *target, const char *path)
{
	struct ck_disk *d = disk_of(v);
	char at[PATH_ROOM];
	uint32_t slot;
	int r;

	pthread_mutex_lock(&d->lock);
	r = path_resolve(d, path, false, at, &slot);
	if (r == 0 && (slot != NO_SLOT || path_is_folder(d, at, strlen(at))))
		r = -EEXIST;
	if (r < 0)
		return disk_fail(d, r);
	slot = inode_new(d, S_IFLNK | 0777, blob_new(target, strlen(target)));
	name_change(d, at, slot, NULL);
	return disk_done(d, CK_DISK_SYMLINK, at, NULL, 0, 0);
}

int disk_unlink(const struct ck_vfs *v, const char *path)
{
	struct ck_disk *d = disk_of(v);
	char at[PATH_ROOM];
	uint32_t slot;
	int r;

	pthread_mutex_lock(&d->lock);
	r = path_resolve(d, path, false, at, &slot);
	if (r == 0 && slot == NO_SLOT)
		r = path_is_folder(d, at, strlen(at)) ? -EISDIR : -ENOENT;
	if (r < 0)
		return disk_fail(d, r);
	name_change(d, at, NO_SLOT, NULL);
	return disk_done(d, CK_DISK_UNLINK, at, NULL, 0, 0);
}

static bool share_path(const struct op *a, const struct op *b)
{
	const struct blob *mine[] = { a->path, a->from }, *its[] = { b->path, b->from };

	for (int i = 0; i < 4; i++) {
		const struct blob *x = mine[i / 2], *y = its[i % 2];

		if (x && y && x->n == y->n && memcmp(x->p, y->p, x->n) == 0)
			return true;
	}
	return false;
}

int disk_sync_dir(const struct ck_vfs *v, const char *path)
{
	struct ck_disk *d = disk_of(v);
	char at[PATH_ROOM];
	bool *drop;
	size_t n;
	int r;

	pthread_mutex_lock(&d->lock);
	r = normalise(path, at);
	n = r == 0 ? folder_len(at) : 0;
	if (r == 0 && !path_is_folder(d, at, n))
		r = -ENOENT;
	if (r < 0)
		return disk_fail(d, r);
	drop = must(calloc(d->nops + 1, sizeof(*drop)));
	/* With what came before of the same names: a rename into another folder settles both. */
	for (size_t i = d->nops; i-- > 0;) {
		const struct op *o = d->ops[i];

		drop[i] = o->kind == OP_NAME &&
			  (lies_in(o->path, at, n) || lies_in(o->from, at, n));
		for (size_t k = i + 1; o->kind == OP_NAME && k < d->nops && !drop[i]; k++)
			drop[i] = drop[k] && share_path(o, d->ops[k]);
	}
	for (size_t i = 0; i < d->nops; i++) {
		const struct op *o = d->ops[i];

		if (!drop[i])
			continue;
		name_at(d, o->path)->kept = o->slot;
		if (o->from)
			name_at(d, o->from)->kept = NO_SLOT;
	}
	ops_drop(d, drop);
	free(drop);
	disk_sweep(d);
	return disk_done(d, CK_DISK_SYNC_DIR, at, NULL, 0, 0);
}


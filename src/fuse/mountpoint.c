/* mountpoint.c - see mountpoint.h. */
#include "fuse/mountpoint.h"

#include "base/mountinfo.h"
#include "core/ckpt.h"
#include "fuse/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUR_TYPE "fuse.ckptfuse"
#define MANY 64 /* dead mounts on top of each other that are cleared away at most */

/* The folder that SOURCE stands for, or NULL. */
static const char *folder_of(const struct ck_location *where)
{
	return where->folder && !*where->folder ? "." : where->folder;
}

static bool is_dead(int errnum)
{
	return errnum == ENOTCONN || errnum == ECONNABORTED;
}

/* fusermount3 for those who may not unmount by themselves. */
static int detach_as_user(const char *path)
{
	char *const argv[] = { "fusermount3", "-u", "-z", "-q", "--", (char *)(uintptr_t)path,
			       NULL };
	int status;
	pid_t pid;
	int r;

	r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int detach(const char *real, struct ck_err *err)
{
	if (umount2(real, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno == EPERM && detach_as_user(real) == 0)
		return 0;
	return ck_fail(err, CK_MOUNT, EBUSY,
		       "%s: a mount whose program has died is in the way: remove it with "
		       "fusermount3 -u -z %s", real, real);
}

/* Clears dead mounts of ours away; refuses one that lives. */
static int clear_away(const char *real, struct ck_err *err)
{
	struct ck_mounted there;
	int r = 0;

	for (int i = 0; r == 0 && i < MANY && ck_mountinfo_find(real, &there); i++) {
		int fd, errnum;

		if (strcmp(there.type, OUR_TYPE) != 0) {
			ck_mounted_done(&there);
			return 0;
		}
		/* Attributes of the root may be cached long after the end, an open is not. */
		fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		errnum = fd < 0 ? errno : 0;
		if (fd >= 0)
			close(fd);
		r = is_dead(errnum) ? detach(real, err) :
		    ck_fail(err, CK_BUSY, EBUSY, "%s: %s is mounted there: unmount it first: "
			    "umount %s", real, there.source, real);
		ck_mounted_done(&there);
	}
	return r;
}

/* Last component as typed, or NULL where it is not a name that a folder could be called after. */
static char *typed_name(const char *source)
{
	size_t end = strlen(source), start;

	while (end && source[end - 1] == '/')
		end--;
	for (start = end; start && source[start - 1] != '/'; start--)
		;
	if (end == start || (end - start == 1 && source[start] == '.') ||
	    (end - start == 2 && memcmp(source + start, "..", 2) == 0))
		return NULL;
	return strndup(source + start, end - start);
}

static char *name_of(const char *source)
{
	char *name = typed_name(source), *real;

	if (name)
		return name;
	real = realpath(source, NULL);
	name = real ? typed_name(real) : NULL;
	free(real);
	return name ? name : strdup("root");
}

/* NAME.mnt in the current folder, or beside the source's folder where that lies around it. */
static char *default_path(const char *source, const char *cwd, const struct ck_location *where)
{
	char *folder = folder_of(where) ? realpath(folder_of(where), NULL) : NULL;
	char *name = name_of(source), *path = NULL, *beside = NULL;
	struct stat st;

	if (folder && stat(folder, &st) == 0 && ck_path_lies_in(cwd, &st))
		beside = ck_path_parent(folder);
	if (!name || asprintf(&path, "%s/%s.mnt", beside ? beside : cwd, name) < 0)
		path = NULL;
	free(name);
	free(folder);
	free(beside);
	return path;
}

static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e = NULL;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			break;
	if (d)
		closedir(d);
	return d && !e;
}

static int make(struct ck_mountpoint *mp, struct ck_err *err)
{
	if (mkdir(mp->path, 0777) == 0) {
		mp->created = true;
		return 0;
	}
	if (errno != EEXIST)
		return ck_fail(err, CK_MOUNT, errno, "%s: cannot be created: %s: "
			       "name a MOUNTPOINT", mp->path, strerror(errno));
	return 0;
}

static int check_folder(const char *path, struct stat *ret, struct ck_err *err)
{
	if (stat(path, ret) < 0) {
		if (errno == ENOENT)
			return ck_fail(err, CK_MOUNT, ENOENT, "%s: there is no such folder: create "
				       "it first, or leave MOUNTPOINT out", path);
		if (is_dead(errno))
			return ck_fail(err, CK_MOUNT, errno, "%s: a mount whose program has died "
				       "is in the way: remove it with umount -l %s", path, path);
		return ck_fail(err, CK_MOUNT, errno, "%s: cannot be mounted on: %s", path,
			       strerror(errno));
	}
	if (!S_ISDIR(ret->st_mode))
		return ck_fail(err, CK_MOUNT, ENOTDIR,
			       "%s: is a file: a mount point has to be a folder", path);
	return 0;
}

/* Whether the mount point, described by *mp, is or holds the folder of a source file. */
static bool holds(const struct stat *mp, const char *file, bool is_folder)
{
	char *parent = is_folder ? strdup(file) : ck_path_parent(file);
	char *real = parent ? realpath(parent, NULL) : NULL;
	bool answer = real && ck_path_lies_in(real, mp);

	free(parent);
	free(real);
	return answer;
}

/* The same for the file that a symlink leads to. */
static bool holds_target(const struct stat *mp, const char *file)
{
	char *real = realpath(file, NULL);
	bool answer = real && holds(mp, real, false);

	free(real);
	return answer;
}

static bool holds_source(const struct stat *mp, const struct ck_location *where,
			 const struct ck_model *m)
{
	const char *folder = folder_of(where);
	const char *path;

	if (holds(mp, where->prefix, false) || (folder && holds(mp, folder, true)))
		return true;
	if (m->index && holds_target(mp, ck_source_path(m->index)))
		return true;
	for (uint32_t i = 0; i < m->nshards; i++) {
		path = m->shards[i].source ? ck_source_path(m->shards[i].source) : NULL;
		if (path && holds_target(mp, path))
			return true;
	}
	return false;
}

static int check_apart(const char *path, const struct stat *mp, const char *source,
		       const struct ck_location *where, const struct ck_model *m,
		       const char *const *written, struct ck_err *err)
{
	const char *folder = folder_of(where);
	struct stat st;

	if (folder && stat(folder, &st) == 0 && ck_path_lies_in(path, &st))
		return ck_fail(err, CK_MOUNT, EINVAL,
			       "%s: lies in the source's folder: mount elsewhere, or the program "
			       "would read itself", path);
	if (holds_source(mp, where, m))
		return ck_fail(err, CK_MOUNT, EINVAL, "%s: holds the source (%s): mount elsewhere, "
			       "or the program would read itself", path, source);
	for (; written && *written; written++)
		if (holds(mp, *written, false))
			return ck_fail(err, CK_MOUNT, EINVAL, "%s: holds %s: mount elsewhere, or "
				       "the program would write to itself", path, *written);
	return 0;
}

static bool is_passed(const char *typed)
{
	unsigned fd;
	int end = 0;

	return typed && sscanf(typed, "/dev/fd/%u%n", &fd, &end) == 1 && !typed[end];
}

int ck_mountpoint_choose(const char *typed, const char *source, const char *cwd,
			 const struct ck_location *where, struct ck_mountpoint *ret,
			 struct ck_err *err)
{
	struct ck_mountpoint mp = { .by_default = !typed, .passed = is_passed(typed) };
	char *path = typed ? strdup(typed) : default_path(source, cwd, where);
	int r = 0;

	*ret = (struct ck_mountpoint){ 0 };
	if (!path)
		return ck_fail_nomem(err, source);
	mp.path = mp.passed ? strdup(path) : ck_path_real(path);
	if (mp.path)
		*ret = mp;
	else
		r = ck_fail(err, CK_MOUNT, errno, "%s: cannot be mounted on: %s", path,
			    strerror(errno));
	free(path);
	return r;
}

int ck_mountpoint_prepare(struct ck_mountpoint *mp, const char *source,
			  const struct ck_location *where, const struct ck_model *model,
			  const char *const *written, struct ck_err *err)
{
	struct stat st;
	int r;

	if (mp->passed)
		return 0;
	r = clear_away(mp->path, err);
	if (r == 0 && mp->by_default)
		r = make(mp, err);
	if (r == 0)
		r = check_folder(mp->path, &st, err);
	if (r == 0)
		r = check_apart(mp->path, &st, source, where, model, written, err);
	if (r == 0 && mp->by_default && !mp->created && !is_empty(mp->path))
		r = ck_fail(err, CK_MOUNT, ENOTEMPTY,
			    "%s: exists and has files in it: name a MOUNTPOINT", mp->path);
	return r;
}

void ck_mountpoint_done(struct ck_mountpoint *mp)
{
	if (mp->created)
		rmdir(mp->path);
	free(mp->path);
	*mp = (struct ck_mountpoint){ 0 };
}

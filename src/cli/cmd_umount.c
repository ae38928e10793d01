/*
 * cmd_umount.c - ckptctl umount: publishes, unmounts, and returns when the daemon has gone.
 *
 * umount(8) returns once the mount point is free, while the daemon still finishes. Scripts that go
 * on to move or delete the checkpoint need to wait for its end, so its process is taken hold of
 * before the mount is given up.
 */
#include "cli/cli.h"

#include "base/mountinfo.h"
#include "cli/through.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_SECONDS 60 /* for the daemon, once the mount is gone */

extern char **environ;

/* The path as the kernel has it. A dead mount cannot be looked at, its parent can. */
static char *resolve(const char *path)
{
	struct ck_buf b = CK_BUF_INIT;
	char *whole = realpath(path, NULL), *parent, *copy, *slash;
	size_t n = strlen(path);

	if (whole || (errno != ENOTCONN && errno != ECONNABORTED))
		return whole;
	while (n > 1 && path[n - 1] == '/')
		n--;
	copy = strndup(path, n);
	if (!copy)
		return NULL;
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	parent = realpath(!slash ? "." : *copy ? copy : "/", NULL);
	if (parent)
		ck_buf_printf(&b, "%s/%s", strcmp(parent, "/") ? parent : "",
			      slash ? slash + 1 : copy);
	free(parent);
	free(copy);
	return b.p;
}

/* Whether the topmost mount at the path is one of ours. */
static bool is_ours(const char *path)
{
	struct ck_mounted m;
	bool ours;

	if (!ck_mountinfo_find(path, &m))
		return false;
	ours = strcmp(m.type, "fuse.ckptfuse") == 0;
	ck_mounted_done(&m);
	return ours;
}

/*
 * Takes the mount away as fusermount3 does for its owner. What it says goes to words, since only
 * its text tells a busy mount from another failure.
 */
static int fusermount(const char *path, char *words, size_t room)
{
	char *argv[] = { "fusermount3", "-u", "--", (char *)(uintptr_t)path, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], status = 0, r;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	while (r == 0 && n < room - 1 && (got = read(fds[0], words + n, room - 1 - n)) != 0) {
		if (got < 0 && errno != EINTR)
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	close(fds[0]);
	words[n] = '\0';
	words[strcspn(words, "\n")] = '\0';
	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return strstr(words, strerror(EBUSY)) ? -EBUSY : -EIO;
}

static int detach(const char *mount, const char *path, struct ck_err *err)
{
	char words[500] = "";
	int r = umount2(path, UMOUNT_NOFOLLOW) < 0 ? -errno : 0;

	if (r == -EPERM)
		r = fusermount(path, words, sizeof(words));
	if (r == -EBUSY)
		return ck_fail(err, CK_BUSY, EBUSY,
			       "%s: busy: end the programs that use it (fuser -vm %s lists them)",
			       mount, mount);
	if (r == -ENOENT)
		return ck_fail(err, CK_MOUNT, ENOENT,
			       "%s: cannot be unmounted without fusermount3: install fuse3", mount);
	if (r < 0)
		return ck_fail(err, CK_MOUNT, -r, "%s: cannot be unmounted: %s", mount,
			       *words ? words : strerror(-r));
	return 0;
}

static int wait_for(int pidfd, pid_t pid, const char *mount, struct ck_err *err)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, WAIT_SECONDS * 1000);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		return 0;
	return ck_fail(err, CK_BUSY, ETIMEDOUT,
		       "%s: unmounted, but its daemon, process %d, has not ended in %d seconds: "
		       "look at what it waits for",
		       mount, (int)pid, WAIT_SECONDS);
}

/* The daemon's process, as status.json has it; 0 where it cannot be known. */
static pid_t daemon_of(const struct ck_through *t)
{
	return (pid_t)json_integer_value(json_object_get(t->status, "pid"));
}

/*
 * Publishes as the unmount is about to, since only a write can be answered with how it went. What
 * cannot be published stays in the journal, and does not keep the mount.
 */
static int publish(const struct ck_through *t, struct ck_err *err)
{
	struct ck_err why = CK_ERR_INIT;
	int r = ck_through_control(t, "commit", "umount\n", &why);

	if (r < 0)
		return ck_fail(err, CK_PUBLISH, why.errnum,
			       "%s: unmounted, and its journal keeps the edits: ckptctl status %s "
			       "shows them",
			       why.text, t->source);
	return r;
}

static int unmount(const char *mount, struct ck_err *err)
{
	char *path = resolve(mount);
	struct ck_err unpublished = CK_ERR_INIT;
	struct ck_through t = { 0 };
	int pidfd = -1, r;
	pid_t pid = 0;

	if (!path)
		return ck_fail(err, CK_USAGE, errno,
			       "%s: %s: give the folder that it is mounted on", mount,
			       strerror(errno));
	if (!is_ours(path)) {
		free(path);
		return ck_fail(err, CK_USAGE, EINVAL,
			       "%s: no checkpoint is mounted here: findmnt -t fuse.ckptfuse lists "
			       "where",
			       mount);
	}
	if (ck_through_look(path, &t)) {
		pid = daemon_of(&t);
		if (t.writable)
			publish(&t, &unpublished);
		ck_through_done(&t);
	}
	if (pid > 0)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	r = detach(mount, path, err);
	if (r == 0 && unpublished.cls != CK_OK)
		r = ck_fail(err, CK_PUBLISH, unpublished.errnum, "%s", unpublished.text);
	if (pidfd >= 0 && (r == 0 || err->cls == CK_PUBLISH)) {
		struct ck_err late = CK_ERR_INIT;

		if (wait_for(pidfd, pid, mount, &late) < 0 && r == 0)
			r = ck_fail(err, late.cls, late.errnum, "%s", late.text);
	}
	if (pidfd >= 0)
		close(pidfd);
	free(path);
	return r;
}

static int run(const struct ck_args *args)
{
	struct ck_err err = CK_ERR_INIT;

	return unmount(args->source, &err) < 0 ? ck_cli_fail(&err) : 0;
}

const struct ck_command ck_cmd_umount = {
	.name = "umount",
	.operands = "MOUNTPOINT",
	.summary = "publishes, unmounts, waits until the daemon has ended",
	.help = "Publishes what is staged, unmounts, and returns when the daemon has ended. What\n"
		"cannot be published stays in the journal, and the exit status is 7. A mount whose\n"
		"daemon has died (\"Transport endpoint is not connected\") is taken away too.",
	.run = run,
};

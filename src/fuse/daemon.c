/* daemon.c - see daemon.h. */
#include "fuse/daemon.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 10 /* seconds that news of a failure wait for a reader */

void ck_daemon_fill_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

void ck_daemon_init(struct ck_daemon *d, const char *notify_pipe)
{
	*d = (struct ck_daemon){ .notify_pipe = notify_pipe, .status_fd = -1 };
	pthread_mutex_init(&d->lock, NULL);
}

/* The parent's whole life: waits for the byte, or for the child's death without one. */
static void wait_and_exit(int fd, pid_t child, const char *what)
{
	uint8_t code;
	ssize_t got;
	int status;

	do
		got = read(fd, &code, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		exit(code);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		ck_log("%s: the program was killed by signal %d (%s) before the mount was usable",
		       what, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		ck_log("%s: the program ended before the mount was usable", what);
	exit(CK_MOUNT);
}

int ck_daemon_fork(struct ck_daemon *d, const char *what, struct ck_err *err)
{
	pid_t parent = getpid(), pid;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return ck_fail(err, CK_MOUNT, errno, "%s: no pipe: %s", what, strerror(errno));
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return ck_fail(err, CK_MOUNT, errno, "%s: cannot start in the background: %s: "
			       "use -f, or raise the limit on processes", what, strerror(errno));
	}
	if (pid > 0) {
		close(fds[1]);
		wait_and_exit(fds[0], pid, what);
	}
	close(fds[0]);
	setsid();
	/* Whoever interrupts the command does not want the mount any more. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(CK_MOUNT);
	d->status_fd = fds[1];
	return 0;
}

void ck_daemon_outlive(void)
{
	prctl(PR_SET_PDEATHSIG, 0);
}

/* False where the parent is not there any more. */
static bool tell_parent(struct ck_daemon *d, enum ck_class code)
{
	uint8_t byte = (uint8_t)code;
	ssize_t put;

	if (d->status_fd < 0)
		return true;
	do
		put = write(d->status_fd, &byte, 1);
	while (put < 0 && errno == EINTR);
	close(d->status_fd);
	d->status_fd = -1;
	return put == 1;
}

/* Opening a pipe waits for its reader, who may be about to come. */
static void tell_pipe(const struct ck_daemon *d, char c)
{
	int fd = d->notify_pipe ? open(d->notify_pipe, O_WRONLY | O_CLOEXEC | O_NOCTTY) : -1;

	if (fd < 0)
		return;
	if (write(fd, &c, 1) < 0)
		ck_log("%s: cannot be written to: %s", d->notify_pipe, strerror(errno));
	close(fd);
}

static void leave(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (chdir("/") < 0)
		ck_log("/: %s", strerror(errno));
}

static bool first_to_tell(struct ck_daemon *d)
{
	bool first;

	pthread_mutex_lock(&d->lock);
	first = !d->told;
	d->told = true;
	pthread_mutex_unlock(&d->lock);
	return first;
}

bool ck_daemon_ready(struct ck_daemon *d)
{
	if (!first_to_tell(d))
		return false;
	if (d->status_fd >= 0) {
		ck_log_open("ckptfuse", CK_LOG_SYSLOG);
		leave();
	}
	if (!tell_parent(d, CK_OK))
		return false;
	tell_pipe(d, 's');
	return true;
}

bool ck_daemon_has_told(struct ck_daemon *d)
{
	bool told;

	pthread_mutex_lock(&d->lock);
	told = d->told;
	pthread_mutex_unlock(&d->lock);
	return told;
}

static void on_alarm(int sig)
{
	(void)sig;
}

void ck_daemon_failed(struct ck_daemon *d, enum ck_class code)
{
	struct sigaction act = { .sa_handler = on_alarm };

	if (!first_to_tell(d))
		return;
	ck_daemon_outlive(); /* the parent ends when told; the pipe is still to be */
	tell_parent(d, code);
	if (!d->notify_pipe)
		return;
	/* Nobody waits for the end of a program whose reader never comes. */
	sigaction(SIGALRM, &act, NULL);
	alarm(PATIENCE);
	tell_pipe(d, 'f');
	alarm(0);
}

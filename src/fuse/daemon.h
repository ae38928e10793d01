/*
 * daemon.h - into the background, and the true status back to those who wait for it.
 *
 * The program forks before it opens anything or has threads. The parent waits on a pipe for the
 * child's exit code: 0 once the mount is usable, else why it is not. The same news goes to the
 * pipe that -o notify_pipe= names, as 's' or 'f'. News are told once, and by whoever comes first:
 * the thread that sees the mount answer, or the main thread when something has failed.
 */
#ifndef CK_FUSE_DAEMON_H
#define CK_FUSE_DAEMON_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>

struct ck_daemon {
	const char *notify_pipe; /* absolute, or NULL */
	int status_fd; /* to the parent; -1 in the foreground */
	pthread_mutex_t lock;
	bool told; /* under lock */
};

/* Opens /dev/null on those of the descriptors 0 to 2 that are closed. First of all. */
void ck_daemon_fill_fds(void);

void ck_daemon_init(struct ck_daemon *d, const char *notify_pipe);

/* Forks and returns in the child; the parent waits and exits. what: for its message. */
int ck_daemon_fork(struct ck_daemon *d, const char *what, struct ck_err *err);

/* From here on the end of the parent does not end the child. By the thread that forked. */
void ck_daemon_outlive(void);

/* The mount is usable: lets go of the terminal and the current folder, and tells. False where it
 * is too late, as failure has been told or the parent has been killed while it waited. May block
 * until somebody reads the notify pipe. */
bool ck_daemon_ready(struct ck_daemon *d);

bool ck_daemon_has_told(struct ck_daemon *d);

/* The program will end with this code; nothing is told twice. Last of all. */
void ck_daemon_failed(struct ck_daemon *d, enum ck_class code);

#endif

/*
 * signals.h - the thread that takes SIGTERM, SIGINT and SIGHUP.
 *
 * All other threads have these blocked, so that no request is ever interrupted by one, and what a
 * signal asks for is done outside of any handler and any request. SIGTERM and SIGINT end the
 * session, a writable mount having published before; SIGHUP has the source looked at again
 * (reload.h).
 */
#ifndef CK_FUSE_SIGNALS_H
#define CK_FUSE_SIGNALS_H

#include "fuse/mount.h"

struct ck_signals {
	struct ck_mount *m;
	pthread_t thread;
	pthread_t main; /* runs the session's loop */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool left; /* the main thread is out of the loop; under lock */
	bool started;
};

/* Blocks the signals in the calling thread and those that it will make; ignores SIGPIPE. */
void ck_signals_block(void);

/* Starts the thread; called by the thread that will run the session's loop. */
int ck_signals_start(struct ck_signals *s, struct ck_mount *m, struct ck_err *err);

/* Has the main thread leave the session's loop, and waits until it has. By any other thread. */
void ck_signals_end_session(struct ck_signals *s);

/* The main thread has left the loop (or never got there). Returns when the signal thread is gone
 * and nobody uses the session any more. */
void ck_signals_stop(struct ck_signals *s);

#endif

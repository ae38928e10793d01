/*
 * publisher.h - the thread that publishes and discards what a writable mount has staged.
 *
 * Before publishing, the kernel has to write back the pages that programs changed through mappings,
 * and it does so by sending requests. So neither a request nor the main thread may do it, least of
 * all with -s, where one thread serves them all: whoever wants something published leaves a job
 * here. The answer to a request that asked for it is sent from this thread.
 *
 * Jobs are done one at a time, in order. With commit=N there is one every N seconds besides.
 *
 * No lock is held while the kernel writes back. After the last job (ck_publisher_last) nothing is
 * asked of the kernel any more, since nobody may be there to serve it.
 */
#ifndef CK_FUSE_PUBLISHER_H
#define CK_FUSE_PUBLISHER_H

#include "base/err.h"
#include "fuse/fuse.h"

#include <pthread.h>
#include <stdbool.h>

struct ck_mount;
struct ck_job;

struct ck_publisher {
	struct ck_mount *m;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ck_job *first, *last; /* under lock, as all below */
	bool started;
	bool stopping; /* ends once there are no jobs left */
	bool alone; /* the last job was done: the kernel is not to be asked for anything */
	char *said; /* why commit=N failed last, which is said once */
};

int ck_publisher_start(struct ck_publisher *p, struct ck_mount *m, struct ck_err *err);
/* Does what is left to do and ends the thread. When the session's loop has ended. */
void ck_publisher_stop(struct ck_publisher *p);

/* Publishes, then answers the request: a write of that many bytes, or 0 for a sync. flags:
 * CK_PUBLISH_*. */
void ck_publisher_publish(struct ck_publisher *p, fuse_req_t req, size_t written, unsigned flags);

/* Drops what the text names (ck_rw_discard), then answers the write. */
void ck_publisher_discard(struct ck_publisher *p, fuse_req_t req, const char *text, size_t written);

/* Has everything published that this mount has staged, unless commit=manual, and returns when that
 * is over. For the signal thread, before it ends the session. */
void ck_publisher_last(struct ck_publisher *p);

#endif

/* publisher.c - see publisher.h. */
#include "fuse/publisher.h"

#include "base/log.h"
#include "fuse/rw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	PUBLISH,
	DISCARD,
	LAST,
};

struct ck_job {
	struct ck_job *next;
	enum kind kind;
	unsigned flags;
	fuse_req_t req; /* NULL: LAST, whose owner waits for done */
	size_t written;
	char *text; /* DISCARD */
	bool done; /* under lock */
};

static bool is_alone(struct ck_publisher *p)
{
	bool alone;

	pthread_mutex_lock(&p->lock);
	alone = p->alone;
	pthread_mutex_unlock(&p->lock);
	return alone;
}

/* Has the kernel drop its pages of these files; those that were changed it writes back before. Of
 * one that it does not know any more it has none. */
static void drop_pages(struct ck_publisher *p, const struct ck_buf *inos)
{
	fuse_ino_t ino;

	if (is_alone(p) || ck_buf_failed(inos))
		return;
	for (size_t at = 0; at < inos->n; at += sizeof(ino)) {
		memcpy(&ino, inos->p + at, sizeof(ino));
		fuse_lowlevel_notify_inval_inode(p->m->session, ino, 0, 0);
	}
}

static void write_back(struct ck_publisher *p)
{
	ck_auto_buf struct ck_buf inos = CK_BUF_INIT;

	ck_rw_opens_written(p->m->rw, &inos);
	drop_pages(p, &inos);
}

static void drop_outdated(struct ck_publisher *p)
{
	ck_auto_buf struct ck_buf inos = CK_BUF_INIT;

	ck_rw_opens_outdated(p->m->rw, &inos);
	drop_pages(p, &inos);
}

static int publish(struct ck_publisher *p, unsigned flags, struct ck_err *err)
{
	int r;

	write_back(p);
	r = ck_rw_publish(p->m->rw, flags, err);
	drop_outdated(p);
	return r;
}

static void answer(struct ck_job *job, int r)
{
	if (r < 0)
		fuse_reply_err(job->req, -r);
	else if (job->written)
		fuse_reply_write(job->req, job->written);
	else
		fuse_reply_err(job->req, 0);
}

static void run(struct ck_publisher *p, struct ck_job *job)
{
	struct ck_err err = CK_ERR_INIT;
	int r = 0;

	switch (job->kind) {
	case PUBLISH:
		r = publish(p, job->flags, &err);
		break;
	case DISCARD:
		write_back(p); /* or it would come after */
		r = ck_rw_discard(p->m, job->text);
		drop_outdated(p);
		break;
	case LAST:
		/* What fails here is tried again when the session has ended, and told then. */
		if (!p->m->opt->manual)
			publish(p, 0, NULL);
		break;
	}
	if (err.cls != CK_OK)
		ck_log("%s", err.text);
	if (job->req)
		answer(job, r);
}

/* commit=N. What keeps failing for the same reason is not said every N seconds. */
static void run_by_the_clock(struct ck_publisher *p)
{
	struct ck_err err = CK_ERR_INIT;
	int r = publish(p, 0, &err);

	if (r < 0 && !(p->said && strcmp(p->said, err.text) == 0))
		ck_log("%s", err.text);
	free(p->said);
	p->said = r < 0 ? strdup(err.text) : NULL;
}

static void set_deadline(const struct ck_publisher *p, struct timespec *ret)
{
	clock_gettime(CLOCK_MONOTONIC, ret);
	ret->tv_sec += p->m->opt->commit_seconds;
}

/* Waits for something to happen. True: it is time to publish. */
static bool wait_locked(struct ck_publisher *p, const struct timespec *deadline)
{
	if (!p->m->opt->commit_seconds || p->alone) {
		pthread_cond_wait(&p->changed, &p->lock);
		return false;
	}
	return pthread_cond_timedwait(&p->changed, &p->lock, deadline) == ETIMEDOUT;
}

static void *publisher(void *arg)
{
	struct ck_publisher *p = arg;
	struct timespec deadline;

	set_deadline(p, &deadline);
	pthread_mutex_lock(&p->lock);
	while (p->first || !p->stopping) {
		struct ck_job *job = p->first;
		bool waited;

		if (!job) {
			if (!wait_locked(p, &deadline))
				continue;
			pthread_mutex_unlock(&p->lock);
			run_by_the_clock(p);
			set_deadline(p, &deadline);
			pthread_mutex_lock(&p->lock);
			continue;
		}
		p->first = job->next;
		if (!p->first)
			p->last = NULL;
		pthread_mutex_unlock(&p->lock);
		run(p, job);
		waited = !job->req;
		if (!waited) {
			free(job->text);
			free(job);
		}
		pthread_mutex_lock(&p->lock);
		if (waited) {
			p->alone = true;
			job->done = true;
			pthread_cond_broadcast(&p->changed);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int ck_publisher_start(struct ck_publisher *p, struct ck_mount *m, struct ck_err *err)
{
	pthread_condattr_t attr;
	int r;

	*p = (struct ck_publisher){ .m = m };
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	r = pthread_create(&p->thread, NULL, publisher, p);
	if (r)
		return ck_fail(err, CK_MOUNT, r, "%s: cannot start a thread: %s: "
			       "raise the limit on processes", m->source, strerror(r));
	p->started = true;
	return 0;
}

void ck_publisher_stop(struct ck_publisher *p)
{
	if (!p->started)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	p->alone = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	p->started = false;
	free(p->said);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
}

static void enqueue(struct ck_publisher *p, struct ck_job *job)
{
	pthread_mutex_lock(&p->lock);
	if (p->last)
		p->last->next = job;
	else
		p->first = job;
	p->last = job;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void leave_job(struct ck_publisher *p, struct ck_job job, const char *text)
{
	struct ck_job *copy = malloc(sizeof(*copy));

	if (copy)
		*copy = job;
	if (copy && text)
		copy->text = strdup(text);
	if (!copy || (text && !copy->text)) {
		free(copy);
		fuse_reply_err(job.req, ENOMEM);
		return;
	}
	enqueue(p, copy);
}

void ck_publisher_publish(struct ck_publisher *p, fuse_req_t req, size_t written, unsigned flags)
{
	leave_job(p, (struct ck_job){ .kind = PUBLISH, .flags = flags, .req = req,
				      .written = written }, NULL);
}

void ck_publisher_discard(struct ck_publisher *p, fuse_req_t req, const char *text, size_t written)
{
	leave_job(p, (struct ck_job){ .kind = DISCARD, .req = req, .written = written }, text);
}

void ck_publisher_last(struct ck_publisher *p)
{
	struct ck_job job = { .kind = LAST };

	if (!p->started)
		return;
	enqueue(p, &job);
	pthread_mutex_lock(&p->lock);
	while (!job.done)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

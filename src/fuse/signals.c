/* signals.c - see signals.h. */
#include "fuse/signals.h"

#include "base/log.h"
#include "fuse/reload.h"
#include "fuse/rw.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define KICK SIGRTMIN
#define KICK_EVERY 20000000 /* nanoseconds */

static void on_kick(int sig)
{
	(void)sig; /* it is there to have a system call return with EINTR */
}

static void signals_we_take(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void ck_signals_block(void)
{
	struct sigaction kick = { .sa_handler = on_kick };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	signals_we_take(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(KICK, &kick, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

void ck_signals_end_session(struct ck_signals *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->left) {
		struct timespec until;

		/* The loop sits in a call that only a signal gets it out of, and the signal may
		 * come just before the call. */
		fuse_session_exit(s->m->session);
		pthread_kill(s->main, KICK);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_EVERY;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
	pthread_mutex_unlock(&s->lock);
}

static bool has_left(struct ck_signals *s)
{
	bool left;

	pthread_mutex_lock(&s->lock);
	left = s->left;
	pthread_mutex_unlock(&s->lock);
	return left;
}

/* A writable mount stays with what it edits, and says so. */
static void look_again(struct ck_mount *m)
{
	if (!m->rw)
		ck_reload(m);
	else if (ck_stage_is_stale(m->rw->stage))
		ck_log("%s: was changed by another program: what is staged here cannot be published "
		       "any more: save it elsewhere", m->source);
}

static void end(struct ck_signals *s)
{
	if (s->m->rw)
		ck_publisher_last(&s->m->rw->publisher);
	ck_signals_end_session(s);
}

static void *take_signals(void *arg)
{
	struct ck_signals *s = arg;
	const struct timespec keep = { .tv_sec = CK_SLOT_LISTING_SECONDS };
	sigset_t set;
	int sig;

	signals_we_take(&set);
	while (!has_left(s)) {
		sig = sigtimedwait(&set, NULL, s->m->replaced ? &keep : NULL);
		if (sig < 0 && errno == EAGAIN)
			ck_reload_settle(s->m);
		if (sig < 0)
			continue;
		if (has_left(s))
			break;
		if (sig == SIGHUP)
			look_again(s->m);
		else
			end(s);
	}
	return NULL;
}

int ck_signals_start(struct ck_signals *s, struct ck_mount *m, struct ck_err *err)
{
	int r;

	*s = (struct ck_signals){ .m = m, .main = pthread_self() };
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	r = pthread_create(&s->thread, NULL, take_signals, s);
	if (r)
		return ck_fail(err, CK_MOUNT, r, "%s: cannot start a thread: %s: "
			       "raise the limit on processes", m->source, strerror(r));
	s->started = true;
	return 0;
}

void ck_signals_stop(struct ck_signals *s)
{
	pthread_mutex_lock(&s->lock);
	s->left = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (!s->started)
		return;
	pthread_kill(s->thread, SIGTERM); /* out of its wait */
	pthread_join(s->thread, NULL);
}

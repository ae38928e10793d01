/* progress.c - see progress.h. */
#include "base/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SILENT_MS 1000 /* work that is over by then needs no words */
#define BETWEEN_MS 200

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void ck_meter_init(struct ck_meter *m, int fd)
{
	*m = (struct ck_meter){ .fd = fd, .terminal = isatty(fd) == 1, .started = now_ms() };
	pthread_mutex_init(&m->lock, NULL);
}

/* A terminal that does not take it is no reason to stop. */
static void put(struct ck_meter *m, const char *text, size_t n)
{
	while (n) {
		ssize_t r = write(m->fd, text, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return;
		text += r;
		n -= (size_t)r;
	}
}

void ck_meter_show(struct ck_meter *m, const char *what, uint64_t done, uint64_t total)
{
	char line[120];
	uint64_t now;
	int n;

	if (!m->terminal)
		return;
	now = now_ms();
	pthread_mutex_lock(&m->lock);
	if (now - m->started >= SILENT_MS && now - m->shown >= BETWEEN_MS) {
		m->shown = now;
		m->visible = true;
		if (total)
			n = snprintf(line, sizeof(line), "\r%.60s: %" PRIu64 " of %" PRIu64 " MB\033[K",
				     what, done / 1000000, total / 1000000);
		else
			n = snprintf(line, sizeof(line), "\r%.60s: %" PRIu64 " MB\033[K", what,
				     done / 1000000);
		put(m, line, (size_t)n);
	}
	pthread_mutex_unlock(&m->lock);
}

void ck_meter_call(void *meter, const char *what, uint64_t done, uint64_t total)
{
	ck_meter_show(meter, what, done, total);
}

void ck_meter_clear(struct ck_meter *m)
{
	static const char erase[] = "\r\033[K";

	pthread_mutex_lock(&m->lock);
	if (m->visible)
		put(m, erase, sizeof(erase) - 1);
	m->visible = false;
	pthread_mutex_unlock(&m->lock);
}

void ck_meter_done(struct ck_meter *m)
{
	ck_meter_clear(m);
	pthread_mutex_destroy(&m->lock);
}

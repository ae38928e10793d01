/* progress.c - see progress.h. */
#include "base/progress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 1000 /* milliseconds before anything is shown */
#define EVERY 200 /* milliseconds between two changes */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned working; /* begun and not ended; under lock, as all below */
static int64_t begun, shown; /* milliseconds */
static bool visible;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put(const char *text, int n)
{
	ssize_t put;

	if (n <= 0)
		return;
	put = write(STDERR_FILENO, text, (size_t)n);
	(void)put; /* a terminal that has gone needs no line */
}

static void erase_locked(void)
{
	static const char blank[] = "\r\033[K";

	if (visible)
		put(blank, sizeof(blank) - 1);
	visible = false;
}

void ck_progress_begin(void)
{
	pthread_mutex_lock(&lock);
	if (!working++) {
		begun = now_ms();
		shown = 0;
	}
	pthread_mutex_unlock(&lock);
}

void ck_progress_show(void *arg, const char *what, uint64_t done, uint64_t total)
{
	char line[160];
	int64_t now;
	int n;

	(void)arg;
	pthread_mutex_lock(&lock);
	now = now_ms();
	if (working && now - begun >= PATIENCE && now - shown >= EVERY && isatty(STDERR_FILENO)) {
		if (total)
			n = snprintf(line, sizeof(line), "\r\033[K%.100s: %d%%", what,
				     done >= total ? 100 :
						     (int)((double)done * 100 / (double)total));
		else
			n = snprintf(line, sizeof(line), "\r\033[K%.100s", what);
		put(line, n);
		visible = true;
		shown = now;
	}
	pthread_mutex_unlock(&lock);
}

void ck_progress_end(void)
{
	pthread_mutex_lock(&lock);
	if (working && !--working)
		erase_locked();
	pthread_mutex_unlock(&lock);
}

void ck_progress_erase(void)
{
	pthread_mutex_lock(&lock);
	erase_locked();
	pthread_mutex_unlock(&lock);
}

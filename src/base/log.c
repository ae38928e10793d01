/* log.c - see log.h. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

struct line {
	char *text;
	time_t when;
	unsigned times;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line ring[CK_LOG_LINES]; /* under lock, as all below */
static unsigned long count; /* lines ever put; the newest is ring[(count - 1) % CK_LOG_LINES] */
static enum ck_log_to target = CK_LOG_STDERR;
static const char *program = "ckptfuse";

void ck_log_open(const char *name, enum ck_log_to to)
{
	pthread_mutex_lock(&lock);
	program = name;
	target = to;
	if (to == CK_LOG_SYSLOG)
		openlog(name, LOG_PID, LOG_DAEMON);
	pthread_mutex_unlock(&lock);
}

static void emit_locked(const char *text)
{
	if (target == CK_LOG_SYSLOG)
		syslog(LOG_WARNING, "%s", text);
	else
		fprintf(stderr, "%s: %s\n", program, text);
}

void ck_log(const char *fmt, ...)
{
	struct line *newest;
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	pthread_mutex_lock(&lock);
	newest = count ? &ring[(count - 1) % CK_LOG_LINES] : NULL;
	if (newest && newest->text && strcmp(newest->text, text) == 0) {
		newest->times++;
		newest->when = time(NULL);
	} else {
		struct line *l = &ring[count++ % CK_LOG_LINES];

		free(l->text);
		*l = (struct line){ .text = strdup(text), .when = time(NULL), .times = 1 };
		emit_locked(text);
	}
	pthread_mutex_unlock(&lock);
}

void ck_log_copy(struct ck_buf *out)
{
	pthread_mutex_lock(&lock);
	for (unsigned long i = count > CK_LOG_LINES ? count - CK_LOG_LINES : 0; i < count; i++) {
		const struct line *l = &ring[i % CK_LOG_LINES];
		struct tm tm;
		char when[32];

		if (!l->text)
			continue; /* there was no memory for it */
		gmtime_r(&l->when, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
		ck_buf_printf(out, "%s %s", when, l->text);
		if (l->times > 1)
			ck_buf_printf(out, " (%u times)", l->times);
		ck_buf_char(out, '\n');
	}
	pthread_mutex_unlock(&lock);
}

/*
 * progress.h - how far long work is, as one line on a terminal.
 *
 * Nothing is shown in the first second, nor where the descriptor is no terminal; the line is
 * written anew five times a second at most, and erased at the end, so that what a program says is
 * the same whether somebody watches or not. What has no end known shows what is done alone.
 *
 * ck_meter_show() may be called by any thread, and from the callbacks of the saver.
 */
#ifndef CK_BASE_PROGRESS_H
#define CK_BASE_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct ck_meter {
	pthread_mutex_t lock;
	int fd;
	bool terminal;
	bool visible; /* the line is there: under lock, as all below */
	uint64_t started; /* milliseconds of the monotonic clock */
	uint64_t shown;
};

/* fd: where the line goes if it is a terminal. The second begins now. */
void ck_meter_init(struct ck_meter *m, int fd);

/* what: a few words ("copying"); done of total bytes, total 0 where it is not known. */
void ck_meter_show(struct ck_meter *m, const char *what, uint64_t done, uint64_t total);
/* The same with a pointer to the meter, as callbacks pass it. */
void ck_meter_call(void *meter, const char *what, uint64_t done, uint64_t total);

/* Erases the line: before anything else is written to the terminal. */
void ck_meter_clear(struct ck_meter *m);
void ck_meter_done(struct ck_meter *m);

#endif

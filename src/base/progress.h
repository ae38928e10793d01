/*
 * progress.h - how far long work is, on the terminal of whoever waits for it.
 *
 * One line on standard error, where that is a terminal: it appears when the work has taken a
 * second, changes a few times a second, and is erased at the end, or before the log prints there.
 *
 * All functions are thread-safe. Work that begins while other work is shown joins it.
 */
#ifndef CK_BASE_PROGRESS_H
#define CK_BASE_PROGRESS_H

#include <stdint.h>

void ck_progress_begin(void);
/* Of no effect outside of begin and end. total 0: not known. arg is not used; it is there so that
 * the function can be handed to those who report their progress. */
void ck_progress_show(void *arg, const char *what, uint64_t done, uint64_t total);
void ck_progress_end(void);

/* Takes the line away until it is shown again: for what else prints there. */
void ck_progress_erase(void);

#endif

/*
 * pool.h - work that is divided among processes, one for each processor.
 *
 * What they find goes into memory that they share. A process that dies counts as a failure.
 */
#ifndef CK_TESTS_POOL_H
#define CK_TESTS_POOL_H

#include <stdbool.h>
#include <stddef.h>

#define POOL_MAX 16

/* As many as there are processors, or as CK_CRASH_WORKERS says. */
unsigned pool_workers(void);

/* n zeros that all processes see. Never given back. */
void *pool_memory(size_t n);

/* Calls fn in each of so many processes, in this one where it is one. False if one of them did
 * not come to its end. */
bool pool_run(unsigned workers, void (*fn)(unsigned worker, unsigned workers));

/* Seconds of a clock that only goes forward. */
double pool_clock(void);

#endif

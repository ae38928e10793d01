/* pool.c - see pool.h. */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

unsigned pool_workers(void)
{
	const char *wish = getenv("CK_CRASH_WORKERS");
	long n = wish ? atol(wish) : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > POOL_MAX ? POOL_MAX : (unsigned)n;
}

void *pool_memory(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

bool pool_run(unsigned workers, void (*fn)(unsigned worker, unsigned workers))
{
	pid_t pids[POOL_MAX];
	bool ok = true;

	if (workers == 1) {
		fn(0, 1);
		return true;
	}
	fflush(stdout); /* or each of them would print it again */
	for (unsigned i = 0; i < workers; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			fn(i, workers);
			exit(0); /* with the sanitizers' last words */
		}
	}
	for (unsigned i = 0; i < workers; i++) {
		int status = -1;

		ok &= pids[i] > 0 && waitpid(pids[i], &status, 0) == pids[i] && status == 0;
	}
	return ok;
}

double pool_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * killer.c - for kill.bats: edits a mount whose daemon gets killed, and judges what is left.
 *
 *   killer work MOUNT SCOPE LOG SEED COMMITS MILLISECONDS
 *        edits in MOUNT/SCOPE, one call in COMMITS (0: none) being a commit, for that long or until
 *        the daemon dies; what it did goes to LOG. Exit status 1 where a call fails that may not.
 *   killer check staged|published|published-at-any-time MOUNT LOG...
 *        whether the scopes of the logs are in MOUNT as they may be after the crash: with all that
 *        was made durable, or as one commit left them and no earlier one than the last that had
 *        returned 0.
 *   killer after MICROSECONDS PID
 *        SIGKILL to it, then.
 */
#include "killer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *const names[NAMES] = { "a", "b", "c", "d", "e", "f", "s/a", "s/b", "t/a", "t/b" };

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Bytes that tell which call wrote them, at every place. */
void fill(uint8_t *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((seed + i / 8 * 0x9e3779b97f4a7c15u) >> (i % 8 * 8));
}

void state_init(struct state *s)
{
	for (int i = 0; i < NAMES; i++) {
		s->v[i] = (struct file){ .p = malloc(SIZE_MAX_HERE) };
		if (!s->v[i].p)
			exit(2);
	}
}

void state_done(struct state *s)
{
	for (int i = 0; i < NAMES; i++)
		free(s->v[i].p);
}

static void move(struct state *s, int from, int to)
{
	struct file f = s->v[to];

	s->v[to] = s->v[from];
	s->v[from] = f;
	s->v[from].there = false;
}

static void write_bytes(struct file *f, const struct op *o)
{
	if (o->off > f->size)
		memset(f->p + f->size, 0, o->off - f->size);
	fill(f->p + o->off, o->len, o->seed);
	if (o->off + o->len > f->size)
		f->size = o->off + o->len;
}

void state_apply(struct state *s, const struct op *o)
{
	struct file *f = &s->v[o->a], t;

	switch ((enum what)o->what) {
	case OP_PWRITE:
		write_bytes(f, o);
		break;
	case OP_REPLACE:
	case OP_NEW:
		f->there = true;
		f->size = 0;
		write_bytes(f, o);
		break;
	case OP_CREATE:
		f->there = true;
		f->size = 0;
		break;
	case OP_UNLINK:
		f->there = false;
		break;
	case OP_RENAME:
		move(s, o->a, o->b);
		break;
	case OP_SWAP:
		t = *f;
		*f = s->v[o->b];
		s->v[o->b] = t;
		break;
	case OP_MOVEDIR:
		for (int i = 0; i < 2; i++)
			if (s->v[(o->a ? 8 : 6) + i].there)
				move(s, (o->a ? 8 : 6) + i, (o->a ? 6 : 8) + i);
		break;
	case OP_BASE:
	case OP_META:
	case OP_FSYNC:
	case OP_COMMIT:
	case OP_SYNC:
		break;
	}
}

bool state_read(struct state *s, const char *folder)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY);

	for (int i = 0; i < NAMES; i++) {
		struct file *f = &s->v[i];
		int fd = dir < 0 ? -1 : openat(dir, names[i], O_RDONLY);
		ssize_t n;

		f->there = fd >= 0;
		f->size = 0;
		if (fd < 0) {
			if (errno == ENOENT)
				continue;
			perror(names[i]);
			return false;
		}
		while ((n = read(fd, f->p + f->size, SIZE_MAX_HERE - f->size)) > 0)
			f->size += (uint32_t)n;
		close(fd);
		if (n < 0) {
			perror(names[i]);
			return false;
		}
	}
	if (dir >= 0)
		close(dir);
	return true;
}

static int after(char **argv)
{
	long us = strtol(argv[2], NULL, 10), pid = strtol(argv[3], NULL, 10);
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&t, NULL);
	return pid <= 1 || kill((pid_t)pid, SIGKILL) < 0; /* 0 and -1 are many processes */
}

int main(int argc, char **argv)
{
	if (argc == 8 && strcmp(argv[1], "work") == 0)
		return killer_work(argc, argv);
	if (argc >= 5 && strcmp(argv[1], "check") == 0)
		return killer_check(argc, argv);
	if (argc == 4 && strcmp(argv[1], "after") == 0)
		return after(argv);
	fprintf(stderr, "usage: see the top of killer.c\n");
	return 2;
}

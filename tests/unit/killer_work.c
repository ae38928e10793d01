/* killer_work.c - edits a mount until its daemon dies, and notes each call (killer.h). */
#include "killer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct state now;
static FILE *out;
static uint64_t seed;
static int root, dir; /* of the mount, of the scope */
static char control[4096];
static bool dead;
static struct op cur;

static uint64_t dice(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static void put(const struct op *o)
{
	if (fwrite(o, sizeof(*o), 1, out) != 1)
		exit(2);
}

static void begin(enum what what, int a, int b)
{
	cur = (struct op){ .what = what, .a = a, .b = b, .begin = now_ns(), .end = NEVER };
}

/* What the mount has to say about it. */
static void tell_log(void)
{
	char path[4200], line[1000];
	FILE *f;

	snprintf(path, sizeof(path), "%.*slog", (int)(strlen(control) - strlen("commit")), control);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stderr);
	if (f)
		fclose(f);
}

/* Notes the call that began: r < 0 says errno. What may fail without the daemon's death is listed;
 * everything else is a fault. */
static void ended(int r, int may_be)
{
	int e = r < 0 ? errno : 0;

	cur.rc = e;
	/* The kernel calls it EIO where it had pages to read or to write back. */
	if (e == ENOTCONN || e == ECONNABORTED || (e == EIO && access(control, F_OK) < 0)) {
		cur.rc = -1;
		dead = true;
	} else {
		cur.end = now_ns();
	}
	put(&cur);
	if (e && !dead && e != may_be) {
		fflush(out);
		tell_log();
		fprintf(stderr, "call %d of %s: %s\n", cur.what, names[cur.a], strerror(e));
		exit(1);
	}
	if (!e)
		state_apply(&now, &cur);
}

static int write_all(int at, const char *name, int flags, const void *p, size_t n, off_t off)
{
	int fd = openat(at, name, flags, 0644), e;

	if (fd < 0)
		return -1;
	if (n && pwrite(fd, p, n, off) != (ssize_t)n) {
		e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	return close(fd);
}

static void edit(int a, uint32_t off, uint32_t len)
{
	static uint8_t bytes[SIZE_MAX_HERE];

	begin(OP_PWRITE, a, 0);
	cur.off = off;
	cur.len = len;
	cur.seed = dice(UINT64_MAX);
	fill(bytes, len, cur.seed);
	ended(write_all(dir, names[a], O_WRONLY, bytes, len, off), 0);
}

/* A scratch file with new bytes. */
static bool scratch(struct op *o, uint32_t len)
{
	static uint8_t bytes[SIZE_MAX_HERE];

	o->len = len;
	o->seed = dice(UINT64_MAX);
	fill(bytes, len, o->seed);
	if (write_all(dir, ".t", O_WRONLY | O_CREAT | O_TRUNC, bytes, len, 0) == 0)
		return true;
	*o = cur;
	begin(OP_FSYNC, 0, 0); /* a call without effect notes the death */
	ended(-1, 0);
	return false;
}

static void replace(int a)
{
	struct op o = { 0 };

	if (!scratch(&o, now.v[a].size))
		return;
	begin(OP_REPLACE, a, 0);
	cur.len = o.len;
	cur.seed = o.seed;
	ended(renameat(dir, ".t", dir, names[a]), 0);
}

static void make_folder(int a)
{
	char folder[2] = { names[a][0], 0 };

	if (names[a][1] && mkdirat(dir, folder, 0755) < 0 && errno != EEXIST) {
		begin(OP_FSYNC, 0, 0);
		ended(-1, 0);
	}
}

/* Complete from the moment at which it has its name. */
static void make_at_once(int a)
{
	char path[64], shape[32];
	struct op o = { 0 };
	int r;

	if (!scratch(&o, 1 + (uint32_t)dice(SIZE_MAX_HERE)))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/.t", dir);
	snprintf(shape, sizeof(shape), "[%u]", o.len);
	r = setxattr(path, "user.ckptfuse.dtype", "uint8", 5, 0);
	if (r == 0)
		r = setxattr(path, "user.ckptfuse.shape", shape, strlen(shape), 0);
	begin(OP_NEW, a, 0);
	cur.len = o.len;
	cur.seed = o.seed;
	ended(r < 0 ? r : renameat(dir, ".t", dir, names[a]), 0);
}

static void set_shape(int a, uint32_t len)
{
	char json[64], text[80];

	snprintf(json, sizeof(json), "%s.json", names[a]);
	snprintf(text, sizeof(text), "{\"dtype\": \"uint8\", \"shape\": [%u]}", len);
	begin(OP_META, a, 0);
	ended(write_all(dir, json, O_WRONLY | O_CREAT | O_TRUNC, text, strlen(text), 0), 0);
}

/* Unfinished in between: a commit of somebody else's may be refused then. */
static void make_in_steps(int a)
{
	uint32_t len = 1 + (uint32_t)dice(SIZE_MAX_HERE);

	set_shape(a, len);
	if (dead)
		return;
	begin(OP_CREATE, a, 0);
	ended(write_all(dir, names[a], O_WRONLY | O_CREAT | O_TRUNC, NULL, 0, 0), 0);
	if (!dead)
		edit(a, 0, len);
}

static void sync_file(int a)
{
	int fd = openat(dir, names[a], O_RDONLY), r;

	begin(OP_FSYNC, a, 0);
	r = fd < 0 ? -1 : fsync(fd);
	ended(r, 0);
	if (fd >= 0)
		close(fd);
}

static void commit(void)
{
	bool by_sync = dice(2);

	begin(by_sync ? OP_SYNC : OP_COMMIT, 0, 0);
	ended(by_sync ? fsync(root) : write_all(AT_FDCWD, control, O_WRONLY, "x", 1, 0), EINVAL);
}

static int any(bool there)
{
	int n = 0, pick[NAMES];

	for (int i = 0; i < NAMES; i++)
		if (now.v[i].there == there && (!there || now.v[i].size))
			pick[n++] = i;
	return n ? pick[dice((uint64_t)n)] : -1;
}

static bool holds(int first)
{
	return now.v[first].there || now.v[first + 1].there;
}

static void move_folder(void)
{
	bool back = holds(8);

	if (holds(6) == holds(8))
		return; /* nothing to move, or nowhere to move it to */
	begin(OP_MOVEDIR, back, 0);
	ended(back ? renameat(dir, "t", dir, "s") : renameat(dir, "s", dir, "t"), 0);
}

static void one(void)
{
	int a = any(true), b = any(true), c = any(false);
	uint32_t off;

	switch (a < 0 ? 11 : c < 0 ? dice(9) : dice(14)) {
	case 0: case 1: case 2: case 3:
		off = (uint32_t)dice(now.v[a].size);
		edit(a, off, 1 + (uint32_t)dice(now.v[a].size - off));
		break;
	case 4: case 5:
		replace(a);
		break;
	case 6:
		sync_file(a);
		break;
	case 7:
		if (a == b)
			break;
		begin(OP_SWAP, a, b);
		ended(renameat2(dir, names[a], dir, names[b], RENAME_EXCHANGE), 0);
		break;
	case 8:
		begin(OP_UNLINK, a, 0);
		ended(unlinkat(dir, names[a], 0), 0);
		break;
	case 9:
		make_folder(c);
		if (dead)
			break;
		begin(OP_RENAME, a, c);
		ended(renameat(dir, names[a], dir, names[c]), 0);
		break;
	case 10:
		move_folder();
		break;
	case 11: case 12:
		make_folder(c);
		if (!dead)
			make_at_once(c);
		break;
	default:
		make_folder(c);
		if (!dead)
			make_in_steps(c);
	}
}

static void note_base(const char *scope)
{
	char name[64] = { 0 };

	snprintf(name, sizeof(name), "%s", scope);
	if (fwrite(name, sizeof(name), 1, out) != 1)
		exit(2);
	for (int i = 0; i < NAMES; i++) {
		struct op o = { .what = OP_BASE, .a = i, .b = now.v[i].there,
				.len = now.v[i].size, .begin = now_ns(), .end = now_ns() };

		put(&o);
		if (o.len && fwrite(now.v[i].p, o.len, 1, out) != 1)
			exit(2);
	}
	fflush(out); /* whoever waits for the log knows that the edits begin */
}

int killer_work(int argc, char **argv)
{
	uint64_t commits = strtoull(argv[6], NULL, 10);
	int64_t until = now_ns() + strtoll(argv[7], NULL, 10) * 1000000;
	char folder[4096];

	(void)argc;
	snprintf(folder, sizeof(folder), "%s/%s", argv[2], argv[3]);
	snprintf(control, sizeof(control), "%s/.ckptfuse/commit", argv[2]);
	seed = strtoull(argv[5], NULL, 10) * 2654435761u + 88172645463325252u;
	out = fopen(argv[4], "w");
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return perror(folder), 2;
	root = open(argv[2], O_RDONLY | O_DIRECTORY);
	dir = open(folder, O_RDONLY | O_DIRECTORY);
	state_init(&now);
	if (!out || root < 0 || dir < 0 || !state_read(&now, folder))
		return perror(folder), 2;
	unlinkat(dir, ".t", 0);
	note_base(argv[3]);
	while (!dead && now_ns() < until) {
		if (commits && dice(commits) == 0)
			commit();
		else
			one();
	}
	return fclose(out) ? 2 : 0;
}

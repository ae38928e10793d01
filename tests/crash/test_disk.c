/*
 * test_disk.c - the laboratory itself: the disk in memory behaves as a file system does, its power
 * cuts find the classical mistakes and acquit what is right, and faulty calls are faulty.
 */
#include "disk.h"
#include "faulty.h"

#include "tap.h"
#include "util/bytes.h"
#include "util/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ck_disk *disk_with(const char *path, const char *text)
{
	struct ck_disk *d = ck_disk_new();

	ck_disk_mkdir(d, "/d");
	ck_disk_mkdir(d, "/e");
	if (path)
		ck_disk_put(d, path, text, strlen(text));
	return d;
}

static struct ck_vfile *must_open(const struct ck_vfs *v, const char *path, int flags)
{
	struct ck_vfile *f = NULL;
	int r = ck_vfs_open(v, path, flags, 0644, &f);

	if (r < 0) {
		printf("Bail out! %s: %s\n", path, strerror(-r));
		exit(1);
	}
	return f;
}

/* Writes the whole text to the file, which is made; with sync it is synced. */
static int put(const struct ck_vfs *v, const char *path, const char *text, size_t n, bool sync)
{
	struct ck_vfile *f;
	int r = ck_vfs_open(v, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, &f);

	if (r < 0)
		return r;
	r = ck_vfs_write(f, 0, text, n);
	if (r == 0 && sync)
		r = ck_vfs_sync(f);
	ck_vfs_close(f);
	return r;
}

static bool holds(struct ck_disk *d, const char *path, const char *want, size_t n)
{
	size_t got;
	const void *p = ck_disk_get(d, path, &got);

	return p ? want && got == n && memcmp(p, want, n) == 0 : !want;
}

static bool says(struct ck_disk *d, const char *path, const char *want)
{
	return holds(d, path, want, want ? strlen(want) : 0);
}

static struct ck_disk *cut(struct ck_disk *d, enum ck_disk_cut_kind kind)
{
	struct ck_disk_cut c = { .kind = kind };

	return ck_disk_crash(d, &c);
}

/* Whether after such a cut the file says what is wanted (NULL: is not there). */
static bool after(struct ck_disk *d, enum ck_disk_cut_kind kind, const char *path, const char *want)
{
	struct ck_disk *c = cut(d, kind);
	bool r = says(c, path, want);

	ck_disk_free(c);
	return r;
}

/* --- as a file system ------------------------------------------------------------------------- */

static char folder[] = "/tmp/ckpt-disk.XXXXXX";

/* The same call on both tables gives the same answer. */
struct pair {
	const struct ck_vfs *v[2];
	struct ck_vfile *f[2];
	char base[2][64];
};

static bool random_call(struct pair *p, char *what, size_t room)
{
	static const char *const names[] = { "a", "b", "c", "./d", "x//../e" };
	static const int flags[] = { O_RDWR, O_RDONLY, O_WRONLY | O_CREAT,
				     O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_TRUNC,
				     O_RDWR | O_NOFOLLOW,
				     O_WRONLY | O_CREAT | O_NOFOLLOW };
	int call = rand() % 14, flag = flags[rand() % 7];
	const char *one = names[rand() % 5], *two = names[rand() % 4];
	uint64_t off = (uint64_t)(rand() % 300), n = (uint64_t)(rand() % 300);
	int64_t r[2] = { 0 };
	uint8_t bytes[2][300];
	struct ck_vstat st[2];
	uint8_t fill = (uint8_t)rand();
	bool same = true;

	memset(bytes, 0, sizeof(bytes));
	memset(st, 0, sizeof(st));
	for (int k = 0; k < 2; k++) {
		const struct ck_vfs *v = p->v[k];
		char a[100], b[100];

		snprintf(a, sizeof(a), "%s/%s", p->base[k], one);
		snprintf(b, sizeof(b), "%s/%s", p->base[k], two);
		switch (call) {
		case 0:
		case 1:
			p->f[k] = ck_vfs_close(p->f[k]);
			r[k] = v->open(v, a, flag, 0644, &p->f[k]);
			break;
		case 2:
			r[k] = v->rename(v, a, b);
			break;
		case 3:
			r[k] = v->link(v, a, b);
			break;
		case 4:
			r[k] = v->symlink(v, two, a);
			break;
		case 5:
			r[k] = v->unlink(v, a);
			break;
		case 6:
			r[k] = v->stat(v, a, &st[k]);
			break;
		case 7:
			r[k] = v->lstat(v, a, &st[k]);
			break;
		case 8:
			r[k] = v->readlink(v, a, (char *)bytes[k], n);
			break;
		case 9:
			r[k] = v->sync_dir(v, a);
			break;
		default:
			if (!p->f[k])
				break;
			memset(bytes[k], fill, sizeof(bytes[k]));
			if (call == 10)
				r[k] = v->pwrite(p->f[k], bytes[k], n, off);
			else if (call == 11)
				r[k] = v->pread(p->f[k], bytes[k], n, off);
			else if (call == 12)
				r[k] = v->truncate(p->f[k], off);
			else
				r[k] = v->fstat(p->f[k], &st[k]);
		}
	}
	same = r[0] == r[1] && memcmp(bytes[0], bytes[1], sizeof(bytes[0])) == 0 &&
	       st[0].nlink == st[1].nlink && (st[0].mode & S_IFMT) == (st[1].mode & S_IFMT);
	if (S_ISREG(st[0].mode))
		same &= st[0].size == st[1].size;
	snprintf(what, room, "call %d of %s and %s, flags 0%o, off %d, n %d: %d and %d", call, one,
		 two, (unsigned)flag, (int)off, (int)n, (int)r[0], (int)r[1]);
	return same;
}

static void test_likeness(void)
{
	struct ck_disk *d = disk_with(NULL, NULL);
	struct pair p = { .v = { &ck_vfs_posix, ck_disk_vfs(d) } };
	unsigned calls = 0;
	char what[200];
	bool same = true;

	snprintf(p.base[0], sizeof(p.base[0]), "%s", folder);
	snprintf(p.base[1], sizeof(p.base[1]), "/d");
	ck_disk_mkdir(d, "/d/x"); /* for the path with ".." */
	mkdir("x", 0755);
	for (unsigned seed = 0; seed < 40 && same; seed++) {
		static const char *const names[] = { "a", "b", "c", "d", "e" };

		srand(seed);
		for (int i = 0; i < 300 && same; i++, calls++)
			same = random_call(&p, what, sizeof(what));
		for (int k = 0; k < 2; k++) {
			p.f[k] = ck_vfs_close(p.f[k]);
			for (int i = 0; i < 5; i++) {
				char a[100];

				snprintf(a, sizeof(a), "%s/%s", p.base[k], names[i]);
				p.v[k]->unlink(p.v[k], a);
			}
		}
		if (!same)
			printf("# seed %u: %s\n", seed, what);
	}
	tap_ok(same, "%u random calls are answered as the system answers them", calls);
	tap_is_u64(ck_disk_open_files(d), 0, "no file stays open");
	ck_disk_free(d);
}

static void test_files(void)
{
	struct ck_disk *d = disk_with("/d/f", "0123456789");
	const struct ck_vfs *v = ck_disk_vfs(d);
	struct ck_vfile *f = must_open(v, "/d/f", O_RDWR), *g, *h = NULL;
	struct ck_vstat st, gone;
	char p[16];

	tap_ok(v->fd(f) == -1, "a file in memory has no descriptor");
	tap_ok(v->open(v, "/nowhere/f", O_RDWR | O_CREAT, 0644, &h) == -ENOENT && !h,
	       "a folder has to be there");
	tap_ok(v->open(v, "/d", O_RDONLY, 0, &h) == -EISDIR, "and is no file");
	tap_ok(v->lock(f) == 0 && v->lock(f) == 0, "lock");
	g = must_open(v, "/d/f", O_RDWR);
	tap_ok(v->lock(g) == -EWOULDBLOCK, "lock: held by another");
	ck_vfs_close(f);
	tap_ok(v->lock(g) == 0, "lock: ends with close");
	tap_ok(v->setxattr(g, "user.a", "value", 5) == 0 && v->setxattr(g, "user.b", "b", 1) == 0 &&
	       v->getxattr(g, "user.a", NULL, 0) == 5 && v->getxattr(g, "user.a", p, 16) == 5 &&
	       memcmp(p, "value", 5) == 0 && v->getxattr(g, "user.a", p, 4) == -ERANGE &&
	       v->getxattr(g, "user.c", p, 16) == -ENODATA, "extended attributes");
	tap_ok(v->setxattr(g, "user.a", "other", 5) == 0 && v->getxattr(g, "user.a", p, 16) == 5 &&
	       memcmp(p, "other", 5) == 0, "extended attributes: set again");
	tap_ok(v->clone(g, 0, g, 0, 4096) == -EOPNOTSUPP, "no reflinks");
	ck_disk_set_reflink(d, true);
	f = must_open(v, "/d/clone", O_RDWR | O_CREAT);
	tap_ok(v->clone(f, 0, g, 0, 10) == 0 && says(d, "/d/clone", "0123456789"),
	       "reflinks when asked for");
	tap_ok(ck_vfs_truncate(f, 0) == 0 && v->clone(f, 0, g, 0, 0) == 0 &&
	       says(d, "/d/clone", "0123456789"), "reflinks of 0 bytes: of all");
	tap_ok(v->clone(f, 0, g, 0, 5) == -EINVAL && v->clone(f, 5, g, 0, 10) == -EINVAL,
	       "reflinks of whole blocks alone");
	tap_ok(v->copy(f, 8, g, 5, 100) == 5 && says(d, "/d/clone", "0123456756789"), "copy");
	tap_ok(v->copy(f, 8, g, 10, 100) == 0, "copy: nothing at the end");
	ck_vfs_close(f);
	v->fstat(g, &st);
	v->unlink(v, "/d/f");
	tap_ok(ck_vfs_read(g, 3, p, 3) == 0 && memcmp(p, "345", 3) == 0,
	       "a file without a name is there while it is open");
	f = must_open(v, "/d/new", O_RDWR | O_CREAT);
	v->fstat(f, &gone);
	tap_ok(gone.ino != st.ino, "and so is its number");
	ck_vfs_close(g);
	ck_vfs_close(f);
	v->sync_dir(v, "/d/f");
	v->unlink(v, "/d/new");
	v->sync_dir(v, "/d/f");
	f = must_open(v, "/d/newer", O_RDWR | O_CREAT);
	v->fstat(f, &gone);
	tap_ok(gone.ino == st.ino && gone.btime.tv_nsec != st.btime.tv_nsec,
	       "the number of a file that is gone is used again");
	ck_vfs_close(f);
	ck_disk_free(d);
}

/* --- what is durable -------------------------------------------------------------------------- */

static void test_durable(void)
{
	struct ck_disk *d = disk_with("/d/f", "old"), *c;
	const struct ck_vfs *v = ck_disk_vfs(d);
	struct ck_vfile *f = must_open(v, "/d/f", O_RDWR);
	struct ck_vstat st, was;
	char p[8];

	ck_vfs_write(f, 0, "new!", 4);
	tap_ok(says(d, "/d/f", "new!"), "what was written is seen");
	tap_ok(after(d, CK_CUT_NONE, "/d/f", "old") && after(d, CK_CUT_ALL, "/d/f", "new!"),
	       "a write that was not synced: old or new");
	ck_vfs_sync(f);
	tap_ok(after(d, CK_CUT_NONE, "/d/f", "new!"), "a write that was synced stays");
	ck_vfs_truncate(f, 2);
	v->setxattr(f, "user.x", "1", 1);
	tap_ok(after(d, CK_CUT_NONE, "/d/f", "new!") && after(d, CK_CUT_ALL, "/d/f", "ne"),
	       "a truncation too is pending");
	c = cut(d, CK_CUT_NONE);
	ck_vfs_close(f);
	f = must_open(ck_disk_vfs(c), "/d/f", O_RDWR);
	tap_ok(f->vfs->getxattr(f, "user.x", p, 8) == -ENODATA, "an attribute is lost ...");
	ck_vfs_close(f);
	ck_disk_free(c);
	f = must_open(v, "/d/f", O_RDWR);
	ck_vfs_sync(f);
	c = cut(d, CK_CUT_NONE);
	ck_vfs_close(f);
	f = must_open(ck_disk_vfs(c), "/d/f", O_RDWR);
	tap_ok(f->vfs->getxattr(f, "user.x", p, 8) == 1, "... and stays once synced");
	ck_vfs_close(f);
	ck_disk_free(c);

	put(v, "/d/new", "bytes", 5, true);
	tap_ok(after(d, CK_CUT_NONE, "/d/new", NULL), "synced, but its name was not: it vanishes");
	tap_ok(after(d, CK_CUT_NAMES, "/d/new", "bytes"), "or is there");
	v->sync_dir(v, "/d/whatever");
	tap_ok(after(d, CK_CUT_NONE, "/d/new", "bytes"), "its name was: it stays");
	v->rename(v, "/d/new", "/d/f");
	tap_ok(after(d, CK_CUT_NONE, "/d/f", "ne") && after(d, CK_CUT_NONE, "/d/new", "bytes"),
	       "a rename that is lost changes neither name");
	tap_ok(after(d, CK_CUT_ALL, "/d/f", "bytes") && after(d, CK_CUT_ALL, "/d/new", NULL),
	       "a rename that survives changes both");
	v->link(v, "/d/f", "/e/f");
	v->sync_dir(v, "/e/x");
	tap_ok(after(d, CK_CUT_NONE, "/e/f", "bytes") && after(d, CK_CUT_NONE, "/d/f", "ne"),
	       "a folder that was synced says nothing of another");
	put(v, "/d/t", "t", 1, true);
	v->rename(v, "/d/t", "/e/t");
	v->sync_dir(v, "/e/x");
	tap_ok(after(d, CK_CUT_NONE, "/e/t", "t") && after(d, CK_CUT_ALL, "/d/t", NULL) &&
	       after(d, CK_CUT_DROP, "/d/t", NULL),
	       "a rename into another folder is durable with one of the two, and not half");
	v->unlink(v, "/e/t");
	tap_ok(after(d, CK_CUT_NONE, "/e/t", "t") && after(d, CK_CUT_ALL, "/e/t", NULL),
	       "an unlink is pending");
	ck_disk_settle(d);
	tap_ok(after(d, CK_CUT_NONE, "/e/t", NULL) && after(d, CK_CUT_NONE, "/d/f", "bytes"),
	       "settled: as it is seen");

	f = must_open(v, "/d/f", O_RDWR);
	v->fstat(f, &was);
	ck_vfs_write(f, 0, "B", 1);
	{
		struct ck_disk_cut old = { .kind = CK_CUT_ALL, .times = CK_TIMES_OLD };

		c = ck_disk_crash(d, &old);
	}
	ck_disk_vfs(c)->stat(ck_disk_vfs(c), "/d/f", &st);
	tap_ok(says(c, "/d/f", "Bytes") && st.mtime.tv_nsec == was.mtime.tv_nsec,
	       "bytes may survive without the time of their writing");
	ck_disk_free(c);
	ck_vfs_sync(f);
	v->fstat(f, &was);
	{
		struct ck_disk_cut old = { .kind = CK_CUT_ALL, .times = CK_TIMES_OLD };

		c = ck_disk_crash(d, &old);
	}
	ck_disk_vfs(c)->stat(ck_disk_vfs(c), "/d/f", &st);
	tap_ok(st.mtime.tv_nsec == was.mtime.tv_nsec, "but not once they are synced");
	ck_disk_free(c);
	ck_vfs_close(f);
	ck_disk_free(d);
}

static void test_kill(void)
{
	struct ck_disk *d = disk_with("/d/f", "old"), *k, *c;
	struct ck_vfile *f = must_open(ck_disk_vfs(d), "/d/f", O_RDWR), *g;

	f->vfs->lock(f);
	ck_vfs_write(f, 0, "new", 3);
	k = ck_disk_clone(d);
	g = must_open(ck_disk_vfs(k), "/d/f", O_RDWR);
	tap_ok(says(k, "/d/f", "new") && g->vfs->lock(g) == 0,
	       "killed: the next process sees what was written, and no lock");
	tap_ok(after(k, CK_CUT_NONE, "/d/f", "old"), "killed: and may lose it still");
	ck_vfs_sync(g);
	ck_vfs_close(g);
	tap_ok(after(k, CK_CUT_NONE, "/d/f", "new"), "killed: but not once it has synced it");
	tap_ok(after(d, CK_CUT_NONE, "/d/f", "old"), "copies do not touch each other");
	ck_vfs_write(f, 0, "NEW", 3);
	tap_ok(says(d, "/d/f", "NEW") && says(k, "/d/f", "new"), "nor their bytes");
	c = cut(d, CK_CUT_ALL);
	g = must_open(ck_disk_vfs(c), "/d/f", O_RDWR);
	tap_ok(g->vfs->lock(g) == 0, "power cut: no lock");
	ck_vfs_close(g);
	ck_disk_free(c);
	ck_vfs_close(f);
	ck_disk_free(k);
	ck_disk_free(d);
}

static void test_failed_sync(void)
{
	static const struct { enum ck_disk_lost how; const char *then; const char *what; } v[] = {
		{ CK_DISK_STAYS, "AABBCC", "it stays pending, and the next one writes it" },
		{ CK_DISK_LOST, "aabbCC", "it is lost though the next one succeeds" },
		{ CK_DISK_HALF, "AAbbCC", "half of it is" },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct ck_disk *d = disk_with("/d/f", "aabbcc");
		struct ck_vfile *f = must_open(ck_disk_vfs(d), "/d/f", O_RDWR);

		ck_vfs_write(f, 0, "AA", 2);
		ck_vfs_write(f, 2, "BB", 2);
		ck_disk_sync_failed(f, v[i].how);
		ck_vfs_write(f, 4, "CC", 2);
		ck_vfs_sync(f);
		tap_ok(says(d, "/d/f", "AABBCC") && after(d, CK_CUT_ALL, "/d/f", v[i].then),
		       "a failed sync: %s", v[i].what);
		ck_vfs_write(f, 0, "AABBCC", 6);
		ck_vfs_sync(f);
		tap_ok(after(d, CK_CUT_NONE, "/d/f", "AABBCC"), "written again and synced: kept");
		ck_vfs_close(f);
		ck_disk_free(d);
	}
}

/* --- cuts of each kind ------------------------------------------------------------------------ */

static bool cut_gives(struct ck_disk *d, struct ck_disk_cut c, const char *want)
{
	struct ck_disk *k = ck_disk_crash(d, &c);
	bool r = says(k, "/d/f", want);

	if (!r) {
		char text[80];
		size_t n = 0;
		const char *p = ck_disk_get(k, "/d/f", &n);

		printf("# %s: %.*s\n", ck_disk_cut_text(&c, text, sizeof(text)), (int)n, p ? p : "");
	}
	ck_disk_free(k);
	return r;
}

static void test_cuts(void)
{
	struct ck_disk *d = disk_with("/d/f", "....");
	struct ck_vfile *f = must_open(ck_disk_vfs(d), "/d/f", O_RDWR);
	struct ck_disk_cut c = { .kind = CK_CUT_GARBAGE, .a = 1 };
	struct ck_disk *k;
	char big[1600], want[1600];
	const char *p;
	size_t n;

	ck_vfs_truncate(f, 0);
	ck_vfs_sync(f);
	ck_vfs_write(f, 0, "....", 4);
	ck_vfs_write(f, 1, "X", 1);
	k = ck_disk_crash(d, &c);
	p = ck_disk_get(k, "/d/f", &n);
	tap_ok(n == 4 && p[0] == '.' && p[1] != 'X' && p[1] != '.' && p[2] == '.',
	       "cuts: garbage in its range, where the file was shorter");
	ck_disk_free(k);
	ck_vfs_write(f, 0, "....", 4);
	ck_vfs_sync(f);
	for (int i = 0; i < 4; i++)
		ck_vfs_write(f, (uint64_t)i, &"ABCD"[i], 1);
#define CUT(...) (struct ck_disk_cut){ __VA_ARGS__ }
	tap_ok(cut_gives(d, CUT(CK_CUT_DROP, .a = 1), "A.CD") &&
	       cut_gives(d, CUT(CK_CUT_DROP_TWO, .a = 0, .b = 3), ".BC."), "cuts: drops");
	tap_ok(cut_gives(d, CUT(CK_CUT_ONLY, .a = 2), "..C.") &&
	       cut_gives(d, CUT(CK_CUT_PREFIX, .a = 2), "AB..") &&
	       cut_gives(d, CUT(CK_CUT_SUFFIX, .a = 3), "...D"), "cuts: what is left");
	tap_ok(cut_gives(d, c, "ABCD"), "cuts: no garbage in a part of a sector");
	tap_ok(cut_gives(d, CUT(CK_CUT_BYTES, .a = 0), "ABCD"), "cuts: bytes");
	{
		unsigned other = 0;

		for (uint32_t seed = 0; seed < 256; seed++) {
			struct ck_disk_cut r = { .kind = CK_CUT_RANDOM, .a = seed };
			uint64_t h;

			k = ck_disk_crash(d, &r);
			p = ck_disk_get(k, "/d/f", &n);
			h = (uint64_t)(p[0] == 'A') | (uint64_t)(p[1] == 'B') << 1 |
			    (uint64_t)(p[2] == 'C') << 2 | (uint64_t)(p[3] == 'D') << 3;
			other |= 1u << h;
			ck_disk_free(k);
		}
		tap_ok(other == 0xffff, "cuts: random seeds reach every subset of four");
	}
	ck_vfs_sync(f);
	memset(big, 'x', sizeof(big));
	ck_vfs_truncate(f, 0);
	ck_vfs_write(f, 100, big, 1500);
	memset(want, 0, 100);
	memset(want + 100, 'x', 1500);
	c = CUT(CK_CUT_TORN, .a = 1, .b = 412);
	k = ck_disk_crash(d, &c);
	tap_ok(holds(k, "/d/f", want, 512), "cuts: torn, the first sector");
	ck_disk_free(k);
	c.kind = CK_CUT_TORN_END;
	k = ck_disk_crash(d, &c);
	memset(want, 0, 512);
	tap_ok(holds(k, "/d/f", want, 1600), "cuts: torn, all but the first sector");
	ck_disk_free(k);
	ck_vfs_sync(f);
	memset(want, 0, 100);
	memset(want + 100, 'x', 1500);
	ck_vfs_write(f, 500, big, 1000);
	c = CUT(CK_CUT_ZEROS, .a = 0);
	k = ck_disk_crash(d, &c);
	memset(want + 512, 0, 512); /* the two others it has in part */
	tap_ok(holds(k, "/d/f", want, 1600), "cuts: zeros in whole sectors");
	ck_disk_free(k);
	ck_vfs_truncate(f, 0);
	ck_vfs_sync(f);
	ck_vfs_write(f, 0, "x", 1);
	ck_vfs_write(f, 100, big, 1500);
	{
		struct ck_disk_cut *v = ck_disk_cuts(d, &ck_disk_many, &n);
		bool whole = true;
		unsigned torn = 0;

		for (size_t i = 0; i < n; i++) {
			if (v[i].kind != CK_CUT_TORN)
				continue;
			torn++;
			whole &= v[i].a == 1 && (100 + v[i].b) % CK_DISK_SECTOR == 0 &&
				 v[i].b < 1500;
		}
		tap_ok(whole && torn == 3, "cuts: writes are torn between sectors");
		free(v);
	}
#undef CUT
	ck_vfs_close(f);
	ck_disk_free(d);
}

/* How many different disks the listed cuts give, for n writes in two files and a rename. */
static void test_list(void)
{
	for (unsigned writes = 0; writes <= 40; writes += 10) {
		struct ck_disk *d = disk_with("/d/f", "0123456789012345678901234567890123456789");
		struct ck_disk_cut *v;
		uint64_t seen[1000];
		size_t n, different = 0;
		bool first_all;

		put(ck_disk_vfs(d), "/d/g", "0123456789012345678901234567890123456789", 40, true);
		ck_disk_settle(d);
		for (unsigned i = 0; i < writes; i++) {
			struct ck_vfile *f = must_open(ck_disk_vfs(d), i % 3 ? "/d/f" : "/d/g",
						       O_RDWR);

			ck_vfs_write(f, i, "x", 1);
			ck_vfs_close(f);
			if (i == writes / 2)
				ck_disk_vfs(d)->link(ck_disk_vfs(d), "/d/g", "/d/h");
		}
		v = ck_disk_cuts(d, &ck_disk_many, &n);
		first_all = n && v[0].kind == CK_CUT_ALL;
		for (size_t i = 0; i < n && i < 1000; i++) {
			struct ck_disk *c = ck_disk_crash(d, &v[i]);
			size_t k = 0;

			seen[different] = ck_disk_hash(c);
			while (seen[k] != seen[different])
				k++;
			different += k == different;
			ck_disk_free(c);
		}
		tap_ok(first_all && n <= 250 && different >= n * 3 / 4,
		       "%u writes: %zu cuts, of which %zu are different", writes, n, different);
		free(v);
		ck_disk_free(d);
	}
}

/* --- known patterns --------------------------------------------------------------------------- */

static char old_text[1500], new_text[3000];

/* A way to replace a file. */
struct way {
	const char *what;
	bool temp, sync, sync_dir;
};

static int replace(const struct ck_vfs *v, const struct way *w)
{
	int r;

	if (!w->temp)
		return put(v, "/d/f", new_text, sizeof(new_text), w->sync);
	r = put(v, "/d/f.tmp", new_text, sizeof(new_text), w->sync);
	if (r == 0)
		r = v->rename(v, "/d/f.tmp", "/d/f");
	if (r == 0 && w->sync_dir)
		r = v->sync_dir(v, "/d/f");
	return r;
}

/* All that a power cut may leave, at every call and when all is done. */
struct trial {
	unsigned long states;
	unsigned long mixed; /* neither old nor new */
	unsigned long back; /* old again, though the replacing had returned */
	bool returned;
};

static void try_cuts(void *arg, struct ck_disk *d, const struct ck_disk_call *call)
{
	struct trial *t = arg;
	size_t n;
	struct ck_disk_cut *v = ck_disk_cuts(d, &ck_disk_many, &n);

	(void)call;
	for (size_t i = 0; i < n; i++) {
		struct ck_disk *c = ck_disk_crash(d, &v[i]);
		bool old = holds(c, "/d/f", old_text, sizeof(old_text));

		t->states++;
		t->mixed += !old && !holds(c, "/d/f", new_text, sizeof(new_text));
		t->back += old && t->returned;
		ck_disk_free(c);
	}
	free(v);
}

static void test_patterns(void)
{
	static const struct way right = { "temp, sync, rename, sync_dir", true, true, true };
	static const struct way wrong[] = {
		{ "no temp", false, true, false },
		{ "temp, rename without a sync", true, false, true },
		{ "temp, sync, rename without a sync_dir", true, true, false },
	};
	struct trial t[4] = { 0 };

	for (int i = 0; i < 4; i++) {
		struct ck_disk *d = disk_with(NULL, NULL);
		const struct way *w = i == 3 ? &right : &wrong[i];

		ck_disk_put(d, "/d/f", old_text, sizeof(old_text));
		ck_disk_tap(d, try_cuts, &t[i]);
		if (replace(ck_disk_vfs(d), w) < 0)
			printf("# %s has failed\n", w->what);
		t[i].returned = true;
		try_cuts(&t[i], d, NULL);
		printf("# %s: %lu states, %lu mixed, %lu old after it returned\n", w->what,
		       t[i].states, t[i].mixed, t[i].back);
		ck_disk_free(d);
	}
	tap_ok(t[0].mixed > 0, "finds: overwriting a file in place");
	tap_ok(t[1].mixed > 0, "finds: a rename before the bytes are durable");
	tap_ok(t[2].mixed == 0 && t[2].back > 0, "finds: a rename that is not made durable");
	tap_ok(t[3].states > 20 && t[3].mixed == 0 && t[3].back == 0,
	       "acquits: temp, sync, rename, sync_dir, in %lu states", t[3].states);
}

/* A log of records, each with a checksum that goes over what is before it as well, or does not. */
struct log_trial {
	unsigned long states, lost, invented;
	unsigned appended, promised;
	bool chained;
};

static void make_record(uint8_t r[48], unsigned i, uint32_t before)
{
	memset(r, 'a' + (int)(i % 26), 44);
	ck_put_le32(r, i);
	ck_put_le32(r + 44, ck_crc32c_extend(before, r, 44));
}

static void try_log(void *arg, struct ck_disk *d, const struct ck_disk_call *call)
{
	struct log_trial *t = arg;
	struct ck_disk_limits limits = ck_disk_many;
	size_t n;
	struct ck_disk_cut *v;

	if (call && call->what == CK_DISK_WRITE)
		t->appended++;
	limits.seed = t->appended;
	v = ck_disk_cuts(d, &limits, &n);
	for (size_t i = 0; i < n; i++) {
		struct ck_disk *c = ck_disk_crash(d, &v[i]);
		size_t size = 0;
		const uint8_t *p = ck_disk_get(c, "/d/log", &size);
		unsigned found = 0;
		uint32_t chain = 0;

		/* Without the chain, a reader goes on behind what it cannot read. */
		for (unsigned k = 0; (k + 1) * 48 <= size; k++) {
			uint8_t want[48];

			make_record(want, k, chain);
			if (memcmp(p + k * 48, want, 48) == 0) {
				t->invented += found != k;
				found++;
				chain = t->chained ? ck_le32(want + 44) : 0;
			} else if (t->chained) {
				break;
			}
		}
		t->states++;
		t->lost += found < t->promised;
		ck_disk_free(c);
	}
	free(v);
}

static void test_log(void)
{
	struct log_trial t[3] = { { .chained = true }, { .chained = false }, { .chained = true } };

	for (int i = 0; i < 3; i++) {
		struct ck_disk *d = disk_with("/d/log", "");
		struct ck_vfile *f = must_open(ck_disk_vfs(d), "/d/log", O_RDWR);
		uint32_t chain = 0;
		uint8_t r[48];

		ck_disk_tap(d, try_log, &t[i]);
		for (unsigned k = 0; k < 24; k++) {
			make_record(r, k, chain);
			chain = t[i].chained ? ck_le32(r + 44) : 0;
			ck_vfs_write(f, k * 48, r, 48);
			if (k % 8 != 7)
				continue;
			if (i == 2) /* it promises what it has not synced */
				t[i].promised = k + 1;
			else if (ck_vfs_sync(f) == 0)
				t[i].promised = k + 1;
		}
		try_log(&t[i], d, NULL);
		ck_vfs_close(f);
		ck_disk_free(d);
	}
	tap_ok(t[0].lost == 0 && t[0].invented == 0, "acquits: a log, in %lu states", t[0].states);
	tap_ok(t[1].lost == 0 && t[1].invented > 0, "finds: records behind one that was lost");
	tap_ok(t[2].lost > 0, "finds: records that were promised and not synced");
}

/* --- faulty calls ----------------------------------------------------------------------------- */

static void lose_pending(struct ck_vfile *f)
{
	ck_disk_sync_failed(f, CK_DISK_LOST);
}

/* Runs the right way of replacing with each call at fault in turn; how many there were. */
static unsigned fault_loop(enum ck_fault how, bool from_there_on, int errnum, bool *whole,
			   bool *told)
{
	static const struct way right = { "", true, true, true };
	unsigned nth = 0;
	bool hit = true;

	*whole = *told = true;
	while (hit) {
		struct ck_disk *d = disk_with(NULL, NULL), *c;
		struct ck_faulty f;
		bool is_new;
		int r;

		ck_disk_put(d, "/d/f", old_text, sizeof(old_text));
		ck_faulty_init(&f, ck_disk_vfs(d));
		f.nth = ++nth;
		f.how = how;
		f.from_there_on = from_there_on;
		f.errnum = errnum;
		f.sync_failed = lose_pending;
		r = replace(&f.vfs, &right);
		hit = ck_faulty_hit(&f);
		c = cut(d, CK_CUT_NONE);
		is_new = holds(c, "/d/f", new_text, sizeof(new_text));
		*whole &= is_new || (r < 0 && holds(c, "/d/f", old_text, sizeof(old_text)));
		if (how == CK_FAULT_SHORT || how == CK_FAULT_INTERRUPT)
			*told &= r == 0;
		else
			*told &= hit ? r == -errnum : r == 0;
		*told &= ck_disk_open_files(d) == 0;
		ck_disk_free(c);
		ck_disk_free(d);
	}
	return nth - 1;
}

static void test_faulty(void)
{
	struct ck_disk *d = disk_with("/d/f", "0123456789"), *c;
	struct ck_faulty f;
	struct ck_vfile *file;
	bool whole, told;
	char p[16];
	unsigned n;

	/* create, write, sync, rename, sync_dir */
	for (int on = 0; on < 2; on++) {
		n = fault_loop(CK_FAULT_FAIL, on, ENOSPC, &whole, &told);
		tap_ok(n == 5 && whole && told, "each of %u calls fails, %s", n,
		       on ? "and all after it" : "once");
	}
	n = fault_loop(CK_FAULT_LATE, false, EIO, &whole, &told);
	tap_ok(n == 5 && whole && told, "each of %u calls is done and fails", n);
	n = fault_loop(CK_FAULT_SHORT, true, 0, &whole, &told);
	tap_ok(n >= 1 && n < 20 && whole && told, "writes are short from one of %u on", n);
	n = fault_loop(CK_FAULT_INTERRUPT, true, 0, &whole, &told);
	tap_ok(n >= 3 && n < 20 && whole && told, "calls are interrupted from one of %u on", n);

	ck_faulty_init(&f, ck_disk_vfs(d));
	tap_ok(ck_faulty_hit(&f) == false && put(&f.vfs, "/d/g", "g", 1, true) == 0 &&
	       says(d, "/d/g", "g"), "nothing at fault: as the table below");
	f.calls = CK_CALL_READ;
	f.nth = 2;
	file = must_open(&f.vfs, "/d/f", O_RDWR);
	tap_ok(f.vfs.fd(file) == -1 && f.vfs.pread(file, p, 4, 0) == 4 &&
	       f.vfs.pread(file, p, 4, 0) == -EIO && f.vfs.pread(file, p, 4, 0) == 4 &&
	       f.hits == 1, "the second read, and no other call");
	f = (struct ck_faulty){ .vfs = f.vfs, .inner = f.inner, .calls = CK_CALL_WRITE, .nth = 1,
				.how = CK_FAULT_HALF, .errnum = ENOSPC };
	tap_ok(f.vfs.pwrite(file, "abcd", 4, 0) == -ENOSPC && says(d, "/d/f", "ab23456789"),
	       "a write that is done in part, and fails");
	f.calls = CK_CALL_GROWING;
	f.from_there_on = true;
	f.how = CK_FAULT_FAIL;
	tap_ok(f.vfs.pwrite(file, "x", 1, 0) == -ENOSPC && f.vfs.truncate(file, 5) == 0 &&
	       f.vfs.sync(file) == 0 && f.vfs.link(&f.vfs, "/d/f", "/d/h") == -ENOSPC &&
	       f.vfs.unlink(&f.vfs, "/d/g") == 0, "a full disk refuses what grows");
	f.healed = true;
	tap_ok(f.vfs.pwrite(file, "x", 1, 0) == 1, "until there is room again");
	f = (struct ck_faulty){ .vfs = f.vfs, .inner = f.inner, .calls = CK_CALL_SYNC, .nth = 1,
				.errnum = EIO, .sync_failed = lose_pending };
	tap_ok(ck_vfs_sync(file) == -EIO && ck_vfs_sync(file) == 0, "a sync fails once");
	c = cut(d, CK_CUT_ALL);
	tap_ok(says(d, "/d/f", "xb234") && says(c, "/d/f", "ab234"),
	       "and the one that succeeds does not make up for it");
	ck_disk_free(c);
	ck_vfs_close(file);
	ck_disk_free(d);
}

int main(void)
{
	tap_plan(83);
	memset(old_text, 'o', sizeof(old_text));
	memset(new_text, 'n', sizeof(new_text));
	if (!mkdtemp(folder) || chdir(folder) < 0) {
		printf("Bail out! no folder to work in\n");
		exit(1);
	}
	test_likeness();
	test_files();
	test_durable();
	test_kill();
	test_failed_sync();
	test_cuts();
	test_list();
	test_patterns();
	test_log();
	test_faulty();
	rmdir("x");
	tap_ok(rmdir(folder) == 0, "nothing was left behind");
	return tap_done();
}

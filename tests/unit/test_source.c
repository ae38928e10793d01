/* test_source.c - sources: a file, a table of calls without descriptors, and patched ones. */
#include "io/source.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE 4096
#define FROM 3000
#define PIECES 20

static char file[] = "/tmp/ckpt-source.XXXXXX";

static unsigned below(unsigned n)
{
	return n ? (unsigned)rand() % n : 0;
}

/* Reads a random range in random pieces, and compares it with what is to be there. */
static bool read_agrees(struct ck_source *s, const uint8_t *want, size_t size)
{
	uint8_t got[BASE];
	size_t off = below((unsigned)size + 1), n = below((unsigned)(size - off) + 1), done = 0;
	struct iovec iov[PIECES];
	int k = 0;

	while (k < PIECES - 1 && below(PIECES)) {
		size_t piece = below(4) ? below((unsigned)(n - done) / 4 + 1) : 0;

		iov[k++] = (struct iovec){ .iov_base = got + done, .iov_len = piece };
		done += piece;
	}
	iov[k++] = (struct iovec){ .iov_base = got + done, .iov_len = n - done };
	memset(got, 0xee, sizeof(got));
	return ck_source_readv(s, off, iov, k, NULL) == 0 && memcmp(got, want + off, n) == 0 &&
	       (n == sizeof(got) || got[n] == 0xee);
}

/* Sorted, disjoint patches, some of them empty or adjacent; applies them to the plain copy. */
static size_t make_patches(struct ck_source_patch *p, size_t max, uint8_t *plain, size_t size,
			   const uint8_t *from, size_t from_size)
{
	size_t n = 0, at = 0;

	while (n < max) {
		size_t len, gap = below(3) ? below((unsigned)(2 * size / max)) : 0;

		if (gap >= size - at)
			break;
		at += gap;
		len = below((unsigned)(size / max) + 1);
		if (len > size - at)
			len = size - at;
		if (len > from_size)
			len = from_size;
		p[n] = (struct ck_source_patch){ .off = at, .len = len,
						 .at = below((unsigned)(from_size - len) + 1) };
		memcpy(plain + at, from + p[n].at, len);
		at += len;
		n++;
	}
	return n;
}

static bool meets(const struct ck_source_patch *p, size_t n, size_t off, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].len && p[i].off < off + len && off < p[i].off + p[i].len)
			return true;
	return false;
}

static void test_random(struct ck_source *base, const uint8_t *base_bytes, const char *what)
{
	uint8_t from_bytes[FROM], plain[BASE], twice[BASE];
	bool same = true, mapped = true, stacked = true;
	struct ck_source *from = NULL;

	for (size_t i = 0; i < FROM; i++)
		from_bytes[i] = (uint8_t)rand();
	if (ck_source_mem(from_bytes, FROM, "changes", &from, NULL) < 0) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	for (int round = 0; round < 300; round++) {
		struct ck_source_patch p[40], q[8];
		struct ck_source *one = NULL, *two = NULL;
		size_t n, m;

		memcpy(plain, base_bytes, BASE);
		n = make_patches(p, below(40) + 1, plain, BASE, from_bytes, FROM);
		memcpy(twice, plain, BASE);
		m = make_patches(q, below(8) + 1, twice, BASE, from_bytes, FROM);
		if (ck_source_patched(base, from, p, n, &one, NULL) < 0 ||
		    ck_source_patched(one, from, q, m, &two, NULL) < 0) {
			same = false;
			break;
		}
		for (int i = 0; i < 20; i++) {
			size_t off = below(BASE), len = below((unsigned)(BASE - off)) + 1;
			const void *map = ck_source_map(one, off, len);

			same &= read_agrees(one, plain, BASE);
			stacked &= read_agrees(two, twice, BASE);
			mapped &= map == (meets(p, n, off, len) ? NULL :
					  ck_source_map(base, off, len));
		}
		ck_source_unref(one);
		ck_source_unref(two);
	}
	tap_ok(same, "patched %s: 6000 random scattered reads", what);
	tap_ok(stacked, "patched %s: patched once more", what);
	tap_ok(mapped, "patched %s: mapped where no patch lies, and nowhere else", what);
	ck_source_unref(from);
}

static void test_patched_edges(struct ck_source *base)
{
	static const struct { struct ck_source_patch p[2]; size_t n; const char *what; } bad[] = {
		{ { { BASE, 1, 0 } }, 1, "behind the end" },
		{ { { BASE - 1, 2, 0 } }, 1, "over the end" },
		{ { { 1, UINT64_MAX, 0 } }, 1, "of more bytes than there are numbers" },
		{ { { UINT64_MAX, 2, 0 } }, 1, "at the last number" },
		{ { { 0, 4, 7 } }, 1, "from behind the end" },
		{ { { 0, 4, UINT64_MAX - 1 } }, 1, "from the last number" },
		{ { { 4, 2, 0 }, { 0, 2, 0 } }, 2, "out of order" },
		{ { { 4, 2, 0 }, { 5, 2, 0 } }, 2, "over another" },
	};
	struct ck_source_patch p = { .off = 10, .len = 10, .at = 0 };
	struct ck_source *from = NULL, *s = NULL;
	struct ck_err err = CK_ERR_INIT;
	uint8_t got[40];
	bool refused = true;

	ck_source_mem("0123456789", 10, "changes", &from, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		err = (struct ck_err)CK_ERR_INIT;
		if (ck_source_patched(base, from, bad[i].p, bad[i].n, &s, &err) != -EINVAL ||
		    err.cls != CK_CORRUPT) {
			printf("# taken: a patch %s\n", bad[i].what);
			refused = false;
		}
	}
	tap_ok(refused && !s, "patched: patches that do not fit are refused");
	tap_ok(ck_source_patched(base, from, &p, 1, &s, NULL) == 0, "patched: one that does");
	p.off = 0; /* its own copy */
	ck_source_unref(from);
	tap_ok(ck_source_read(s, 5, got, 20, NULL) == 0 && memcmp(got + 5, "0123456789", 10) == 0,
	       "patched: copies the patches and keeps the sources");
	tap_ok(ck_source_size(s) == BASE && strcmp(ck_source_path(s), file) == 0 &&
	       memcmp(ck_source_stat(s), ck_source_stat(base), sizeof(struct stat)) == 0,
	       "patched: size, path and stat are the base's");
	err = (struct ck_err)CK_ERR_INIT;
	tap_ok(ck_source_read(s, BASE - 1, got, 2, &err) == -EIO && strstr(err.text, file),
	       "patched: a read past the end names the file");
	tap_ok(!ck_source_map(s, 15, 1) && !ck_source_map(s, 0, 11) && !ck_source_map(s, 19, 9) &&
	       !ck_source_map(s, BASE, 1), "patched: no mapping where it meets a patch");
	tap_ok(ck_source_map(s, 0, 10) && ck_source_map(s, 20, BASE - 20),
	       "patched: a mapping right before and behind it");
	ck_source_unref(s);
	tap_ok(ck_source_patched(base, base, NULL, 0, &s, NULL) == 0 &&
	       ck_source_map(s, 0, BASE) == ck_source_map(base, 0, BASE), "patched: by nothing");
	ck_source_unref(s);
}

/* The system's files without their descriptors, a few bytes at a time. */
static int no_fd(struct ck_vfile *f)
{
	(void)f;
	return -1;
}

static ssize_t few(struct ck_vfile *f, void *p, size_t n, uint64_t off)
{
	return ck_vfs_posix.pread(f, p, n < 100 ? n : 100, off);
}

static ssize_t broken(struct ck_vfile *f, void *p, size_t n, uint64_t off)
{
	return off + n > 1000 ? -EIO : ck_vfs_posix.pread(f, p, n, off);
}

static void test_table(const uint8_t *bytes)
{
	struct ck_vfs v = ck_vfs_posix;
	struct ck_source *s = NULL;
	struct ck_err err = CK_ERR_INIT;
	uint8_t got[BASE];
	bool same = true;

	v.fd = no_fd;
	v.pread = few;
	tap_ok(ck_source_open_vfs(&v, file, &s, NULL) == 0 && ck_source_size(s) == BASE,
	       "a table without descriptors");
	for (int i = 0; i < 500; i++)
		same &= read_agrees(s, bytes, BASE);
	tap_ok(same, "a table without descriptors: 500 random scattered reads");
	tap_ok(!ck_source_map(s, 0, 1), "a table without descriptors: no mapping");
	test_random(s, bytes, "file without a descriptor");
	ck_source_unref(s);
	v.pread = broken;
	ck_source_open_vfs(&v, file, &s, NULL);
	tap_ok(ck_source_read(s, 0, got, 1000, NULL) == 0 &&
	       ck_source_read(s, 1, got, 1000, &err) == -EIO && err.cls == CK_CORRUPT &&
	       strstr(err.text, file), "a table whose read fails: the error names the file");
	ck_source_unref(s);
}

static void test_open(void)
{
	struct ck_source *s = NULL;
	struct ck_err err = CK_ERR_INIT;
	char fifo[64];

	tap_ok(ck_source_open("/nowhere/f", &s, &err) == -ENOENT && err.cls == CK_MISSING,
	       "open: nothing there");
	tap_is_str(err.text, "/nowhere/f: cannot be opened: No such file or directory",
		   "open: says so");
	err = (struct ck_err)CK_ERR_INIT;
	tap_ok(ck_source_open("/tmp", &s, &err) == -EISDIR && err.cls == CK_FOREIGN,
	       "open: a folder is refused");
	snprintf(fifo, sizeof(fifo), "%s.fifo", file);
	mkfifo(fifo, 0600);
	err = (struct ck_err)CK_ERR_INIT;
	tap_ok(ck_source_open(fifo, &s, &err) == -EINVAL && err.cls == CK_FOREIGN,
	       "open: a FIFO is refused without blocking");
	unlink(fifo);
}

int main(void)
{
	uint8_t bytes[BASE];
	struct ck_source *s = NULL, *mem = NULL;
	bool same = true;
	struct stat st;
	int fd;

	tap_plan(29);
	srand(20);
	for (size_t i = 0; i < BASE; i++)
		bytes[i] = (uint8_t)rand();
	fd = mkstemp(file);
	if (fd < 0 || write(fd, bytes, BASE) != BASE) {
		printf("Bail out! %s cannot be written\n", file);
		exit(1);
	}
	test_open();
	tap_ok(ck_source_open(file, &s, NULL) == 0 && fstat(fd, &st) == 0, "open");
	tap_ok(ck_source_stat(s)->st_ino == st.st_ino && ck_source_stat(s)->st_dev == st.st_dev &&
	       ck_source_stat(s)->st_mtim.tv_nsec == st.st_mtim.tv_nsec &&
	       ck_source_stat(s)->st_mode == st.st_mode, "stat: what fstat(2) says");
	for (int i = 0; i < 500; i++)
		same &= read_agrees(s, bytes, BASE);
	tap_ok(same, "file: 500 random scattered reads");
	test_random(s, bytes, "file");
	test_patched_edges(s);
	ck_source_mem(bytes, BASE, "memory", &mem, NULL);
	test_random(mem, bytes, "memory");
	ck_source_unref(mem);
	test_table(bytes);
	if (ftruncate(fd, 100) == 0) {
		struct ck_err err = CK_ERR_INIT;

		tap_ok(ck_source_read(s, 50, bytes, 100, &err) == -EIO &&
		       strstr(err.text, "cut short"), "a file cut short after it was opened");
	}
	ck_source_unref(s);
	close(fd);
	unlink(file);
	return tap_done();
}

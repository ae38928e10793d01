/*
 * fsop.c - one call of the system that the shell has no command for, for the bats files.
 *
 *   fsop mmap FILE OFFSET TEXT [FIFO]   changes bytes through a shared mapping, without msync; with
 *                                       FIFO it keeps the mapping until that has been written to
 *                                       and closed, and then says what it sees there
 *   fsop pwrite FILE OFFSET TEXT
 *   fsop pwrite-append FILE OFFSET TEXT through a descriptor with O_APPEND
 *   fsop rename FROM TO [noreplace|exchange]
 *   fsop excl FILE                      open(O_CREAT | O_EXCL)
 *   fsop seek FILE data|hole OFFSET     prints the offset
 *   fsop copy FROM FROM-OFFSET TO TO-OFFSET N    copy_file_range(), prints the count
 *   fsop dirsync FOLDER                 fsync() of a folder
 *   fsop setxattr FILE NAME VALUE       an extended attribute
 *   fsop hold FILE N                    opens for writing, writes N bytes, waits for standard input
 *                                       to end, and closes
 *   fsop savefile FOLDER TEMPORARY NAME replaces a file by standard input as some writers do: a
 *                                       temporary sibling gets its full size, is written in pieces
 *                                       of 1 MiB, and is renamed over it, without any sync
 *
 * Exit status 0, or 1 with the errno's name on standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int fail(void)
{
	fprintf(stderr, "%s\n", strerrorname_np(errno));
	return 1;
}

static int do_mmap(char **arg, int n)
{
	size_t len = strlen(arg[2]);
	off_t off = strtoll(arg[1], NULL, 0);
	int fd = open(arg[0], O_RDWR), wait;
	struct stat st;
	char *p, c;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail();
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return fail();
	memcpy(p + off, arg[2], len);
	if (n < 4)
		return 0; /* the end of the program unmaps */
	close(fd);
	wait = open(arg[3], O_RDONLY);
	if (wait < 0)
		return fail();
	while (read(wait, &c, 1) > 0)
		;
	printf("%.*s\n", (int)len, p + off);
	return 0;
}

static int do_pwrite(char **arg, int flags)
{
	size_t len = strlen(arg[2]);
	int fd = open(arg[0], O_RDWR | flags);

	if (fd < 0 || pwrite(fd, arg[2], len, strtoll(arg[1], NULL, 0)) != (ssize_t)len)
		return fail();
	return close(fd) < 0 ? fail() : 0;
}

static int do_rename(char **arg, int n)
{
	unsigned flags = n < 3 ? 0 : strcmp(arg[2], "exchange") == 0 ? RENAME_EXCHANGE :
								       RENAME_NOREPLACE;

	return renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1], flags) < 0 ? fail() : 0;
}

static int do_seek(char **arg)
{
	int fd = open(arg[0], O_RDONLY);
	off_t at;

	if (fd < 0)
		return fail();
	at = lseek(fd, strtoll(arg[2], NULL, 0), strcmp(arg[1], "data") == 0 ? SEEK_DATA : SEEK_HOLE);
	if (at < 0)
		return fail();
	printf("%lld\n", (long long)at);
	return 0;
}

static int do_copy(char **arg)
{
	int from = open(arg[0], O_RDONLY), to = open(arg[2], O_RDWR);
	off64_t from_off = strtoll(arg[1], NULL, 0), to_off = strtoll(arg[3], NULL, 0);
	ssize_t n;

	if (from < 0 || to < 0)
		return fail();
	n = copy_file_range(from, &from_off, to, &to_off, strtoull(arg[4], NULL, 0), 0);
	if (n < 0)
		return fail();
	printf("%zd\n", n);
	return close(to) < 0 ? fail() : 0;
}

static int do_dirsync(char **arg)
{
	int fd = open(arg[0], O_RDONLY | O_DIRECTORY);

	return fd < 0 || fsync(fd) < 0 ? fail() : 0;
}

static int do_hold(char **arg)
{
	size_t len = strtoull(arg[1], NULL, 0);
	int fd = open(arg[0], O_WRONLY | O_CREAT, 0666);
	char *zeros = calloc(1, len + 1), c;

	if (fd < 0 || !zeros || write(fd, zeros, len) != (ssize_t)len)
		return fail();
	printf("written\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	free(zeros);
	return close(fd) < 0 ? fail() : 0;
}

static int fill(int from, int to)
{
	static char piece[1 << 20];
	size_t n;
	ssize_t k;

	do {
		for (n = 0; n < sizeof(piece); n += (size_t)k) {
			k = read(from, piece + n, sizeof(piece) - n);
			if (k < 0)
				return -1;
			if (k == 0)
				break;
		}
		if (n && write(to, piece, n) != (ssize_t)n)
			return -1;
	} while (n == sizeof(piece));
	return 0;
}

static int do_savefile(char **arg)
{
	int dir = open(arg[0], O_RDONLY | O_DIRECTORY);
	int fd = openat(dir, arg[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat in;

	if (dir < 0 || fd < 0 || fstat(STDIN_FILENO, &in) < 0 || ftruncate(fd, in.st_size) < 0 ||
	    fchmod(fd, 0644) < 0 || fill(STDIN_FILENO, fd) < 0 || close(fd) < 0)
		return fail();
	return renameat(dir, arg[1], dir, arg[2]) < 0 ? fail() : 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	char **arg = argv + 2;
	int n = argc - 2;

	if (strcmp(what, "mmap") == 0 && n >= 3)
		return do_mmap(arg, n);
	if (strcmp(what, "pwrite") == 0 && n == 3)
		return do_pwrite(arg, 0);
	if (strcmp(what, "pwrite-append") == 0 && n == 3)
		return do_pwrite(arg, O_APPEND);
	if (strcmp(what, "rename") == 0 && n >= 2)
		return do_rename(arg, n);
	if (strcmp(what, "excl") == 0 && n == 1)
		return open(arg[0], O_WRONLY | O_CREAT | O_EXCL, 0666) < 0 ? fail() : 0;
	if (strcmp(what, "seek") == 0 && n == 3)
		return do_seek(arg);
	if (strcmp(what, "copy") == 0 && n == 5)
		return do_copy(arg);
	if (strcmp(what, "dirsync") == 0 && n == 1)
		return do_dirsync(arg);
	if (strcmp(what, "setxattr") == 0 && n == 3)
		return setxattr(arg[0], arg[1], arg[2], strlen(arg[2]), 0) < 0 ? fail() : 0;
	if (strcmp(what, "hold") == 0 && n == 2)
		return do_hold(arg);
	if (strcmp(what, "savefile") == 0 && n == 3)
		return do_savefile(arg);
	fprintf(stderr, "usage: see the top of fsop.c\n");
	return 2;
}

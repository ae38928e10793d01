/*
 * writers.c - the ways in which a program writes tensors, timed.
 *
 *     writers edit   FILE FOLDER SEED        pwrite(2) of 4 KiB somewhere, fsync(2) of FILE, then of
 *                                            FOLDER: of a mount's root, that publishes
 *     writers fill   FILE BYTES              write(2) of 1 MiB at a time over what was there
 *     writers random FILE SEED               pwrite(2) of 4 KiB, every page once
 *     writers again  FILE FOLDER BYTES N     N times: fill, then fsync(2) of FOLDER
 *
 * Each prints the seconds it took, open to close. What is written differs from piece to piece and
 * from seed to seed.
 */
#define _GNU_SOURCE
#include "timing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned char *buffer;

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);

	if (fd < 0)
		die(path);
	return fd;
}

static void must_close(int fd, const char *path)
{
	if (close(fd) < 0)
		die(path);
}

static void sync_path(const char *path)
{
	int fd = must_open(path, O_RDONLY);

	if (fsync(fd) < 0)
		die(path);
	must_close(fd, path);
}

static void mark(uint64_t value)
{
	memcpy(buffer, &value, sizeof(value));
}

static uint64_t pages_of(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		die(path);
	if ((uint64_t)st.st_size < PAGE) {
		errno = EINVAL;
		die(path);
	}
	return (uint64_t)st.st_size / PAGE;
}

static void write_page(int fd, const char *path, uint64_t page)
{
	if (pwrite(fd, buffer, PAGE, (off_t)(page * PAGE)) != PAGE)
		die(path);
}

static void edit(const char *path, const char *folder, uint64_t seed)
{
	int fd = must_open(path, O_RDWR);

	mark(seed);
	write_page(fd, path, shuffled(seed, pages_of(fd, path), 0));
	if (fsync(fd) < 0)
		die(path);
	must_close(fd, path);
	sync_path(folder);
}

static void fill(const char *path, uint64_t bytes, uint64_t seed)
{
	int fd = must_open(path, O_WRONLY | O_CREAT | O_TRUNC);

	for (uint64_t at = 0; at < bytes;) {
		size_t k = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;

		mark(mix(at + seed));
		if (write(fd, buffer, k) != (ssize_t)k)
			die(path);
		at += k;
	}
	must_close(fd, path);
}

static void write_random(const char *path, uint64_t seed)
{
	int fd = must_open(path, O_WRONLY);
	uint64_t pages = pages_of(fd, path);

	for (uint64_t i = 0; i < pages; i++) {
		mark(i + seed);
		write_page(fd, path, shuffled(i, pages, seed));
	}
	must_close(fd, path);
}

static void again(const char *path, const char *folder, uint64_t bytes, uint64_t times)
{
	for (uint64_t i = 0; i < times; i++) {
		fill(path, bytes, i);
		sync_path(folder);
	}
}

int main(int argc, char **argv)
{
	const char *how = argc > 3 ? argv[1] : "";
	double start;

	buffer = touched_buffer();
	start = now();
	if (!strcmp(how, "edit")) {
		edit(argv[2], argv[3], number(argc, argv, 4));
	} else if (!strcmp(how, "fill")) {
		fill(argv[2], number(argc, argv, 3), 0);
	} else if (!strcmp(how, "random")) {
		write_random(argv[2], number(argc, argv, 3));
	} else if (!strcmp(how, "again")) {
		again(argv[2], argv[3], number(argc, argv, 4), number(argc, argv, 5));
	} else {
		fprintf(stderr, "usage: writers edit|fill|random|again FILE ...\n");
		return 2;
	}
	printf("%.6f\n", now() - start);
	return 0;
}

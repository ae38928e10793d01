/*
 * readers.c - the ways in which a program reads a tensor, timed.
 *
 *     readers seq    FILE [OFFSET LENGTH]        read(2), 1 MiB at a time
 *     readers direct FILE [OFFSET LENGTH]        the same with O_DIRECT
 *     readers mmap   FILE                        shared mapping, copied out in 1 MiB pieces
 *     readers random FILE THREADS OPS SEED       pread(2) of 4 KiB, no page twice
 *     readers drop   FILE...                     asks the kernel to forget its pages
 *
 * Each prints the seconds it took, open to last byte. Everything lands in one small buffer.
 */
#define _GNU_SOURCE
#include "timing.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned char *buffer;

static uint64_t file_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		die("stat");
	return (uint64_t)st.st_size;
}

static void read_range(const char *path, int flags, uint64_t offset, uint64_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

	if (fd < 0)
		die(path);
	if (len == 0)
		len = file_size(fd);
	if (offset && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		die(path);
	while (len) {
		ssize_t n = read(fd, buffer, len < PIECE && !(flags & O_DIRECT) ? len : PIECE);

		if (n <= 0) {
			if (n == 0)
				errno = ENODATA;
			die(path);
		}
		len -= (uint64_t)n < len ? (uint64_t)n : len;
	}
	close(fd);
}

static void read_mapped(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t len;
	unsigned char *p;

	if (fd < 0)
		die(path);
	len = file_size(fd);
	p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die(path);
	for (uint64_t pos = 0; pos < len; pos += PIECE) {
		memcpy(buffer, p + pos, len - pos < PIECE ? len - pos : PIECE);
		/* Nobody looks at the copy; keep the compiler from noticing. */
		__asm__ volatile("" : : "r"(buffer) : "memory");
	}
	munmap(p, len);
	close(fd);
}

struct job {
	pthread_t thread;
	int fd;
	uint64_t pages;
	uint64_t first, count; /* places in the shuffled order */
	uint64_t seed;
	unsigned char *page;
};

static void *random_reader(void *arg)
{
	struct job *j = arg;

	for (uint64_t i = j->first; i < j->first + j->count; i++) {
		uint64_t page = shuffled(i, j->pages, j->seed);

		if (pread(j->fd, j->page, PAGE, (off_t)(page * PAGE)) != PAGE)
			die("pread");
	}
	return NULL;
}

static void read_random(const char *path, unsigned threads, uint64_t ops, uint64_t seed)
{
	struct job jobs[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	if (threads < 1 || threads > 64)
		threads = 1;
	for (unsigned t = 0; t < threads; t++) {
		jobs[t] = (struct job){
			.fd = fd,
			.pages = file_size(fd) / PAGE,
			.first = ops / threads * t,
			.count = ops / threads,
			.seed = seed,
			.page = buffer + (size_t)t * PAGE,
		};
		if (jobs[t].pages < ops) {
			errno = EINVAL;
			die(path);
		}
		errno = pthread_create(&jobs[t].thread, NULL, random_reader, &jobs[t]);
		if (errno)
			die("pthread_create");
	}
	for (unsigned t = 0; t < threads; t++)
		pthread_join(jobs[t].thread, NULL);
	close(fd);
}

static void drop(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (errno)
		die(path);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "";
	double start;

	buffer = touched_buffer();
	start = now();
	if (!strcmp(how, "seq")) {
		read_range(argv[2], 0, number(argc, argv, 3), number(argc, argv, 4));
	} else if (!strcmp(how, "direct")) {
		read_range(argv[2], O_DIRECT, number(argc, argv, 3), number(argc, argv, 4));
	} else if (!strcmp(how, "mmap")) {
		read_mapped(argv[2]);
	} else if (!strcmp(how, "random")) {
		read_random(argv[2], (unsigned)number(argc, argv, 3), number(argc, argv, 4),
			    number(argc, argv, 5));
	} else if (!strcmp(how, "drop")) {
		for (int i = 2; i < argc; i++)
			drop(argv[i]);
		return 0;
	} else {
		fprintf(stderr, "usage: readers seq|direct|mmap|random|drop FILE ...\n");
		return 2;
	}
	printf("%.6f\n", now() - start);
	return 0;
}

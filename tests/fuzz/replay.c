/*
 * replay.c - a main for a fuzz target that runs inputs from files instead of inventing them.
 *
 * So that every build, with any compiler, checks that no known input crashes a parser. Arguments
 * are files and folders (taken with all that is in them); without arguments it is the target's
 * part of the corpus, $SRCDIR/tests/fuzz/corpus/TARGET and the same below $BUILDDIR, TARGET being
 * the program's name. Prints TAP; an input that crashes ends the program after its name was
 * printed as a comment. A file is handed over in a block of exactly its size, so that a sanitizer
 * sees a read past its end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A target may have one, as with libFuzzer. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static unsigned n_run, n_failed;

static void report(const char *path, const char *failure)
{
	n_run++;
	if (failure) {
		n_failed++;
		printf("not ok %u - %s: %s\n", n_run, path, failure);
	} else {
		printf("ok %u - %s\n", n_run, path);
	}
}

static void run_file(const char *path, const struct stat *st)
{
	size_t size = (size_t)st->st_size, done = 0;
	uint8_t *data = malloc(size ? size : 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (data && fd >= 0 && done < size) {
		ssize_t n = read(fd, data + done, size - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (data && fd >= 0 && done == size) {
		/* Last words, should this one crash. */
		printf("# %s\n", path);
		fflush(stdout);
		LLVMFuzzerTestOneInput(data, size);
		report(path, NULL);
	} else {
		report(path, "cannot be read");
	}
	if (fd >= 0)
		close(fd);
	free(data);
}

static void run_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n;

	if (stat(path, &st) < 0) {
		report(path, strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(path, &st);
		return;
	}
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0) {
		report(path, strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		char inner[PATH_MAX];

		if (names[i]->d_name[0] != '.' &&
		    snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name) <
			    (int)sizeof(inner))
			run_path(inner);
		free(names[i]);
	}
	free(names);
}

static void run_corpus_below(const char *env, const char *target)
{
	const char *top = getenv(env);
	char path[PATH_MAX];

	if (top && snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top, target) <
			   (int)sizeof(path) && access(path, F_OK) == 0)
		run_path(path);
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *target = slash ? slash + 1 : argv[0];
	const char *src = getenv("SRCDIR"), *build = getenv("BUILDDIR");

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	if (argc < 2) {
		/* The corpus' folder may bear the target's name with or without "fuzz_". */
		for (int part = 0; part < 2; part++) {
			run_corpus_below("SRCDIR", target);
			if (src && build && strcmp(src, build) != 0)
				run_corpus_below("BUILDDIR", target);
			if (strncmp(target, "fuzz_", 5) != 0)
				break;
			target += 5;
		}
	}
	if (n_run == 0)
		printf("1..0 # SKIP no corpus\n");
	else
		printf("1..%u\n", n_run);
	return n_failed ? 1 : 0;
}

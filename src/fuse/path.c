/* path.c - see path.h. */
#include "fuse/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *ck_path_absolute(const char *cwd, const char *path)
{
	size_t room = strlen(cwd) + strlen(path) + 3, n = 0;
	char *out = malloc(room);

	if (!out)
		return NULL;
	if (path[0] != '/') {
		n = strlen(cwd);
		memcpy(out, cwd, n);
		while (n && out[n - 1] == '/')
			n--;
	}
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len && !(len == 1 && path[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		path += len;
		path += strspn(path, "/");
	}
	if (!n)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

char *ck_path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

char *ck_path_real(const char *path)
{
	char *real = realpath(path, NULL), *bare, *parent, *joined = NULL;
	const char *slash;
	int saved = errno;
	size_t n;

	if (real || (saved != ENOENT && saved != ENOTCONN && saved != ECONNABORTED))
		return real;
	for (n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		;
	bare = strndup(path, n);
	parent = bare ? ck_path_parent(bare) : NULL;
	real = parent ? realpath(parent, NULL) : NULL;
	saved = errno;
	slash = bare ? strrchr(bare, '/') : NULL;
	if (real && asprintf(&joined, "%s/%s", strcmp(real, "/") == 0 ? "" : real,
			     slash ? slash + 1 : bare) < 0)
		joined = NULL;
	free(bare);
	free(parent);
	free(real);
	errno = saved;
	return joined;
}

bool ck_path_lies_in(const char *real, const struct stat *folder)
{
	char *at = strdup(real);
	bool lies = false;

	while (at && !lies) {
		struct stat st;
		char *up;

		/* Above a folder that cannot be examined there are others that can. */
		if (stat(at, &st) == 0)
			lies = st.st_dev == folder->st_dev && st.st_ino == folder->st_ino;
		if (strcmp(at, "/") == 0)
			break;
		up = ck_path_parent(at);
		free(at);
		at = up;
	}
	free(at);
	return lies;
}

/* mountinfo.c - see mountinfo.h; the format of the lines is in proc(5). */
#include "base/mountinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Undoes the kernel's \ooo for blanks and backslashes, in place. */
static char *unescape(char *s)
{
	char *out = s;

	for (char *in = s; *in; in++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		    in[3] >= '0' && in[3] <= '7') {
			*out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return s;
}

/* The n-th (from 0) of a line's fields, cut off by a NUL; *line goes behind it. */
static char *skip_to_field(char **line, int n)
{
	char *field = NULL;

	for (int i = 0; i <= n; i++) {
		field = strsep(line, " ");
		if (!field)
			return NULL;
	}
	return field;
}

bool ck_mountinfo_find(const char *real, struct ck_mounted *ret)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct ck_mounted found = { 0 };
	size_t room = 0;
	char *line = NULL;

	if (!f)
		return false;
	/* The last one of a path hides those before it. */
	while (getline(&line, &room, f) > 0) {
		char *at = line, *where, *type, *source;

		line[strcspn(line, "\n")] = '\0';
		where = skip_to_field(&at, 4);
		if (!where || strcmp(unescape(where), real) != 0)
			continue;
		at = at ? strstr(at, " - ") : NULL;
		if (!at)
			continue;
		at += 3;
		type = skip_to_field(&at, 0);
		source = skip_to_field(&at, 0);
		ck_mounted_done(&found);
		found.type = strdup(type ? type : "");
		found.source = strdup(source ? unescape(source) : "");
	}
	free(line);
	fclose(f);
	if (!found.type || !found.source) {
		ck_mounted_done(&found);
		return false;
	}
	*ret = found;
	return true;
}

void ck_mounted_done(struct ck_mounted *m)
{
	free(m->type);
	free(m->source);
	*m = (struct ck_mounted){ 0 };
}

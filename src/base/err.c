/* err.c - see err.h. */
#include "base/err.h"

#include "util/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int ck_fail(struct ck_err *err, enum ck_class cls, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (err && err->cls == CK_OK) {
		err->cls = cls;
		err->errnum = errnum;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return -errnum;
}

int ck_fail_nomem(struct ck_err *err, const char *what)
{
	return ck_fail(err, CK_MISSING, ENOMEM, "%s: out of memory: free some memory and try again",
		       what);
}

char *ck_quote(char *buf, size_t room, const void *name, size_t len)
{
	const uint8_t *p = name;
	size_t out = 0;

	buf[out++] = '"';
	for (size_t i = 0; i < len;) {
		size_t n = ck_utf8_len(ck_span(p + i, len - i));

		if (out + 4 + sizeof("...\"") > room) {
			memcpy(buf + out, "...", 3);
			out += 3;
			break;
		}
		if (n == 0 || p[i] < 0x20 || p[i] == 0x7f) {
			out += (size_t)snprintf(buf + out, 5, "\\x%02x", p[i]);
			i++;
			continue;
		}
		if (p[i] == '"' || p[i] == '\\')
			buf[out++] = '\\';
		memcpy(buf + out, p + i, n);
		out += n;
		i += n;
	}
	buf[out++] = '"';
	buf[out] = '\0';
	return buf;
}

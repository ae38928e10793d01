/* buf.c - see buf.h. */
#include "util/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Room for n more bytes and a NUL. */
static bool reserve(struct ck_buf *b, size_t n)
{
	size_t want, room;
	char *p;

	if (b->failed)
		return false;
	if (n > SIZE_MAX / 2 - b->n - 1) {
		b->failed = true;
		return false;
	}
	want = b->n + n + 1;
	if (want <= b->room)
		return true;
	room = b->room ? b->room : 128;
	while (room < want)
		room *= 2;
	p = realloc(b->p, room);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->room = room;
	return true;
}

void ck_buf_add(struct ck_buf *b, const void *p, size_t n)
{
	if (!reserve(b, n))
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void ck_buf_str(struct ck_buf *b, const char *s)
{
	ck_buf_add(b, s, strlen(s));
}

void ck_buf_char(struct ck_buf *b, char c)
{
	ck_buf_add(b, &c, 1);
}

void ck_buf_printf(struct ck_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(b, (size_t)n)) {
		b->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void ck_buf_clear(struct ck_buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p)
		b->p[0] = '\0';
}

void ck_buf_done(struct ck_buf *b)
{
	free(b->p);
	*b = (struct ck_buf)CK_BUF_INIT;
}

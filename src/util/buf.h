/*
 * buf.h - a growable byte buffer with a sticky out-of-memory state.
 *
 * Writers append without checking each call and ask ck_buf_failed() once at the end. There is
 * always a NUL behind the last byte, so that a buffer of text can be printed. Not thread-safe.
 */
#ifndef CK_UTIL_BUF_H
#define CK_UTIL_BUF_H

#include "util/bytes.h"

struct ck_buf {
	char *p; /* NULL while empty */
	size_t n; /* bytes used */
	size_t room; /* bytes allocated */
	bool failed; /* an allocation failed: the contents are incomplete */
};

#define CK_BUF_INIT { 0 }

void ck_buf_add(struct ck_buf *b, const void *p, size_t n);
void ck_buf_str(struct ck_buf *b, const char *s);
void ck_buf_char(struct ck_buf *b, char c);
void ck_buf_printf(struct ck_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Keeps the memory, forgets the bytes. */
void ck_buf_clear(struct ck_buf *b);
/* Gives the memory back; the buffer is as after CK_BUF_INIT. */
void ck_buf_done(struct ck_buf *b);

static inline bool ck_buf_failed(const struct ck_buf *b)
{
	return b->failed;
}

#define ck_auto_buf __attribute__((cleanup(ck_buf_done)))

#endif

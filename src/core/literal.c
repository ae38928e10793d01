/* literal.c - see literal.h. */
#include "core/literal.h"

/* Single quotes, unless that would take backslashes which double quotes save. */
static char quote(const struct ck_literal *l)
{
	return l->singles && !l->doubles ? '"' : '\'';
}

/* The text of one byte, but for quotes: 4 characters at most. */
static size_t escape(uint8_t c, char text[4])
{
	static const char hex[] = "0123456789abcdef";

	text[0] = '\\';
	switch (c) {
	case '\t':
		text[1] = 't';
		return 2;
	case '\n':
		text[1] = 'n';
		return 2;
	case '\r':
		text[1] = 'r';
		return 2;
	case '\\':
		text[1] = '\\';
		return 2;
	default:
		if (c >= 0x20 && c < 0x7f) {
			text[0] = (char)c;
			return 1;
		}
		text[1] = 'x';
		text[2] = hex[c >> 4];
		text[3] = hex[c & 15];
		return 4;
	}
}

void ck_literal_measure(struct ck_literal *l, struct ck_span piece)
{
	char text[4];

	for (size_t i = 0; i < piece.n; i++) {
		l->len += escape(piece.p[i], text);
		l->singles += piece.p[i] == '\'';
		l->doubles |= piece.p[i] == '"';
	}
}

uint64_t ck_literal_len(const struct ck_literal *l)
{
	return strlen("b''") + l->len + (quote(l) == '\'' ? l->singles : 0);
}

void ck_literal_begin(const struct ck_literal *l, struct ck_buf *out)
{
	ck_buf_char(out, 'b');
	ck_buf_char(out, quote(l));
}

void ck_literal_print(const struct ck_literal *l, struct ck_span piece, struct ck_buf *out)
{
	char text[4];

	for (size_t i = 0; i < piece.n; i++) {
		/* Only the single one can be in it as well. */
		if (piece.p[i] == (uint8_t)quote(l))
			ck_buf_char(out, '\\');
		ck_buf_add(out, text, escape(piece.p[i], text));
	}
}

void ck_literal_end(const struct ck_literal *l, struct ck_buf *out)
{
	ck_buf_char(out, quote(l));
}

/* cli.c - see cli.h. */
#include "cli/cli.h"

#include "core/ckpt.h"
#include "core/meta.h"
#include "util/json.h"
#include "util/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define FLUSH_BYTES (256 * 1024)

void ck_cli_say(const char *fmt, ...)
{
	char line[sizeof(((struct ck_err *)0)->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* Paths are the user's own bytes, and one message is one line. */
	for (char *p = line; *p; p++)
		*p = (char)((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p);
	fprintf(stderr, "ckptctl: %s\n", line);
}

int ck_cli_fail(const struct ck_err *err)
{
	ck_cli_say("%s", err->text);
	return err->cls == CK_OK ? CK_USAGE : (int)err->cls;
}

struct ck_model *ck_cli_open(const struct ck_args *args, struct ck_err *err)
{
	unsigned flags = args->options & CK_CLI_FORCE ? CK_OPEN_FORCE : 0;
	struct ck_model *m;

	return ck_open(args->source, flags, &m, err) < 0 ? NULL : m;
}

int ck_cli_write(const void *p, size_t n, struct ck_err *err)
{
	const char *from = p;

	while (n) {
		ssize_t put = write(STDOUT_FILENO, from, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return ck_fail(err, CK_USAGE, errno,
				       "standard output: cannot be written: %s", strerror(errno));
		from += put;
		n -= (size_t)put;
	}
	return 0;
}

int ck_cli_flush(struct ck_buf *b, bool now, struct ck_err *err)
{
	int r = 0;

	if (ck_buf_failed(b))
		return ck_fail_nomem(err, "output");
	if (now || b->n >= FLUSH_BYTES) {
		r = ck_cli_write(b->p, b->n, err);
		ck_buf_clear(b);
	}
	return r;
}

/* The letter that stands for a byte behind a backslash, 0 where only its number can. */
static char escape_letter(uint8_t c)
{
	static const char from[] = "\a\b\f\n\r\t\v\\", to[] = "abfnrtv\\";
	const char *p = c ? strchr(from, c) : NULL;

	return p ? to[p - from] : 0;
}

/* Characters that a terminal obeys: C1 controls, line separators, changes of direction. */
static bool obeyed(struct ck_span s, size_t n)
{
	if (n == 2)
		return s.p[0] == 0xc2 && s.p[1] < 0xa0;
	if (n != 3 || s.p[0] != 0xe2)
		return false;
	return (s.p[1] == 0x80 && (s.p[2] == 0x8e || s.p[2] == 0x8f ||	   /* U+200E, U+200F */
				   (s.p[2] >= 0xa8 && s.p[2] <= 0xae))) || /* U+2028..U+202E */
	       (s.p[1] == 0x81 && s.p[2] >= 0xa6 && s.p[2] <= 0xa9);	   /* U+2066..U+2069 */
}

size_t ck_cli_escape(struct ck_span name, struct ck_buf *out)
{
	size_t plain = 0, width = 0;

	while (plain < name.n && name.p[plain] > ' ' && name.p[plain] < 0x7f &&
	       name.p[plain] != '\\')
		plain++;
	ck_buf_add(out, name.p, plain);
	width = plain;
	name.p += plain;
	name.n -= plain;
	while (name.n) {
		size_t n = ck_utf8_len(name);
		char letter = escape_letter(*name.p);

		if (n > 1 && !obeyed(name, n)) {
			ck_buf_add(out, name.p, n);
			width++;
		} else if (n == 1 && *name.p > ' ' && *name.p < 0x7f && !letter) {
			ck_buf_char(out, (char)*name.p);
			width++;
		} else if (letter) {
			ck_buf_printf(out, "\\%c", letter);
			width += 2;
		} else {
			ck_buf_printf(out, "\\%03o", *name.p);
			width += 4;
			n = 1;
		}
		name.p += n;
		name.n -= n;
	}
	return width;
}

void ck_cli_json(struct ck_model *m, uint32_t var, const char *problem, struct ck_buf *out)
{
	struct ck_buf ck_auto_buf row = CK_BUF_INIT;

	if (ck_meta_var(m, var, false, &row, NULL) < 0) {
		ck_buf_clear(&row);
		ck_meta_row(m, var, &row);
	}
	/* What the model itself knows to be damaged says so already. */
	if (problem && !ck_model_problem(m, var) && row.n) {
		ck_buf_add(out, row.p, row.n - 1);
		ck_buf_str(out, ", \"problem\": ");
		ck_json_bytes(ck_span(problem, strlen(problem)), out);
		ck_buf_char(out, '}');
	} else {
		ck_buf_add(out, row.p, row.n);
	}
	out->failed |= row.failed;
}

void ck_cli_count(uint64_t n, const char *noun, struct ck_buf *out)
{
	ck_buf_printf(out, "%" PRIu64 " %s%s", n, noun, n == 1 ? "" : "s");
}

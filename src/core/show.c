/*
 * show.c - see show.h.
 *
 * Numbers are walked over up to three times, in windows: for the range and then the widths that
 * their columns follow from, and to print. Strings come as their lengths are read, are measured
 * and then printed; a long one is read twice rather than held.
 */
#include "core/show.h"

#include "core/element.h"
#include "core/layout.h"
#include "core/literal.h"
#include "core/number.h"
#include "core/read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SUMMARY 1000 /* elements; more of them are summarised */
#define WINDOW 65536 /* bytes, a multiple of any element's size */

struct show {
	struct ck_model *m;
	uint32_t var;
	struct ck_err *err;
	enum ck_dtype dtype;
	enum ck_element_kind kind;
	bool plain; /* a type that NumPy does not know: no columns, %g */
	enum ck_precision precision;
	uint64_t size; /* bytes of V */
	struct ck_walk walk;
	struct ck_layout layout;

	/* The columns of numbers. */
	int width; /* of integers */
	struct ck_column re; /* of floats as well */
	struct ck_column im;

	/* Where the strings have got to. */
	uint64_t nstrings; /* lengths seen */
	uint64_t off; /* of the next string in V */
	bool done; /* the last one is printed */

	/* The part of V that was read last. */
	uint64_t window; /* its first byte */
	size_t nwindow;
	uint8_t *bytes; /* WINDOW of them */
};

static int wrong_size(struct show *s)
{
	struct ck_span name = ck_var_name(s->m, &s->m->vars[s->var]);
	char quoted[CK_QUOTE_ROOM];

	return ck_fail(s->err, CK_CORRUPT, EIO,
		       "%s: variable %s is stored as %" PRIu64 " bytes, which is not what its "
		       "shape takes: restore it from a backup or save it again",
		       s->m->path, ck_quote(quoted, sizeof(quoted), name.p, name.n), s->size);
}

/* The bytes of V from off on, one at least; what is read for that ends before end. */
static int look(struct show *s, uint64_t off, uint64_t end, struct ck_span *ret)
{
	int r;

	if (off < s->window || off - s->window >= s->nwindow) {
		size_t n = end - off < WINDOW ? (size_t)(end - off) : WINDOW;

		s->nwindow = 0;
		if (ck_buf_failed(s->layout.out))
			return ck_fail_nomem(s->err, s->m->path);
		r = ck_var_read(s->m, s->var, off, s->bytes, n, s->err);
		if (r < 0)
			return r;
		s->window = off;
		s->nwindow = n;
	}
	*ret = ck_span(s->bytes + (off - s->window), s->nwindow - (size_t)(off - s->window));
	return 0;
}

/* Calls fn for each number that is shown, and lays out what is between them if so wished. */
static int numbers(struct show *s, void (*fn)(struct show *s, struct ck_value v), bool layout)
{
	size_t size = ck_dtype_info(s->dtype)->size;
	struct ck_step step;
	struct ck_span bytes;
	int r;

	for (;;) {
		uint64_t off = s->walk.at * size;

		r = look(s, off, off + ck_walk_run(&s->walk) * size, &bytes);
		if (r < 0)
			return r;
		fn(s, ck_element_value(s->dtype, bytes.p, s->m->big_endian));
		if (!ck_walk_next(&s->walk, &step))
			return 0;
		if (layout)
			ck_layout_step(&s->layout, step);
	}
}

static void range(struct show *s, struct ck_value v)
{
	ck_column_range(&s->re, v.re);
	if (s->kind == CK_ELEMENT_COMPLEX)
		ck_column_range(&s->im, v.im);
}

static void measure(struct show *s, struct ck_value v)
{
	char text[CK_NUMBER_MAX];
	int n = 0;

	switch (s->kind) {
	case CK_ELEMENT_INT:
		n = snprintf(text, sizeof(text), "%" PRId64, v.i);
		break;
	case CK_ELEMENT_UINT:
		n = snprintf(text, sizeof(text), "%" PRIu64, v.u);
		break;
	case CK_ELEMENT_COMPLEX:
		ck_column_measure(&s->im, v.im);
		ck_column_measure(&s->re, v.re);
		break;
	case CK_ELEMENT_FLOAT:
		ck_column_measure(&s->re, v.re);
		break;
	case CK_ELEMENT_BOOL:
	case CK_ELEMENT_NONE:
		break;
	}
	if (n > s->width)
		s->width = n;
}

/* NumPy puts the j before the spaces that pad the imaginary part. */
static size_t put_j(char *text, size_t n)
{
	size_t at = n;

	while (at && text[at - 1] == ' ')
		at--;
	memmove(text + at + 1, text + at, n - at);
	text[at] = 'j';
	return n + 1;
}

/* The text of a number in an array. */
static size_t word(const struct show *s, struct ck_value v, char *text, size_t room)
{
	size_t n;

	switch (s->kind) {
	case CK_ELEMENT_NONE:
		break;
	case CK_ELEMENT_BOOL:
		return (size_t)snprintf(text, room, "%5s", v.u ? "True" : "False");
	case CK_ELEMENT_INT:
		return (size_t)snprintf(text, room, "%*" PRId64, s->width, v.i);
	case CK_ELEMENT_UINT:
		return (size_t)snprintf(text, room, "%*" PRIu64, s->width, v.u);
	case CK_ELEMENT_FLOAT:
		if (s->plain)
			return ck_number_print_g(v.re, text);
		return ck_column_print(&s->re, v.re, text);
	case CK_ELEMENT_COMPLEX:
		n = ck_column_print(&s->re, v.re, text);
		return n + put_j(text + n, ck_column_print(&s->im, v.im, text + n));
	}
	return 0;
}

/* The text of a number alone, which an array of no axes has. */
static size_t word_alone(const struct show *s, struct ck_value v, char *text, size_t room)
{
	if (s->kind == CK_ELEMENT_BOOL)
		return (size_t)snprintf(text, room, "%s", v.u ? "True" : "False");
	if (s->kind == CK_ELEMENT_COMPLEX)
		return ck_complex_print(s->precision, v.re, v.im, text);
	if (s->kind == CK_ELEMENT_FLOAT && !s->plain)
		return ck_number_print(s->precision, v.re, text);
	return word(s, v, text, room);
}

static void print(struct show *s, struct ck_value v)
{
	char text[2 * CK_NUMBER_MAX];
	size_t n;

	if (s->walk.rank)
		n = word(s, v, text, sizeof(text));
	else
		n = word_alone(s, v, text, sizeof(text));
	ck_layout_word(&s->layout, n);
	ck_buf_add(s->layout.out, text, n);
}

static int show_numbers(struct show *s)
{
	bool floats = s->kind == CK_ELEMENT_FLOAT || s->kind == CK_ELEMENT_COMPLEX;
	bool columns = s->walk.rank && !s->plain && s->kind != CK_ELEMENT_BOOL;
	int r = 0;

	ck_column_init(&s->re, s->precision, false);
	ck_column_init(&s->im, s->precision, true);
	if (columns && floats) {
		r = numbers(s, range, false);
		ck_column_choose(&s->re);
		ck_column_choose(&s->im);
	}
	if (columns && r == 0)
		r = numbers(s, measure, false);
	if (r == 0)
		r = numbers(s, print, true);
	return r;
}

/* Measures the bytes of the string that s->off stands at, or prints them. */
static int string_bytes(struct show *s, uint64_t len, struct ck_literal *l, bool printing)
{
	/* Strings lie behind each other, so reading ahead is what comes next, if all are shown. */
	uint64_t off = s->off, end = off + len;
	uint64_t ahead = s->walk.last_cut < 0 ? s->size : end;
	struct ck_span bytes;
	int r;

	while (off < end) {
		r = look(s, off, ahead, &bytes);
		if (r < 0)
			return r;
		if (bytes.n > end - off)
			bytes.n = (size_t)(end - off);
		if (printing)
			ck_literal_print(l, bytes, s->layout.out);
		else
			ck_literal_measure(l, bytes);
		off += bytes.n;
	}
	return 0;
}

static int show_string(struct show *s, uint64_t len)
{
	struct ck_literal l = { 0 };
	int r;

	r = string_bytes(s, len, &l, false);
	if (r < 0)
		return r;
	ck_layout_word(&s->layout, ck_literal_len(&l));
	ck_literal_begin(&l, s->layout.out);
	r = string_bytes(s, len, &l, true);
	ck_literal_end(&l, s->layout.out);
	return r;
}

static int next_string(void *arg, uint64_t len)
{
	struct show *s = arg;
	struct ck_step step;
	int r;

	if (len > s->size - s->off)
		return wrong_size(s);
	if (!s->done && s->walk.at == s->nstrings) {
		r = show_string(s, len);
		if (r < 0)
			return r;
		if (ck_walk_next(&s->walk, &step))
			ck_layout_step(&s->layout, step);
		else
			s->done = true;
	}
	s->nstrings++;
	s->off += len;
	return 0;
}

static int show_strings(struct show *s)
{
	int r = ck_var_lengths(s->m, s->var, next_string, s, s->err);

	if (r == 0 && !s->done)
		return wrong_size(s);
	return r;
}

static enum ck_precision precision_of(enum ck_dtype t)
{
	switch (t) {
	case CK_DT_FLOAT16:
		return CK_PRECISION_HALF;
	case CK_DT_FLOAT32:
	case CK_DT_COMPLEX64:
		return CK_PRECISION_SINGLE;
	default:
		return CK_PRECISION_DOUBLE;
	}
}

/* Whether the type is one of ml_dtypes', that NumPy has no columns for. */
static bool is_plain(enum ck_dtype t)
{
	switch (t) {
	case CK_DT_BFLOAT16:
	case CK_DT_FLOAT8_E5M2:
	case CK_DT_FLOAT8_E4M3FN:
	case CK_DT_FLOAT8_E4M3FNUZ:
	case CK_DT_FLOAT8_E4M3B11FNUZ:
	case CK_DT_FLOAT8_E5M2FNUZ:
	case CK_DT_FLOAT4_E2M1FN:
	case CK_DT_INT4:
	case CK_DT_UINT4:
	case CK_DT_INT2:
	case CK_DT_UINT2:
		return true;
	default:
		return false;
	}
}

static int show(struct show *s, const struct ck_show_options *o, struct ck_buf *out)
{
	const struct ck_var *v = &s->m->vars[s->var];
	uint64_t elements = ck_var_elements(s->m, v), bytes;
	int r;

	r = ck_var_readable(s->m, s->var, s->err);
	if (r == 0)
		r = ck_var_size(s->m, s->var, &s->size, s->err);
	if (r < 0)
		return r;
	if (s->kind != CK_ELEMENT_NONE &&
	    (!ck_mul_u64(elements, ck_dtype_info(s->dtype)->size, &bytes) || bytes != s->size))
		return wrong_size(s);
	if (!elements) {
		ck_buf_str(out, "[]");
		return 0;
	}
	s->bytes = malloc(WINDOW);
	if (!s->bytes)
		return ck_fail_nomem(s->err, s->m->path);
	ck_walk_init(&s->walk, ck_var_shape(s->m, v), v->rank, !o->all && elements > SUMMARY);
	ck_layout_begin(&s->layout, v->rank, out);
	r = s->kind == CK_ELEMENT_NONE ? show_strings(s) : show_numbers(s);
	free(s->bytes);
	if (r < 0)
		return r;
	ck_layout_end(&s->layout);
	return 0;
}

int ck_show_var(struct ck_model *m, uint32_t var, const struct ck_show_options *o,
		struct ck_buf *out, struct ck_err *err)
{
	enum ck_dtype dtype = (enum ck_dtype)m->vars[var].dtype;
	struct show s = { .m = m, .var = var, .err = err, .dtype = dtype };
	size_t before = out->n;
	int r;

	s.kind = ck_element_kind(dtype);
	s.plain = is_plain(dtype);
	s.precision = precision_of(dtype);
	r = show(&s, o, out);
	if (r == 0 && ck_buf_failed(out))
		r = ck_fail_nomem(err, m->path);
	if (r < 0 && out->n > before) { /* half a text would look like a whole one */
		out->n = before;
		out->p[before] = '\0';
	}
	return r;
}

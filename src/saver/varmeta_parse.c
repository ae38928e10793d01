/*
 * varmeta_parse.c - what somebody wrote into V.json or an extended attribute, taken as metadata.
 *
 * The text is a user's: what is wrong with it is said in a sentence that names the member and what
 * it may be. jansson bounds the nesting and refuses names that are there twice; how many values it
 * gets to see is bounded before (varmeta_list.h).
 */
#include "saver/varmeta.h"

#include "saver/varmeta_list.h"
#include "util/json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#define RANK_MAX 254
#define MEMBER_MAX 65536 /* as the kernel bounds extended attributes */

/* Names may hold any character; nothing is taken of a text that contradicts itself. */
#define FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

struct parse {
	const char *where;
	struct ck_varmeta *m; /* under construction */
	struct ck_varmeta_list *list; /* lengths that were read already, or NULL */
	struct ck_err *err;
};

#define refuse(p, ...) ck_fail((p)->err, CK_USAGE, EINVAL, __VA_ARGS__)

#define QUOTE_ROOM 100

/* A value in a few words. */
static const char *words(const json_t *v, char *buf)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		return ck_quote(buf, QUOTE_ROOM, json_string_value(v), json_string_length(v));
	case JSON_INTEGER:
		snprintf(buf, QUOTE_ROOM, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return buf;
	case JSON_REAL:
		snprintf(buf, QUOTE_ROOM, "%g", json_real_value(v));
		return buf;
	case JSON_ARRAY:
		return json_array_size(v) ? "an array" : "[]";
	case JSON_OBJECT:
		return "an object";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		break;
	}
	return "null";
}

static struct ck_span string_of(const json_t *v)
{
	return ck_span(json_string_value(v), json_string_length(v));
}

static bool is(const json_t *v, const char *text)
{
	return json_is_string(v) && ck_span_cmp(string_of(v), ck_span(text, strlen(text))) == 0;
}

/* --- dtype ------------------------------------------------------------------------------------ */

/* As a person would list them; those whose values nobody can write are left out. */
static void list_dtypes(struct ck_buf *out)
{
	static const uint8_t order[] = {
		CK_DT_BOOL, CK_DT_INT8, CK_DT_INT16, CK_DT_INT32, CK_DT_INT64,
		CK_DT_UINT8, CK_DT_UINT16, CK_DT_UINT32, CK_DT_UINT64,
		CK_DT_FLOAT16, CK_DT_BFLOAT16, CK_DT_FLOAT32, CK_DT_FLOAT64,
		CK_DT_COMPLEX64, CK_DT_COMPLEX128, CK_DT_STRING,
		CK_DT_FLOAT8_E5M2, CK_DT_FLOAT8_E4M3FN, CK_DT_FLOAT8_E4M3FNUZ,
		CK_DT_FLOAT8_E4M3B11FNUZ, CK_DT_FLOAT8_E5M2FNUZ, CK_DT_FLOAT4_E2M1FN,
		CK_DT_INT4, CK_DT_UINT4, CK_DT_INT2, CK_DT_UINT2,
		CK_DT_QINT8, CK_DT_QUINT8, CK_DT_QINT16, CK_DT_QUINT16, CK_DT_QINT32,
	};

	for (size_t i = 0; i < sizeof(order); i++) {
		ck_buf_str(out, i ? ", " : "");
		ck_buf_str(out, ck_dtype_info(order[i])->name);
	}
}

/* A dtype that has no name here goes by the format's number, as V.json shows it. */
static bool unnamed(const json_t *dtype, const json_t *native)
{
	json_int_t number = json_integer_value(native);

	return is(dtype, ck_dtype_info(CK_DT_UNKNOWN)->name) && json_is_integer(native) &&
	       number >= INT32_MIN && number <= INT32_MAX &&
	       ck_dtype_from_native(number) == CK_DT_UNKNOWN;
}

static int take_dtype(struct parse *p, const json_t *v, const json_t *native)
{
	struct ck_buf ck_auto_buf list = CK_BUF_INIT;
	enum ck_dtype t = CK_DT_UNKNOWN;
	char buf[QUOTE_ROOM];

	if (!v)
		return 0;
	if (json_is_string(v))
		t = ck_dtype_by_name(string_of(v));
	if (t != CK_DT_UNKNOWN) {
		p->m->native = (int32_t)t;
	} else if (unnamed(v, native)) {
		p->m->native = (int32_t)json_integer_value(native);
	} else {
		list_dtypes(&list);
		return refuse(p, "%s: \"dtype\" is %s: one of %s expected", p->where, words(v, buf),
			      list.p ? list.p : "");
	}
	p->m->has_dtype = true;
	p->m->dtype = t;
	return 0;
}

/* --- shape, lengths --------------------------------------------------------------------------- */

/* An array of numbers from 0 on; *ret is not NULL even if there are none. */
static int take_numbers(struct parse *p, const char *member, const json_t *v, uint64_t **ret)
{
	size_t n = json_array_size(v);
	uint64_t *numbers = calloc(n + 1, sizeof(*numbers));
	char buf[QUOTE_ROOM];

	if (!numbers)
		return ck_fail_nomem(p->err, p->where);
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(v, i);

		if (!json_is_integer(e) || json_integer_value(e) < 0) {
			free(numbers);
			return refuse(p, "%s: \"%s\" has %s in place %zu: a whole number, 0 or more, "
				      "expected", p->where, member, words(e, buf), i + 1);
		}
		numbers[i] = (uint64_t)json_integer_value(e);
	}
	*ret = numbers;
	return 0;
}

/* As the format counts (format/tf_messages.c): the product of what is not 0 has to fit. */
static bool count(const uint64_t *shape, size_t rank, uint64_t *ret)
{
	uint64_t n = 1;
	bool zero = false;

	for (size_t i = 0; i < rank; i++) {
		zero |= shape[i] == 0;
		if (shape[i] && (!ck_mul_u64(n, shape[i], &n) || n > INT64_MAX))
			return false;
	}
	*ret = zero ? 0 : n;
	return true;
}

static int take_shape(struct parse *p, const json_t *v)
{
	char buf[QUOTE_ROOM];
	uint64_t *shape;
	int r;

	if (!v)
		return 0;
	if (!json_is_array(v))
		return refuse(p, "%s: \"shape\" is %s: an array such as [2, 3] expected, [] for a "
			      "scalar", p->where, words(v, buf));
	if (json_array_size(v) > RANK_MAX)
		return refuse(p, "%s: \"shape\" has %zu dimensions: at most %d expected", p->where,
			      json_array_size(v), RANK_MAX);
	r = take_numbers(p, "shape", v, &shape);
	if (r < 0)
		return r;
	free(p->m->shape);
	p->m->shape = shape;
	p->m->rank = (uint32_t)json_array_size(v);
	p->m->has_shape = true;
	if (!count(shape, p->m->rank, &p->m->elements))
		return refuse(p, "%s: \"shape\" makes more than %" PRId64 " elements: fewer expected",
			      p->where, INT64_MAX);
	return 0;
}

static bool may_be_strings(const struct ck_varmeta *m)
{
	return !m->has_dtype || m->dtype == CK_DT_STRING;
}

static int take_lengths(struct parse *p, const json_t *v)
{
	struct ck_varmeta *m = p->m;
	bool listed = p->list && p->list->v;
	uint64_t n = listed ? p->list->n : json_array_size(v);
	char buf[QUOTE_ROOM];
	int r = 0;

	if (!may_be_strings(m))
		return 0;
	if (!json_is_array(v))
		return refuse(p, "%s: \"lengths\" is %s: an array of the strings' lengths in bytes "
			      "expected", p->where, words(v, buf));
	if (m->has_shape && n != m->elements)
		return refuse(p, "%s: \"lengths\" has %" PRIu64 " numbers: %" PRIu64 " expected, one "
			      "for each element of \"shape\"", p->where, n, m->elements);
	if (listed) {
		m->lengths = p->list->v;
		p->list->v = NULL;
	} else {
		r = take_numbers(p, "lengths", v, &m->lengths);
	}
	if (r < 0)
		return r;
	m->nlengths = n;
	for (uint64_t i = 0; i < n; i++)
		if (!ck_add_u64(m->lengths_sum, m->lengths[i], &m->lengths_sum) ||
		    m->lengths_sum > INT64_MAX)
			return refuse(p, "%s: \"lengths\" add up to more than %" PRId64 " bytes: fewer "
				      "expected", p->where, INT64_MAX);
	return 0;
}

/* Lengths that nobody has said anew hold on as long as there are as many strings. */
static int keep_lengths(struct parse *p, const struct ck_varmeta *old)
{
	struct ck_varmeta *m = p->m;

	if (!old || !old->lengths || !may_be_strings(m) ||
	    (m->has_shape && m->elements != old->nlengths))
		return 0;
	m->lengths = malloc((old->nlengths + 1) * sizeof(*m->lengths));
	if (!m->lengths)
		return ck_fail_nomem(p->err, p->where);
	memcpy(m->lengths, old->lengths, old->nlengths * sizeof(*m->lengths));
	m->nlengths = old->nlengths;
	m->lengths_sum = old->lengths_sum;
	return 0;
}

/* --- byte_order, name ------------------------------------------------------------------------- */

static int take_byte_order(struct parse *p, const json_t *v)
{
	char buf[QUOTE_ROOM];

	if (!v)
		return 0;
	if (!is(v, "little") && !is(v, "big"))
		return refuse(p, "%s: \"byte_order\" is %s: \"little\" or \"big\" expected", p->where,
			      words(v, buf));
	p->m->big_endian = is(v, "big");
	return 0;
}

static int set_name(struct parse *p, struct ck_span name)
{
	char *copy = malloc(name.n + 1);

	if (!copy)
		return ck_fail_nomem(p->err, p->where);
	memcpy(copy, name.p, name.n);
	copy[name.n] = '\0';
	free(p->m->name);
	p->m->name = copy;
	p->m->name_len = name.n;
	return 0;
}

static int take_name(struct parse *p, const json_t *v)
{
	struct ck_buf ck_auto_buf bytes = CK_BUF_INIT;
	const json_t *coded = json_object_get(v, "base64");
	char buf[QUOTE_ROOM];

	if (!v)
		return 0;
	if (json_string_length(v))
		return set_name(p, string_of(v));
	if (!json_is_string(coded) || json_object_size(v) != 1)
		return refuse(p, "%s: \"name\" is %s: the variable's name expected, or "
			      "{\"base64\": \"...\"} where it is not UTF-8", p->where, words(v, buf));
	if (!ck_json_unbase64(string_of(coded), &bytes) || (!bytes.n && !ck_buf_failed(&bytes)))
		return refuse(p, "%s: \"base64\" of \"name\" is %s: base64 with its padding expected",
			      p->where, words(coded, buf));
	if (ck_buf_failed(&bytes))
		return ck_fail_nomem(p->err, p->where);
	return set_name(p, ck_span(bytes.p, bytes.n));
}

/* --- all of it -------------------------------------------------------------------------------- */

/* What stays as it was unless it is said anew; lengths are another matter. */
static struct ck_varmeta *begin(const struct ck_varmeta *old, bool big_endian)
{
	struct ck_varmeta *m = ck_varmeta_new(old ? old->big_endian : big_endian);

	if (!m || !old)
		return m;
	m->has_dtype = old->has_dtype;
	m->has_shape = old->has_shape;
	m->dtype = old->dtype;
	m->native = old->native;
	m->rank = old->rank;
	m->elements = old->elements;
	if (old->rank) {
		m->shape = malloc(old->rank * sizeof(*m->shape));
		if (!m->shape)
			return ck_varmeta_unref(m);
		memcpy(m->shape, old->shape, old->rank * sizeof(*m->shape));
	}
	if (old->name) {
		m->name = malloc(old->name_len + 1);
		if (!m->name)
			return ck_varmeta_unref(m);
		memcpy(m->name, old->name, old->name_len + 1);
		m->name_len = old->name_len;
	}
	return m;
}

static int check_bytes(struct parse *p)
{
	uint64_t size = ck_dtype_info(p->m->dtype)->size, n;

	if (p->m->has_dtype && p->m->has_shape &&
	    (!ck_mul_u64(p->m->elements, size, &n) || n > INT64_MAX))
		return refuse(p, "%s: \"shape\" makes more than %" PRId64 " bytes of %s: fewer "
			      "expected", p->where, INT64_MAX, ck_dtype_info(p->m->dtype)->name);
	return 0;
}

static int merge(struct parse *p, const json_t *o, const struct ck_varmeta *old, bool big_endian,
		 struct ck_varmeta **ret)
{
	const json_t *lengths = json_object_get(o, "lengths");
	int r;

	p->m = begin(old, big_endian);
	if (!p->m)
		return ck_fail_nomem(p->err, p->where);
	r = take_dtype(p, json_object_get(o, "dtype"), json_object_get(o, "dtype_native"));
	if (r == 0)
		r = take_shape(p, json_object_get(o, "shape"));
	if (r == 0)
		r = check_bytes(p);
	if (r == 0)
		r = take_byte_order(p, json_object_get(o, "byte_order"));
	if (r == 0)
		r = lengths ? take_lengths(p, lengths) : keep_lengths(p, old);
	if (r == 0)
		r = take_name(p, json_object_get(o, "name"));
	if (r < 0)
		ck_varmeta_unref(p->m);
	else
		*ret = p->m;
	return r;
}

#define AN_OBJECT "an object such as {\"dtype\": \"float32\", \"shape\": [2, 3]} expected"

static int not_json(const struct parse *p, const json_error_t *e)
{
	const char *near = strstr(e->text, " near "); /* what follows is not ours to print */
	int n = near ? (int)(near - e->text) : (int)strlen(e->text);

	if (!e->text[0] || json_error_code(e) == json_error_out_of_memory)
		return ck_fail_nomem(p->err, p->where);
	return refuse(p, "%s: not JSON: line %d, column %d: %.*s: " AN_OBJECT, p->where, e->line,
		      e->column, n, e->text);
}

static int parse_text(struct parse *p, struct ck_span text, const struct ck_varmeta *old,
		      bool big_endian, struct ck_varmeta **ret)
{
	char buf[QUOTE_ROOM];
	json_error_t e;
	json_t *o = json_loadb((const char *)text.p, text.n, FLAGS, &e);
	int r;

	if (!o)
		return not_json(p, &e);
	if (json_is_object(o))
		r = merge(p, o, old, big_endian, ret);
	else
		r = refuse(p, "%s: it is %s: " AN_OBJECT, p->where, words(o, buf));
	json_decref(o);
	return r;
}

int ck_varmeta_parse(struct ck_span text, const struct ck_varmeta *old, bool big_endian,
		     const char *where, struct ck_varmeta **ret, struct ck_err *err)
{
	struct ck_varmeta_list list = { 0 };
	struct parse p = { .where = where, .list = &list, .err = err };
	int r;

	if (text.n == 0 || text.n > CK_META_TEXT_MAX)
		return refuse(&p, "%s: %s: " AN_OBJECT, where, text.n ? "larger than 256 MiB" : "empty");
	r = ck_varmeta_list(text, &list);
	if (r == -E2BIG)
		return refuse(&p, "%s: has more than %u values besides a list of lengths: " AN_OBJECT,
			      where, CK_META_VALUES_MAX);
	if (r < 0)
		return ck_fail_nomem(err, where);
	if (list.rest)
		text.p = (const uint8_t *)list.rest;
	r = parse_text(&p, text, old, big_endian, ret);
	free(list.v);
	free(list.rest);
	return r;
}

int ck_varmeta_parse_member(const char *member, struct ck_span value, const struct ck_varmeta *old,
			    bool big_endian, const char *where, struct ck_varmeta **ret,
			    struct ck_err *err)
{
	const char *text = value.n ? (const char *)value.p : "";
	struct parse p = { .where = where, .err = err };
	bool shape = strcmp(member, "shape") == 0;
	json_error_t e;
	json_t *o, *v;
	int r;

	if (!shape && strcmp(member, "dtype") != 0 && strcmp(member, "byte_order") != 0)
		return refuse(&p, "%s: \"%s\" cannot be set: \"dtype\", \"shape\" or \"byte_order\" "
			      "expected", where, member);
	if (value.n > MEMBER_MAX)
		return refuse(&p, "%s: \"%s\" is larger than 64 KiB: less expected", where, member);
	/* A name that is not UTF-8 is none that is known, and quoted as it is. */
	v = shape ? json_loadb(text, value.n, FLAGS | JSON_DECODE_ANY, &e) :
		    json_stringn_nocheck(text, value.n);
	if (!v && shape && e.text[0] && json_error_code(&e) != json_error_out_of_memory)
		return refuse(&p, "%s: \"shape\" is not JSON: an array such as [2, 3] expected, [] for "
			      "a scalar", where);
	o = v ? json_object() : NULL;
	if (!o)
		json_decref(v);
	if (!o || json_object_set_new(o, member, v) < 0)
		r = ck_fail_nomem(err, where);
	else
		r = merge(&p, o, old, big_endian, ret);
	json_decref(o);
	return r;
}

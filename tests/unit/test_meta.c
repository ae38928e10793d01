/*
 * test_meta.c - V.json as another JSON library reads it.
 *
 * Our text is written by hand; jansson, which is strict, has to parse it and find every member as
 * it was meant, for hostile names, strings with lengths, slices, and what is damaged.
 */
#include "core/meta.h"
#include "model/builder.h"
#include "util/crc32c.h"
#include "util/utf8.h"

#include "tap.h"

#include <jansson.h>
#include <stdlib.h>

/* Both forms of a variable's object, parsed; they have to be equal. NULL where they are not. */
static json_t *parsed(struct ck_model *m, uint32_t var)
{
	struct ck_buf ck_auto_buf pretty = CK_BUF_INIT, line = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	json_error_t e;
	json_t *a, *b;
	uint64_t size = 0;

	if (ck_meta_var(m, var, true, &pretty, &err) < 0 ||
	    ck_meta_var(m, var, false, &line, &err) < 0 || ck_meta_var_size(m, var, &size, &err) < 0 ||
	    size != pretty.n || strchr(line.p, '\n') || pretty.p[pretty.n - 1] != '\n') {
		printf("# %s\n", err.text);
		return NULL;
	}
	a = json_loadb(pretty.p, pretty.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	b = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (!a || !b || !json_equal(a, b)) {
		printf("# %s in %s\n", e.text, pretty.p);
		json_decref(a);
		a = NULL;
	}
	json_decref(b);
	return a;
}

static bool member_is(json_t *o, const char *name, const char *format, ...)
{
	json_t *want;
	va_list ap;
	bool same;

	va_start(ap, format);
	want = json_vpack_ex(NULL, 0, format, ap);
	va_end(ap);
	same = json_equal(json_object_get(o, name), want);
	if (!same) {
		char *got = json_dumps(json_object_get(o, name), JSON_ENCODE_ANY);

		printf("# %s is %s\n", name, got ? got : "not there");
		free(got);
	}
	json_decref(want);
	return same;
}

static bool name_is(json_t *o, struct ck_span name)
{
	json_t *n = json_object_get(o, "name");

	if (!ck_utf8_valid(name))
		return json_is_string(json_object_get(n, "base64")) && json_object_size(n) == 1;
	return json_string_length(n) == name.n && memcmp(json_string_value(n), name.p, name.n) == 0;
}

static struct ck_model *start(struct ck_builder *b, const void *data, size_t n)
{
	struct ck_model *m = ck_model_new("tensorflow", "t");

	ck_builder_init(b, m, true);
	m->shards = calloc(1, sizeof(*m->shards));
	m->nshards = 1;
	m->shards[0].id = 3;
	ck_source_mem(data, n, "t.data", &m->shards[0].source, NULL);
	return m;
}

static void test_names(void)
{
	unsigned right = 0, count = 5000;
	struct ck_err err = CK_ERR_INIT;

	srand(20260103);
	for (unsigned i = 0; i < count; i++) {
		struct ck_var v = { .dtype = CK_DT_FLOAT32, .native = 1 };
		struct ck_builder b;
		struct ck_model *m = start(&b, "", 0);
		char name[40];
		size_t n = 1 + (size_t)rand() % sizeof(name);
		json_t *o;

		for (size_t k = 0; k < n; k++)
			name[k] = (char)(rand() % (i % 2 ? 256 : 128));
		ck_builder_var(&b, ck_span(name, n), &v, &err);
		ck_builder_finish(&b, &err);
		o = parsed(m, 0);
		right += o && name_is(o, ck_span(name, n));
		json_decref(o);
		ck_model_unref(m);
	}
	tap_is_u64(right, count, "%u random names come back, or as base64", count);
}

static void test_number(void)
{
	static const uint64_t shape[] = { 784, 10 };
	struct ck_var v = { .dtype = CK_DT_BFLOAT16, .native = 14, .rank = 2, .offset = 7,
			    .nbytes = 15680, .crc32c = 0x0000beef };
	struct ck_err err = CK_ERR_INIT;
	struct ck_builder b;
	struct ck_model *m = start(&b, "", 0);
	json_t *o;

	ck_builder_dims(&b, shape, 2, &v.shape, &err);
	ck_builder_var(&b, ck_span("w", 1), &v, &err);
	ck_builder_finish(&b, &err);
	m->big_endian = true;
	o = parsed(m, 0);
	tap_ok(member_is(o, "dtype", "s", "bfloat16") && member_is(o, "shape", "[ii]", 784, 10) &&
		       member_is(o, "nbytes", "i", 15680) &&
		       member_is(o, "byte_order", "s", "big") &&
		       member_is(o, "crc32c", "s", "0000beef") && member_is(o, "shard", "i", 3) &&
		       member_is(o, "offset", "i", 7) &&
		       member_is(o, "dtype_native", "s", "DT_BFLOAT16") && json_object_size(o) == 9,
	       "a matrix: every member");
	json_decref(o);
	ck_model_unref(m);
}

static void test_unknown_and_damaged(void)
{
	struct ck_var v = { .dtype = CK_DT_UNKNOWN, .native = 99, .nbytes = 5 };
	struct ck_err err = CK_ERR_INIT;
	struct ck_builder b;
	struct ck_model *m = start(&b, "", 0);
	json_t *o;

	ck_builder_var(&b, ck_span("a", 1), &v, &err);
	v.dtype = CK_DT_STRING;
	v.native = 7;
	ck_builder_var(&b, ck_span("b", 1), &v, &err);
	ck_builder_problem(&b, 1, &err, "t: \"b\" is broken");
	ck_builder_finish(&b, &err);
	o = parsed(m, 0);
	tap_ok(member_is(o, "dtype", "s", "unknown") && member_is(o, "dtype_native", "i", 99) &&
		       member_is(o, "nbytes", "i", 5),
	       "an unknown dtype: its number");
	json_decref(o);
	o = parsed(m, 1);
	tap_ok(member_is(o, "problem", "s", "t: \"b\" is broken") && !json_object_get(o, "offset") &&
		       !json_object_get(o, "lengths"),
	       "a damaged variable: the problem, and no place");
	json_decref(o);
	ck_model_unref(m);
}

static void test_strings(void)
{
	static const uint8_t data[] = "\x05\x05\xb5\x6f\x99\x4fhelloworld";
	static const uint64_t shape[] = { 2 };
	struct ck_var v = { .dtype = CK_DT_STRING, .native = 7, .rank = 1, .nbytes = 16,
			    .crc32c = 0xb0a1b2a9 };
	struct ck_err err = CK_ERR_INIT;
	struct ck_builder b;
	struct ck_model *m = start(&b, data, 16);
	json_t *o;

	ck_builder_dims(&b, shape, 1, &v.shape, &err);
	ck_builder_var(&b, ck_span("s", 1), &v, &err);
	ck_builder_finish(&b, &err);
	o = parsed(m, 0);
	tap_ok(member_is(o, "lengths", "[ii]", 5, 5) && member_is(o, "nbytes", "i", 10) &&
		       member_is(o, "dtype", "s", "string"),
	       "strings: their lengths");
	json_decref(o);
	ck_model_unref(m);
}

static void test_slices(void)
{
	static const uint64_t shape[] = { 4, 2 }, first[] = { 0, 0 }, second[] = { 3, 0 };
	static const uint64_t three[] = { 3, 2 }, one[] = { 1, 2 };
	struct ck_var v = { .dtype = CK_DT_INT8, .native = 6, .rank = 2, .nbytes = 8, .shard = 2,
			    .flags = CK_VAR_SLICED };
	struct ck_slice a = { .offset = 10, .nbytes = 6, .last = 6, .crc32c = 1 };
	struct ck_slice c = { .offset = 20, .nbytes = 2, .first = 6, .last = 8, .crc32c = 2 };
	struct ck_err err = CK_ERR_INIT;
	struct ck_builder b;
	struct ck_model *m = start(&b, "", 0);
	json_t *o;

	ck_builder_dims(&b, shape, 2, &v.shape, &err);
	ck_builder_dims(&b, first, 2, &a.start, &err);
	ck_builder_dims(&b, three, 2, &a.extent, &err);
	ck_builder_dims(&b, second, 2, &c.start, &err);
	ck_builder_dims(&b, one, 2, &c.extent, &err);
	ck_builder_slice(&b, &a, &err);
	ck_builder_slice(&b, &c, &err);
	ck_builder_var(&b, ck_span("p", 1), &v, &err);
	ck_builder_finish(&b, &err);
	o = parsed(m, 0);
	tap_ok(member_is(o, "slices", "[{s[ii]s[ii]sisssisi},{s[ii]s[ii]sisssisi}]", "start", 0, 0,
			 "shape", 3, 2, "nbytes", 6, "crc32c", "00000001", "shard", 3, "offset", 10,
			 "start", 3, 0, "shape", 1, 2, "nbytes", 2, "crc32c", "00000002", "shard", 3,
			 "offset", 20) &&
		       !json_object_get(o, "crc32c"),
	       "a partitioned variable: its slices");
	json_decref(o);
	ck_model_unref(m);
}

int main(void)
{
	tap_plan(6);
	test_names();
	test_number();
	test_unknown_and_damaged();
	test_strings();
	test_slices();
	return tap_done();
}

/*
 * test_varmeta.c - metadata that users write: what is taken, what is kept, and every refusal.
 */
#include "saver/varmeta.h"

#include "core/meta.h"
#include "format/tf_bundle.h"
#include "model/builder.h"
#include "util/crc32c.h"
#include "util/varint.h"

#include "nomem.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

static struct ck_span text_of(const char *s)
{
	return ck_span(s, strlen(s));
}

/* A copy that is exactly as long, so that a sanitizer sees overruns. */
static int parse_bytes(const void *p, size_t n, const struct ck_varmeta *old,
		       struct ck_varmeta **ret, struct ck_err *err)
{
	uint8_t *copy = malloc(n ? n : 1);
	int r;

	memcpy(copy, p, n);
	*err = (struct ck_err)CK_ERR_INIT;
	r = ck_varmeta_parse(ck_span(copy, n), old, false, "dense/kernel.json", ret, err);
	free(copy);
	return r;
}

/* NULL, with the reason as a comment, where it is refused. */
static struct ck_varmeta *parse(const char *text, const struct ck_varmeta *old)
{
	struct ck_varmeta *m = NULL;
	struct ck_err err;

	if (parse_bytes(text, strlen(text), old, &m, &err) < 0)
		printf("# %s\n", err.text);
	return m;
}

static bool same_numbers(const uint64_t *a, const uint64_t *b, uint64_t n)
{
	return !a == !b && (!a || n == 0 || memcmp(a, b, n * sizeof(*a)) == 0);
}

static bool same(const struct ck_varmeta *a, const struct ck_varmeta *b)
{
	return a && b && a->has_dtype == b->has_dtype && a->has_shape == b->has_shape &&
	       a->dtype == b->dtype && a->native == b->native && a->big_endian == b->big_endian &&
	       a->rank == b->rank && a->elements == b->elements &&
	       (!a->rank || same_numbers(a->shape, b->shape, a->rank)) &&
	       a->nlengths == b->nlengths && a->lengths_sum == b->lengths_sum &&
	       same_numbers(a->lengths, b->lengths, a->nlengths) && a->name_len == b->name_len &&
	       !a->name == !b->name && (!a->name || memcmp(a->name, b->name, a->name_len) == 0);
}

/* What was packed parses to the same. */
static bool packs(const struct ck_varmeta *m)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct ck_varmeta *back = NULL;
	struct ck_err err;
	bool ok;

	ck_varmeta_pack(m, &text);
	ok = parse_bytes(text.p, text.n, NULL, &back, &err) == 0 && same(m, back) &&
	     !strchr(text.p, '\n');
	if (!ok)
		printf("# %s: %s\n", text.p, err.text);
	ck_varmeta_unref(back);
	return ok;
}

static bool needs(const struct ck_varmeta *m, uint64_t want)
{
	uint64_t got = want + 1;

	return m && ck_varmeta_need(m, &got) && got == want;
}

static bool needs_unknown(const struct ck_varmeta *m)
{
	uint64_t got;

	return m && !ck_varmeta_need(m, &got);
}

static struct ck_varmeta *done(struct ck_varmeta *m)
{
	return ck_varmeta_unref(m);
}

static void test_members(void)
{
	struct ck_varmeta *m = parse("{}", NULL);

	tap_ok(m && !m->has_dtype && !m->has_shape && !m->big_endian && !m->lengths && !m->name &&
		       packs(m) && needs_unknown(m), "an empty object says nothing");
	m = done(m);
	m = parse("{\"dtype\": \"bfloat16\", \"shape\": [784, 10], \"byte_order\": \"big\", "
		  "\"name\": \"dense/kernel\"}\n", NULL);
	tap_ok(m && m->has_dtype && m->dtype == CK_DT_BFLOAT16 && m->native == 14 && m->has_shape &&
		       m->rank == 2 && m->shape[0] == 784 && m->shape[1] == 10 &&
		       m->elements == 7840 && m->big_endian && m->name_len == 12 &&
		       strcmp(m->name, "dense/kernel") == 0, "every member of a number");
	tap_ok(packs(m) && needs(m, 15680), "packed, and its size");
	m = done(m);
	m = parse("{\"crc32c\": \"deadbeef\", \"shape\": [], \"offset\": 9223372036854775807, "
		  "\"slices\": [{\"start\": [0]}], \"problem\": null, \"dtype\": \"int4\", "
		  "\"nbytes\": 77, \"dtype_native\": \"DT_FLOAT\", \"x\": {\"dtype\": [1e9]}}", NULL);
	tap_ok(m && m->dtype == CK_DT_INT4 && m->native == CK_DT_INT4 && m->rank == 0 &&
		       m->elements == 1 && needs(m, 1) && packs(m), "other members are ignored");
	m = done(m);
	m = parse("{\"dtype\": \"string\", \"shape\": [2, 2], \"lengths\": [3, 0, 5, 1]}", NULL);
	tap_ok(m && m->nlengths == 4 && m->lengths[2] == 5 && m->lengths_sum == 9 && needs(m, 9) &&
		       packs(m), "strings with their lengths");
	m = done(m);
	m = parse("{\"dtype\": \"string\", \"shape\": [2, 2]}", NULL);
	tap_ok(needs_unknown(m) && packs(m), "strings without");
	m = done(m);
	m = parse("{\"dtype\": \"string\", \"shape\": [], \"lengths\": [7]}", NULL);
	tap_ok(needs_unknown(m) && packs(m), "a scalar string takes any number of bytes");
	m = done(m);
	m = parse("{\"dtype\": \"string\", \"shape\": [3, 0]}", NULL);
	tap_ok(needs(m, 0) && packs(m), "no strings take none");
	m = done(m);
	m = parse("{\"dtype\": \"float32\", \"shape\": [2], \"lengths\": [\"what\"]}", NULL);
	tap_ok(m && !m->lengths && needs(m, 8), "lengths of numbers mean nothing");
	m = done(m);
	m = parse("{\"lengths\": [1, 2]}", NULL);
	tap_ok(m && m->nlengths == 2 && packs(m) && needs_unknown(m), "lengths before all else");
	m = done(m);
	m = parse("{\"dtype\": \"unknown\", \"dtype_native\": 200, \"shape\": [2]}", NULL);
	tap_ok(m && m->has_dtype && m->dtype == CK_DT_UNKNOWN && m->native == 200 &&
		       needs_unknown(m) && packs(m), "a dtype without a name here");
	m = done(m);
	m = parse("{\"dtype\": \"variant\", \"shape\": []}", NULL);
	tap_ok(m && m->dtype == CK_DT_VARIANT && needs_unknown(m) && packs(m), "a variant");
	m = done(m);
}

static void test_dtypes(void)
{
	unsigned wrong = 0;

	for (int t = 1; t < CK_DT_COUNT; t++) {
		const char *name = ck_dtype_info((enum ck_dtype)t)->name;
		char text[100];
		struct ck_varmeta *m;

		snprintf(text, sizeof(text), "{\"dtype\": \"%s\", \"shape\": [3]}", name);
		m = parse(text, NULL);
		wrong += ck_dtype_by_name(text_of(name)) != (enum ck_dtype)t || !m ||
			 m->dtype != (enum ck_dtype)t || m->native != t || !packs(m);
		if (m && ck_dtype_info(m->dtype)->size)
			wrong += !needs(m, UINT64_C(3) * ck_dtype_info(m->dtype)->size);
		done(m);
	}
	tap_is_u64(wrong, 0, "every dtype by its name");
	tap_ok(ck_dtype_by_name(text_of("unknown")) == CK_DT_UNKNOWN &&
		       ck_dtype_by_name(text_of("Float32")) == CK_DT_UNKNOWN &&
		       ck_dtype_by_name(text_of("float3")) == CK_DT_UNKNOWN &&
		       ck_dtype_by_name(text_of("float322")) == CK_DT_UNKNOWN &&
		       ck_dtype_by_name(ck_span("float32", 8)) == CK_DT_UNKNOWN &&
		       ck_dtype_by_name(ck_span("", 0)) == CK_DT_UNKNOWN, "and no other names");
}

static void test_names(void)
{
	static const struct {
		const char *json, *name;
		size_t len;
	} good[] = {
		{ "\"a\\u0000b\"", "a\0b", 3 },
		{ "\"\xc3\xa4\\\"\\\\\"", "\xc3\xa4\"\\", 4 },
		{ "{\"base64\": \"/w==\"}", "\xff", 1 },
		{ "{\"base64\": \"/wA=\"}", "\xff\0", 2 },
		{ "{\"base64\": \"YWJj\"}", "abc", 3 },
		{ "{\"base64\": \"+/+/YQ==\"}", "\xfb\xff\xbf" "a", 4 },
	};
	static const char *const bad[] = {
		"", "/w", "/w=", "/w===", "/w==/w==", "/x==", "/wB=", "=w==", "====", "/=w=", "/w=A",
		"YWJj ", "YW\\nj", "YWJj\\u0000", "_w==", "\xc3\xa4\xc3\xa4",
	};
	struct ck_varmeta *m = NULL;
	struct ck_err err;
	unsigned wrong = 0;
	char text[200];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(text, sizeof(text), "{\"name\": %s}", good[i].json);
		m = parse(text, NULL);
		wrong += !m || m->name_len != good[i].len ||
			 memcmp(m->name, good[i].name, good[i].len + 1) != 0 || !packs(m);
		m = done(m);
	}
	tap_is_u64(wrong, 0, "names of any bytes");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text), "{\"name\": {\"base64\": \"%s\"}}", bad[i]);
		wrong += parse_bytes(text, strlen(text), NULL, &m, &err) != -EINVAL ||
			 !strstr(err.text, "base64 with its padding expected");
	}
	tap_is_u64(wrong, 0, "what is no base64");
}

#define AN_OBJECT "an object such as {\"dtype\": \"float32\", \"shape\": [2, 3]} expected"
#define DTYPES \
	"one of bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, " \
	"bfloat16, float32, float64, complex64, complex128, string, float8_e5m2, " \
	"float8_e4m3fn, float8_e4m3fnuz, float8_e4m3b11fnuz, float8_e5m2fnuz, float4_e2m1fn, " \
	"int4, uint4, int2, uint2, qint8, quint8, qint16, quint16, qint32 expected"
#define SHAPE "an array such as [2, 3] expected, [] for a scalar"
#define WHOLE "a whole number, 0 or more, expected"

static const struct {
	const char *text, *says;
} refused[] = {
	{ "", "empty: " AN_OBJECT },
	{ "[1]", "it is an array: " AN_OBJECT },
	{ "7", "not JSON: line 1, column 1: '[' or '{' expected: " AN_OBJECT },
	{ "{\n  \"dtype\": float32\n}", "not JSON: line 2, column 16: invalid token: " AN_OBJECT },
	{ "{\"dtype\": \"int8\", \"dtype\": \"int8\"}",
	  "not JSON: line 1, column 25: duplicate object key: " AN_OBJECT },
	{ "{} {}", "not JSON: line 1, column 4: end of file expected: " AN_OBJECT },
	{ "{\"shape\": [9223372036854775808]}",
	  "not JSON: line 1, column 30: too big integer: " AN_OBJECT },
	{ "{\"shape\": [1e999]}", "not JSON: line 1, column 16: real number overflow: " AN_OBJECT },
	{ "{\"x\": \"\xff\"}", "not JSON: line 1, column 7: unable to decode byte 0xff: " AN_OBJECT },

	{ "{\"dtype\": \"float33\"}", "\"dtype\" is \"float33\": " DTYPES },
	{ "{\"dtype\": 32}", "\"dtype\" is 32: " DTYPES },
	{ "{\"dtype\": null}", "\"dtype\" is null: " DTYPES },
	{ "{\"dtype\": \"a\\n\\u0000\"}", "\"dtype\" is \"a\\x0a\\x00\": " DTYPES },
	{ "{\"dtype\": \"unknown\"}", "\"dtype\" is \"unknown\": " DTYPES },
	{ "{\"dtype\": \"unknown\", \"dtype_native\": \"DT_FLOAT\"}",
	  "\"dtype\" is \"unknown\": " DTYPES },
	{ "{\"dtype\": \"unknown\", \"dtype_native\": 1}", "\"dtype\" is \"unknown\": " DTYPES },
	{ "{\"dtype\": \"unknown\", \"dtype_native\": 2147483648}",
	  "\"dtype\" is \"unknown\": " DTYPES },

	{ "{\"shape\": 3}", "\"shape\" is 3: " SHAPE },
	{ "{\"shape\": \"[2]\"}", "\"shape\" is \"[2]\": " SHAPE },
	{ "{\"shape\": {}}", "\"shape\" is an object: " SHAPE },
	{ "{\"shape\": [2, -1]}", "\"shape\" has -1 in place 2: " WHOLE },
	{ "{\"shape\": [1e30]}", "\"shape\" has 1e+30 in place 1: " WHOLE },
	{ "{\"shape\": [2, 3, 4.0]}", "\"shape\" has 4 in place 3: " WHOLE },
	{ "{\"shape\": [[2]]}", "\"shape\" has an array in place 1: " WHOLE },
	{ "{\"shape\": [true]}", "\"shape\" has true in place 1: " WHOLE },
	{ "{\"shape\": [\"2\"]}", "\"shape\" has \"2\" in place 1: " WHOLE },
	{ "{\"shape\": [4294967296, 2147483648]}",
	  "\"shape\" makes more than 9223372036854775807 elements: fewer expected" },
	{ "{\"shape\": [0, 4294967296, 4294967296]}",
	  "\"shape\" makes more than 9223372036854775807 elements: fewer expected" },
	{ "{\"dtype\": \"int16\", \"shape\": [4611686018427387904]}",
	  "\"shape\" makes more than 9223372036854775807 bytes of int16: fewer expected" },

	{ "{\"byte_order\": \"middle\"}",
	  "\"byte_order\" is \"middle\": \"little\" or \"big\" expected" },
	{ "{\"byte_order\": \"big\\u0000\"}",
	  "\"byte_order\" is \"big\\x00\": \"little\" or \"big\" expected" },
	{ "{\"byte_order\": false}", "\"byte_order\" is false: \"little\" or \"big\" expected" },

	{ "{\"lengths\": 3}",
	  "\"lengths\" is 3: an array of the strings' lengths in bytes expected" },
	{ "{\"lengths\": [1, 2.5]}", "\"lengths\" has 2.5 in place 2: " WHOLE },
	{ "{\"lengths\": [-1]}", "\"lengths\" has -1 in place 1: " WHOLE },
	{ "{\"dtype\": \"string\", \"shape\": [2, 2], \"lengths\": [1, 2, 3]}",
	  "\"lengths\" has 3 numbers: 4 expected, one for each element of \"shape\"" },
	{ "{\"dtype\": \"string\", \"shape\": [], \"lengths\": []}",
	  "\"lengths\" has 0 numbers: 1 expected, one for each element of \"shape\"" },
	{ "{\"lengths\": [9223372036854775807, 1]}",
	  "\"lengths\" add up to more than 9223372036854775807 bytes: fewer expected" },

	{ "{\"name\": 3}",
	  "\"name\" is 3: the variable's name expected, or {\"base64\": \"...\"} where it is not UTF-8" },
	{ "{\"name\": \"\"}",
	  "\"name\" is \"\": the variable's name expected, or {\"base64\": \"...\"} where it is not "
	  "UTF-8" },
	{ "{\"name\": {\"base64\": \"/w==\", \"x\": 1}}",
	  "\"name\" is an object: the variable's name expected, or {\"base64\": \"...\"} where it is "
	  "not UTF-8" },
	{ "{\"name\": {\"base64\": \"/w\"}}",
	  "\"base64\" of \"name\" is \"/w\": base64 with its padding expected" },
};

static void test_refused(void)
{
	struct ck_varmeta *m = NULL;
	struct ck_err err;

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		char want[1000];
		int r = parse_bytes(refused[i].text, strlen(refused[i].text), NULL, &m, &err);

		snprintf(want, sizeof(want), "dense/kernel.json: %s", refused[i].says);
		if (r != -EINVAL || m || err.errnum != EINVAL || err.cls != CK_USAGE)
			printf("# %d: not refused as it should be\n", r);
		tap_is_str(r == -EINVAL && !m ? err.text : NULL, want, "refused: %s",
			   refused[i].text);
	}
	for (size_t i = 1; i < CK_DT_COUNT; i++)
		if (ck_dtype_readable(i) && !strstr(DTYPES, ck_dtype_info(i)->name))
			m = (void *)&m;
	tap_ok(!m, "the list of dtypes has all that can be written");
}

static void test_hostile(void)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct ck_varmeta *m = NULL;
	struct ck_err err;

	ck_buf_str(&text, "{\"shape\": [");
	for (unsigned i = 0; i < 300; i++)
		ck_buf_str(&text, i ? ",1" : "1");
	ck_buf_str(&text, "]}");
	tap_ok(parse_bytes(text.p, text.n, NULL, &m, &err) == -EINVAL, "300 dimensions");
	tap_is_str(err.text, "dense/kernel.json: \"shape\" has 300 dimensions: at most 254 expected",
		   "how they are refused");
	ck_buf_clear(&text);
	ck_buf_str(&text, "{\"shape\": ");
	for (unsigned i = 0; i < 100000; i++)
		ck_buf_char(&text, '[');
	tap_ok(parse_bytes(text.p, text.n, NULL, &m, &err) == -EINVAL &&
		       strstr(err.text, "maximum parsing depth reached"), "nested: %s", err.text);
	ck_buf_clear(&text);
	ck_buf_str(&text, "{\"dtype\": \"");
	for (unsigned i = 0; i < 100000; i++)
		ck_buf_str(&text, "\xc3\xa4");
	ck_buf_str(&text, "\"}");
	tap_ok(parse_bytes(text.p, text.n, NULL, &m, &err) == -EINVAL &&
		       strstr(err.text, "...\": one of bool, "), "a long dtype is cut");
	tap_ok(ck_varmeta_parse(ck_span("", CK_META_TEXT_MAX + 1), NULL, false, "x", &m, NULL) ==
		       -EINVAL, "more than 256 MiB");
	ck_buf_clear(&text);
	ck_buf_str(&text, "{\"x\": [");
	for (unsigned i = 0; i < 1 << 20; i++)
		ck_buf_str(&text, "0,");
	ck_buf_str(&text, "0]}");
	tap_ok(parse_bytes(text.p, text.n, NULL, &m, &err) == -EINVAL, "a million values");
	tap_is_str(err.text, "dense/kernel.json: has more than 1048576 values besides a list of "
		   "lengths: " AN_OBJECT, "how they are refused");
	ck_buf_clear(&text);
	ck_buf_str(&text, "{\"dtype\": \"string\", \"shape\": [1000, 1000], \"lengths\": [");
	for (unsigned i = 0; i < 1000000; i++) {
		ck_buf_str(&text, i ? ", " : "");
		ck_buf_printf(&text, "%u", i);
	}
	ck_buf_str(&text, "]}");
	m = parse(text.p, NULL);
	tap_ok(m && m->nlengths == 1000000 && needs(m, UINT64_C(499999500000)) && packs(m),
	       "a million lengths");
	done(m);
}

/* Lists that are read by hand have to mean what jansson makes of them, which gets to see those whose
 * member is spelt in another way. */
static void test_lists(void)
{
	static const char *const around[] = {
		"{\"%sengths\": %s}",
		" {\"shape\": [3],\n\"%sengths\" \t:\r\n %s , \"dtype\": \"string\"}\n",
		"{\"x\": {\"lengths\": [1, 2]}, \"%sengths\": %s, \"name\": \"[\\\"{\"}",
		"{\"x\": \"lengths\", \"y\": [\"lengths\", {}], \"%sengths\":%s}",
		"{\"x\": \"\\\"lengths\\\": [1]\", \"\\\\\": 1, \"%sengths\":%s}",
		"{\"%sengths\": %s, \"lengths\": [1]}",
		"{\"%sengths\": %s",
		"[\"%sengths\": %s]",
		"{}}{\"%sengths\": %s}",
	};
	static const char *const lists[] = {
		"[]", "[ ]", "[\n]", "[0]", "[ 1 , 22,\n333 ]", "[1,2,3]", "[10, 0, 9223372036854775807]",
		"[9223372036854775808]", "[18446744073709551616]", "[99999999999999999999999]", "[01]",
		"[00]", "[-0]", "[-1]", "[1.0]", "[1e2]", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1", "[1,",
		"[", "[]]", "[[1]]", "[\"1\"]", "[1}", "{}", "null", "3", "[1, 2, 3] 4", "[+1]", "[1,\f2]",
	};
	unsigned wrong = 0, taken = 0;

	for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++)
		for (size_t k = 0; k < sizeof(lists) / sizeof(*lists); k++) {
			struct ck_varmeta *a = NULL, *b = NULL;
			struct ck_buf text = CK_BUF_INIT, other = CK_BUF_INIT;
			struct ck_err a_err, b_err;
			int r;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			ck_buf_printf(&text, around[i], "l", lists[k]);
			ck_buf_printf(&other, around[i], "\\u006c", lists[k]);
#pragma GCC diagnostic pop
			r = parse_bytes(text.p, text.n, NULL, &a, &a_err);
			wrong += r != parse_bytes(other.p, other.n, NULL, &b, &b_err) ||
				 (r == 0 && !same(a, b));
			taken += r == 0;
			done(a);
			done(b);
			ck_buf_done(&text);
			ck_buf_done(&other);
		}
	tap_ok(!wrong && taken > 20, "%u lists as jansson reads them, %u others", taken, wrong);
}

/* What text makes of old, packed. */
static void merges(const char *old_text, const char *text, const char *want)
{
	struct ck_buf ck_auto_buf got = CK_BUF_INIT;
	struct ck_varmeta *old = parse(old_text, NULL), *m = parse(text, old);

	if (m)
		ck_varmeta_pack(m, &got);
	tap_is_str(got.p, want, "%s onto %s", text, old_text);
	done(m);
	done(old);
}

#define FOUR "{\"dtype\": \"string\", \"shape\": [4], \"lengths\": [1, 2, 3, 4], \"name\": \"x\"}"

static void test_merges(void)
{
	merges("{\"dtype\": \"int8\", \"shape\": [4], \"byte_order\": \"big\", \"name\": \"x\"}", "{}",
	       "{\"name\": \"x\", \"dtype\": \"int8\", \"shape\": [4], \"byte_order\": \"big\"}");
	merges("{\"dtype\": \"int8\", \"shape\": [4]}", "{\"shape\": [2, 2]}",
	       "{\"dtype\": \"int8\", \"shape\": [2, 2], \"byte_order\": \"little\"}");
	merges("{\"dtype\": \"int8\", \"shape\": [4]}", "{\"dtype\": \"int16\", \"byte_order\": \"big\"}",
	       "{\"dtype\": \"int16\", \"shape\": [4], \"byte_order\": \"big\"}");
	merges("{\"shape\": [4]}", "{\"shape\": [], \"name\": \"y\"}",
	       "{\"name\": \"y\", \"shape\": [], \"byte_order\": \"little\"}");
	merges("{\"name\": \"x\"}", "{\"name\": {\"base64\": \"/w==\"}}",
	       "{\"name\": {\"base64\": \"/w==\"}, \"byte_order\": \"little\"}");
	merges(FOUR, "{}", "{\"name\": \"x\", \"dtype\": \"string\", \"shape\": [4], "
	       "\"byte_order\": \"little\", \"lengths\": [1, 2, 3, 4]}");
	merges(FOUR, "{\"dtype\": \"string\", \"shape\": [2, 2]}",
	       "{\"name\": \"x\", \"dtype\": \"string\", \"shape\": [2, 2], "
	       "\"byte_order\": \"little\", \"lengths\": [1, 2, 3, 4]}");
	merges(FOUR, "{\"shape\": [3]}", "{\"name\": \"x\", \"dtype\": \"string\", \"shape\": [3], "
	       "\"byte_order\": \"little\"}");
	merges(FOUR, "{\"shape\": [3], \"lengths\": [7, 8, 9]}",
	       "{\"name\": \"x\", \"dtype\": \"string\", \"shape\": [3], "
	       "\"byte_order\": \"little\", \"lengths\": [7, 8, 9]}");
	merges(FOUR, "{\"lengths\": [4, 3, 2, 1]}",
	       "{\"name\": \"x\", \"dtype\": \"string\", \"shape\": [4], "
	       "\"byte_order\": \"little\", \"lengths\": [4, 3, 2, 1]}");
	merges(FOUR, "{\"dtype\": \"uint8\"}", "{\"name\": \"x\", \"dtype\": \"uint8\", \"shape\": [4], "
	       "\"byte_order\": \"little\"}");
	merges("{\"lengths\": [1, 2]}", "{\"dtype\": \"string\", \"shape\": [2]}",
	       "{\"dtype\": \"string\", \"shape\": [2], \"byte_order\": \"little\", "
	       "\"lengths\": [1, 2]}");
	merges("{\"lengths\": [1, 2]}", "{\"shape\": [3]}",
	       "{\"shape\": [3], \"byte_order\": \"little\"}");
	merges("{\"dtype\": \"unknown\", \"dtype_native\": -5}", "{\"shape\": [3]}",
	       "{\"dtype\": \"unknown\", \"shape\": [3], \"byte_order\": \"little\", "
	       "\"dtype_native\": -5}");
	merges("{\"dtype\": \"unknown\", \"dtype_native\": -5}", "{\"dtype\": \"int2\"}",
	       "{\"dtype\": \"int2\", \"byte_order\": \"little\"}");
}

static void test_default_order(void)
{
	struct ck_varmeta *m = NULL, *n = NULL, *empty = ck_varmeta_new(true);

	tap_ok(ck_varmeta_parse(text_of("{}"), NULL, true, "x", &m, NULL) == 0 && m->big_endian,
	       "the byte order is the default where none is said");
	tap_ok(same(m, empty), "as of an empty one");
	tap_ok(ck_varmeta_parse(text_of("{}"), m, false, "x", &n, NULL) == 0 && n->big_endian,
	       "or that of old");
	tap_ok(ck_varmeta_ref(m) == m && ck_varmeta_unref(m) == NULL && m->refs == 1 &&
		       ck_varmeta_unref(NULL) == NULL, "references");
	done(m);
	done(n);
	done(empty);
}

static void member(const char *name, const char *value, size_t n, const char *want)
{
	struct ck_varmeta *old = parse(FOUR, NULL), *m = NULL;
	struct ck_buf ck_auto_buf got = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	int r = ck_varmeta_parse_member(name, ck_span(value, n), old, false, "a/b", &m, &err);

	if (r == 0)
		ck_varmeta_pack(m, &got);
	tap_is_str(r == 0 ? got.p : r == -EINVAL ? err.text : NULL, want, "%s as an attribute",
		   name);
	done(m);
	done(old);
}

static void test_attributes(void)
{
	member("dtype", "int8", 4,
	       "{\"name\": \"x\", \"dtype\": \"int8\", \"shape\": [4], \"byte_order\": \"little\"}");
	member("shape", "[2, 2]", 6, "{\"name\": \"x\", \"dtype\": \"string\", \"shape\": [2, 2], "
	       "\"byte_order\": \"little\", \"lengths\": [1, 2, 3, 4]}");
	member("byte_order", "big", 3, "{\"name\": \"x\", \"dtype\": \"string\", \"shape\": [4], "
	       "\"byte_order\": \"big\", \"lengths\": [1, 2, 3, 4]}");
	member("dtype", "int8\n", 5, "a/b: \"dtype\" is \"int8\\x0a\": " DTYPES);
	member("dtype", "\xff", 1, "a/b: \"dtype\" is \"\\xff\": " DTYPES);
	member("dtype", "", 0, "a/b: \"dtype\" is \"\": " DTYPES);
	member("shape", "", 0, "a/b: \"shape\" is not JSON: " SHAPE);
	member("shape", "[2", 2, "a/b: \"shape\" is not JSON: " SHAPE);
	member("shape", "4", 1, "a/b: \"shape\" is 4: " SHAPE);
	member("shape", "[-4]", 4, "a/b: \"shape\" has -4 in place 1: " WHOLE);
	member("byte_order", "BIG", 3, "a/b: \"byte_order\" is \"BIG\": \"little\" or \"big\" expected");
	member("crc32c", "00000000", 8,
	       "a/b: \"crc32c\" cannot be set: \"dtype\", \"shape\" or \"byte_order\" expected");
	member("lengths", "[1]", 3,
	       "a/b: \"lengths\" cannot be set: \"dtype\", \"shape\" or \"byte_order\" expected");
}

static void renders(const char *text, uint64_t nbytes, const char *want)
{
	struct ck_buf ck_auto_buf got = CK_BUF_INIT;
	struct ck_varmeta *m = parse(text, NULL);

	ck_varmeta_render(m, text_of("a/b"), nbytes, &got);
	tap_is_str(got.p, want, "%s as V.json", text);
	done(m);
}

static void test_render(void)
{
	renders("{}", 0, "{\n  \"name\": \"a/b\",\n  \"nbytes\": 0,\n"
		"  \"byte_order\": \"little\"\n}\n");
	renders("{\"dtype\": \"float16\", \"shape\": [2, 3], \"byte_order\": \"big\", \"name\": \"x\"}",
		12, "{\n  \"name\": \"a/b\",\n  \"dtype\": \"float16\",\n  \"shape\": [2, 3],\n"
		"  \"nbytes\": 12,\n  \"byte_order\": \"big\",\n  \"dtype_native\": \"DT_HALF\"\n}\n");
	renders("{\"dtype\": \"string\", \"shape\": [2], \"lengths\": [2, 3]}", 4,
		"{\n  \"name\": \"a/b\",\n  \"dtype\": \"string\",\n  \"shape\": [2],\n"
		"  \"nbytes\": 4,\n  \"byte_order\": \"little\",\n"
		"  \"dtype_native\": \"DT_STRING\",\n  \"lengths\": [2, 3]\n}\n");
	renders("{\"dtype\": \"string\", \"shape\": [], \"lengths\": [2]}", 77,
		"{\n  \"name\": \"a/b\",\n  \"dtype\": \"string\",\n  \"shape\": [],\n"
		"  \"nbytes\": 77,\n  \"byte_order\": \"little\",\n"
		"  \"dtype_native\": \"DT_STRING\",\n  \"lengths\": [77]\n}\n");
	renders("{\"dtype\": \"string\", \"shape\": [0]}", 0,
		"{\n  \"name\": \"a/b\",\n  \"dtype\": \"string\",\n  \"shape\": [0],\n"
		"  \"nbytes\": 0,\n  \"byte_order\": \"little\",\n"
		"  \"dtype_native\": \"DT_STRING\",\n  \"lengths\": []\n}\n");
	renders("{\"dtype\": \"string\", \"shape\": [5]}", 0,
		"{\n  \"name\": \"a/b\",\n  \"dtype\": \"string\",\n  \"shape\": [5],\n"
		"  \"nbytes\": 0,\n  \"byte_order\": \"little\",\n"
		"  \"dtype_native\": \"DT_STRING\"\n}\n");
	renders("{\"dtype\": \"unknown\", \"dtype_native\": 99, \"shape\": []}", 1,
		"{\n  \"name\": \"a/b\",\n  \"dtype\": \"unknown\",\n  \"shape\": [],\n"
		"  \"nbytes\": 1,\n  \"byte_order\": \"little\",\n  \"dtype_native\": 99\n}\n");
}

/* --- metadata of a checkpoint ----------------------------------------------------------------- */

/* V.json without the members that only a stored variable has. */
static void strip(struct ck_buf *text)
{
	static const char *const stored[] = { "crc32c", "shard", "offset" };
	char *line, *end;
	char start[20];

	for (int i = 0; i < 3; i++) {
		snprintf(start, sizeof(start), "  \"%s\": ", stored[i]);
		line = strstr(text->p, start);
		if (!line)
			continue;
		end = strchr(line, '\n') + 1;
		memmove(line, end, strlen(end) + 1);
		text->n = strlen(text->p);
	}
}

static int open_shard(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		      struct ck_err *err)
{
	char path[500];

	snprintf(path, sizeof(path), "%s.data-%05u-of-%05u", (const char *)arg, id, num);
	return ck_source_open(path, ret, err);
}

static struct ck_model *load(const char *name)
{
	struct ck_tf_shards shards = { .open = open_shard };
	struct ck_model *m = ck_model_new("tensorflow", name);
	const char *top = getenv("SRCDIR");
	struct ck_source *index = NULL;
	struct ck_err err = CK_ERR_INIT;
	char prefix[400], path[500];

	snprintf(prefix, sizeof(prefix), "%s/tests/data/%s/model.ckpt", top ? top : ".", name);
	snprintf(path, sizeof(path), "%s.index", prefix);
	shards.arg = prefix;
	if (ck_source_open(path, &index, &err) < 0 ||
	    ck_tf_bundle_load(m, index, &shards, false, &err) < 0) {
		printf("# %s\n", err.text);
		m = ck_model_unref(m);
	}
	ck_source_unref(index);
	return m;
}

/* Rendered as the same text that the read-only mount shows, and back. */
static void test_checkpoint(const char *name)
{
	struct ck_model *m = load(name);
	unsigned wrong = 0, seen = 0;

	for (uint32_t i = 0; m && i < m->nvars; i++) {
		struct ck_buf ck_auto_buf want = CK_BUF_INIT, got = CK_BUF_INIT;
		const struct ck_var *v = &m->vars[i];
		struct ck_varmeta *meta = NULL, *back = NULL;
		struct ck_err err = CK_ERR_INIT;
		uint64_t nbytes = 0, need;

		if (v->flags)
			continue;
		seen++;
		ck_meta_var(m, i, true, &want, &err);
		strip(&want);
		sscanf(strstr(want.p, "\"nbytes\": "), "\"nbytes\": %" SCNu64, &nbytes);
		if (ck_varmeta_of(m, i, &meta, &err) < 0) {
			printf("# %s\n", err.text);
			wrong++;
			continue;
		}
		ck_varmeta_render(meta, ck_var_name(m, v), nbytes, &got);
		if (strcmp(got.p, want.p) != 0) {
			printf("# %s# %s", got.p, want.p);
			wrong++;
		}
		wrong += !packs(meta) || parse_bytes(want.p, want.n, NULL, &back, &err) < 0 ||
			 (ck_varmeta_need(meta, &need) && need != nbytes) ||
			 (ck_dtype_readable(v->dtype) && v->rank && !ck_varmeta_need(meta, &need));
		if (back) { /* which has a name as well */
			free(back->name);
			back->name = NULL;
			back->name_len = 0;
		}
		wrong += !same(meta, back);
		ck_varmeta_unref(meta);
		ck_varmeta_unref(back);
	}
	tap_ok(m && !wrong && seen, "%s: %u variables as the mount shows them", name,
	       seen);
	ck_model_unref(m);
}

/* A variable in pieces, one that is damaged, one of strings whose lengths are. */
static void test_odd_ones(void)
{
	static const uint64_t shape[] = { 3 };
	uint8_t data[] = { 1, 2, 3, 0, 0, 0, 0, 'a', 'b', 'b', 'c', 'c', 'c' };
	struct ck_model *m = ck_model_new("tensorflow", "t"), *sliced = load("sliced");
	struct ck_varmeta *meta = NULL;
	struct ck_err err = CK_ERR_INIT;
	struct ck_builder b;
	struct ck_var v = { .dtype = CK_DT_STRING, .native = 7, .rank = 1,
			    .nbytes = sizeof(data) };
	unsigned n = 0, wrong = 0;

	ck_builder_init(&b, m, true);
	m->shards = calloc(1, sizeof(*m->shards));
	m->nshards = 1;
	ck_source_mem(data, sizeof(data), "t.data", &m->shards[0].source, NULL);
	ck_builder_dims(&b, shape, 1, &v.shape, &err);
	ck_builder_var(&b, text_of("a"), &v, &err);
	ck_builder_finish(&b, &err);
	tap_ok(ck_varmeta_of(m, 0, &meta, &err) == -EIO && !meta && err.cls == CK_CORRUPT,
	       "damaged lengths: %s", err.text);
	m->vars[0].flags = CK_VAR_DAMAGED;
	tap_ok(ck_varmeta_of(m, 0, &meta, &err) == 0 && !meta->lengths && meta->elements == 3,
	       "a damaged variable has a dtype and a shape");
	done(meta);
	ck_model_unref(m);
	for (uint32_t i = 0; sliced && i < sliced->nvars; i++) {
		if (!(sliced->vars[i].flags & CK_VAR_SLICED))
			continue;
		n++;
		wrong += ck_varmeta_of(sliced, i, &meta, &err) < 0 || !packs(meta) ||
			 meta->rank != sliced->vars[i].rank;
		done(meta);
	}
	tap_ok(sliced && n && !wrong, "%u variables in pieces", n);
	ck_model_unref(sliced);
}

/* The first allocation fails, then the second ... until there is none left. */
static void test_no_memory(void)
{
	static const char text[] = "{\"dtype\": \"string\", \"shape\": [2, 2], \"name\": \"x\", "
				   "\"lengths\": [1, 2, 3, 4]}";
	struct ck_varmeta *old = parse(text, NULL), *m = NULL;
	struct ck_err err = CK_ERR_INIT;
	unsigned failed = 0, wrong = 0;

	for (int merged = 0; merged < 2; merged++) {
		int r = -ENOMEM;

		for (unsigned k = 1; r == -ENOMEM; k++) {
			err = (struct ck_err)CK_ERR_INIT;
			m = NULL;
			nomem_at = k;
			r = ck_varmeta_parse(text_of(merged ? "{\"shape\": [4]}" : text),
					     merged ? old : NULL, false, "x", &m, &err);
			nomem_at = 0;
			failed += r == -ENOMEM;
			wrong += r == -ENOMEM && (m || err.errnum != ENOMEM);
		}
		wrong += r != 0 || m->nlengths != 4;
		done(m);
	}
	tap_ok(failed >= 6 && !wrong, "%u times without memory", failed);
	done(old);
}

int main(void)
{
	tap_plan(12 + 2 + 2 + (int)(sizeof(refused) / sizeof(*refused)) + 1 + 8 + 1 + 15 + 4 + 13 + 7 +
		 6 + 3 + 1);
	test_members();
	test_dtypes();
	test_names();
	test_refused();
	test_hostile();
	test_lists();
	test_merges();
	test_default_order();
	test_attributes();
	test_render();
	test_checkpoint("alltypes");
	test_checkpoint("big-endian");
	test_checkpoint("names-bytes");
	test_checkpoint("strings");
	test_checkpoint("unknown-dtype");
	test_checkpoint("variant");
	test_odd_ones();
	test_no_memory();
	return tap_done();
}

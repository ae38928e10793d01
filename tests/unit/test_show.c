/*
 * test_show.c - values as text.
 *
 * Every wanted text is what NumPy's print() made of the same array; tests/interop/show_oracle.py
 * compares thousands more.
 */
#include "core/read.h"
#include "core/show.h"
#include "model/builder.h"
#include "util/crc32c.h"
#include "util/varint.h"

#include "tap.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* Shapes and elements, as arguments of the functions below. */
struct shape {
	unsigned rank;
	const uint64_t *dims;
};

#define N(...) (sizeof((uint64_t[]){ 0, ##__VA_ARGS__ }) / sizeof(uint64_t) - 1)
#define DIMS(...) ((struct shape){ N(__VA_ARGS__), (uint64_t[]){ 0, ##__VA_ARGS__ } + 1 })
#define ELEMENTS(type, ...) (type[]){ __VA_ARGS__ }, sizeof((type[]){ __VA_ARGS__ })
#define FLOATS(...) ELEMENTS(float, __VA_ARGS__)
#define DOUBLES(...) ELEMENTS(double, __VA_ARGS__)
#define BYTES(...) ELEMENTS(uint8_t, __VA_ARGS__)
#define HALVES(...) ELEMENTS(uint16_t, __VA_ARGS__)
#define INT32S(...) ELEMENTS(int32_t, __VA_ARGS__)
#define INT64S(...) ELEMENTS(int64_t, __VA_ARGS__)
#define UINT64S(...) ELEMENTS(uint64_t, __VA_ARGS__)
#define HOST_BIG (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/* A model of one variable, which fills the source (whose reference is taken over). */
static struct ck_model *model_of(enum ck_dtype dtype, struct shape shape, struct ck_source *source)
{
	struct ck_model *m = ck_model_new("tensorflow", "test");
	struct ck_var v = { .nbytes = ck_source_size(source), .native = dtype };
	struct ck_builder b;

	v.dtype = (uint8_t)dtype;
	v.rank = (uint8_t)shape.rank;
	ck_builder_init(&b, m, false);
	if (ck_builder_dims(&b, shape.dims, shape.rank, &v.shape, NULL) < 0 ||
	    ck_builder_var(&b, ck_span("v", 1), &v, NULL) < 0 || ck_builder_finish(&b, NULL) < 0)
		abort();
	m->big_endian = HOST_BIG;
	m->shards = calloc(1, sizeof(*m->shards));
	m->shards[0].source = source;
	m->nshards = 1;
	return m;
}

static struct ck_model *model(enum ck_dtype dtype, struct shape shape, const void *p, size_t n)
{
	struct ck_source *source;

	if (ck_source_mem(p, n, "test.data", &source, NULL) < 0)
		abort();
	return model_of(dtype, shape, source);
}

/* Compares what is shown of the model, and gives it back. */
static void shown(const char *name, struct ck_model *m, bool all, const char *want)
{
	struct ck_show_options o = { .all = all };
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;

	if (ck_show_var(m, 0, &o, &out, &err) < 0)
		tap_is_str(err.text, want, "%s", name);
	else
		tap_is_str(out.p, want, "%s", name);
	ck_model_unref(m);
}

static void is(const char *name, enum ck_dtype dtype, struct shape shape, const void *p, size_t n,
	       const char *want)
{
	shown(name, model(dtype, shape, p, n), false, want);
}

/* The same for integers that count from 0. */
static void counted(const char *name, struct shape shape, bool all, const char *want)
{
	static int32_t numbers[10000];
	size_t n = 1;

	for (unsigned i = 0; i < shape.rank; i++)
		n *= shape.dims[i];
	for (size_t i = 0; i < n; i++)
		numbers[i] = (int32_t)i;
	shown(name, model(CK_DT_INT32, shape, numbers, n * sizeof(*numbers)), all, want);
}

/* Appends n strings as a bundle stores them. */
static void put_strings(struct ck_buf *out, const struct ck_span *strings, size_t n)
{
	uint32_t crc = 0;
	uint8_t bytes[10];

	for (size_t i = 0; i < n; i++) {
		ck_buf_add(out, bytes, ck_varint_put(bytes, strings[i].n));
		ck_put_le32(bytes, (uint32_t)strings[i].n);
		crc = ck_crc32c_extend(crc, bytes, 4);
	}
	ck_put_le32(bytes, ck_crc32c_mask(crc));
	ck_buf_add(out, bytes, 4);
	for (size_t i = 0; i < n; i++)
		ck_buf_add(out, strings[i].p, strings[i].n);
}

/* The same for strings. Their model's byte order is little endian. */
static void strings(const char *name, struct shape shape, const struct ck_span *s, size_t n,
		    const char *want)
{
	struct ck_buf ck_auto_buf stored = CK_BUF_INIT;
	struct ck_model *m;

	put_strings(&stored, s, n);
	m = model(CK_DT_STRING, shape, stored.p, stored.n);
	m->big_endian = false;
	shown(name, m, false, want);
}

static void test_floats(void)
{
	is("points below each other", CK_DT_FLOAT32, DIMS(4), FLOATS(0.1f, 1.5, -2, 100),
	   "[  0.1   1.5  -2.  100. ]");
	is("as few digits as read back", CK_DT_FLOAT32, DIMS(3), FLOATS(1 / 3.f, 0.1f, 2 / 3.f),
	   "[0.33333334 0.1        0.6666667 ]");
	is("not more than eight digits", CK_DT_FLOAT64, DIMS(3), DOUBLES(1 / 3., 1, -2 / 3.),
	   "[ 0.33333333  1.         -0.66666667]");
	is("zeros", CK_DT_FLOAT32, DIMS(3), FLOATS(0, -0.f, 1), "[ 0. -0.  1.]");
	is("only zeros", CK_DT_FLOAT64, DIMS(2), DOUBLES(0, 0), "[0. 0.]");
	is("small numbers have exponents", CK_DT_FLOAT32, DIMS(4), FLOATS(0.1f, 1.5, 1e-5f, -3e4f),
	   "[ 1.0e-01  1.5e+00  1.0e-05 -3.0e+04]");
	is("so have those far apart", CK_DT_FLOAT64, DIMS(2), DOUBLES(0.5, 501),
	   "[5.00e-01 5.01e+02]");
	is("but not at 1000 times", CK_DT_FLOAT64, DIMS(2), DOUBLES(0.5, 500), "[  0.5 500. ]");
	is("float64 from 1e8 on", CK_DT_FLOAT64, DIMS(2), DOUBLES(99999999, 1e8),
	   "[9.9999999e+07 1.0000000e+08]");
	is("float64 below 1e8", CK_DT_FLOAT64, DIMS(2), DOUBLES(99999999, 12345678.5),
	   "[99999999.  12345678.5]");
	is("float32 from 1e6 on", CK_DT_FLOAT32, DIMS(2), FLOATS(1e6, 123456),
	   "[1.00000e+06 1.23456e+05]");
	is("float32 below 1e6", CK_DT_FLOAT32, DIMS(2), FLOATS(999999, 123456.5),
	   "[999999.  123456.5]");
	is("float32 at 0.0001", CK_DT_FLOAT32, DIMS(2), FLOATS(0.0001f, 0.05f), "[0.0001 0.05  ]");
	is("float64 at 0.0001", CK_DT_FLOAT64, DIMS(2), DOUBLES(0.0001, 0.05), "[0.0001 0.05  ]");
	is("more digits than read back, beside a longer number", CK_DT_FLOAT32, DIMS(2),
	   FLOATS(1e-5f, 1.2345678e-7f), "[9.9999997e-06 1.2345679e-07]");
	is("three digits of exponent", CK_DT_FLOAT64, DIMS(3), DOUBLES(1e-300, 1, -1.5e10),
	   "[ 1.0e-300  1.0e+000 -1.5e+010]");
	is("smallest and greatest", CK_DT_FLOAT64, DIMS(2), DOUBLES(5e-324, 0x1.fffffffffffffp1023),
	   "[4.94065646e-324 1.79769313e+308]");
	is("halfway goes to even", CK_DT_FLOAT64, DIMS(2), DOUBLES(0x1p-9, 0x1.8p-8),
	   "[0.00195312 0.00585938]");
	is("infinities and NaN", CK_DT_FLOAT32, DIMS(5), FLOATS(1, NAN, INFINITY, -INFINITY, 0.25),
	   "[1.    nan  inf -inf 0.25]");
	is("no finite number", CK_DT_FLOAT32, DIMS(2), FLOATS(NAN, INFINITY), "[nan inf]");
	is("no finite number, one negative", CK_DT_FLOAT64, DIMS(2), DOUBLES(NAN, -INFINITY),
	   "[ nan -inf]");
	is("NaN wider than the numbers", CK_DT_FLOAT32, DIMS(3), FLOATS(-NAN, 1, 2),
	   "[nan  1.  2.]");
	is("infinity beside exponents", CK_DT_FLOAT64, DIMS(3), DOUBLES(NAN, -INFINITY, 1e20),
	   "[   nan   -inf 1.e+20]");
	is("float16", CK_DT_FLOAT16, DIMS(3), HALVES(0x2e66, 0x3e00, 0xc000),
	   "[ 0.1  1.5 -2. ]");
	is("float16 from 1000 on", CK_DT_FLOAT16, DIMS(2), HALVES(0x3e00, 0x63d0),
	   "[1.5e+00 1.0e+03]");
	is("float16 subnormals", CK_DT_FLOAT16, DIMS(5), HALVES(1, 0x3ff, 0x7c00, 0xfc00, 0x7e00),
	   "[6.0e-08 6.1e-05     inf    -inf     nan]");
}

static void test_small(void)
{
	is("bfloat16", CK_DT_BFLOAT16, DIMS(8),
	   HALVES(0x3dcd, 0x3fc0, 0xc010, 0x46ea, 0x7fc0, 0xff80, 0x8000, 1),
	   "[0.100098 1.5 -2.25 29952 nan -inf -0 9.18355e-41]");
	is("float8_e5m2", CK_DT_FLOAT8_E5M2, DIMS(9),
	   BYTES(0, 1, 4, 0x3c, 0xbd, 0x7b, 0x7c, 0xfc, 0xfd),
	   "[0 1.52588e-05 6.10352e-05 1 -1.25 57344 inf -inf nan]");
	is("float8_e4m3fn", CK_DT_FLOAT8_E4M3FN, DIMS(9),
	   BYTES(0, 1, 8, 0x38, 0xb9, 0x7e, 0x7f, 0xff, 0x80),
	   "[0 0.00195312 0.015625 1 -1.125 448 nan nan -0]");
	is("float8_e4m3fnuz", CK_DT_FLOAT8_E4M3FNUZ, DIMS(7),
	   BYTES(0, 1, 8, 0x40, 0xb9, 0x7f, 0x80), "[0 0.000976562 0.0078125 1 -0.5625 240 nan]");
	is("float8_e4m3b11fnuz", CK_DT_FLOAT8_E4M3B11FNUZ, DIMS(7),
	   BYTES(0, 1, 8, 0x58, 0xb9, 0xff, 0x80),
	   "[0 0.00012207 0.000976562 1 -0.0703125 -30 nan]");
	is("float8_e5m2fnuz", CK_DT_FLOAT8_E5M2FNUZ, DIMS(7),
	   BYTES(0, 1, 4, 0x40, 0xb9, 0x7f, 0x80),
	   "[0 7.62939e-06 3.05176e-05 1 -0.3125 57344 nan]");
	is("float4_e2m1fn", CK_DT_FLOAT4_E2M1FN, DIMS(10), BYTES(0, 1, 2, 3, 4, 5, 6, 7, 8, 15),
	   "[0 0.5 1 1.5 2 3 4 6 -0 -6]");
	is("int4", CK_DT_INT4, DIMS(5), BYTES(1, 15, 8, 7, 0xff), "[1 -1 -8 7 -1]");
	is("uint4", CK_DT_UINT4, DIMS(4), BYTES(1, 15, 8, 0xff), "[1 15 8 15]");
	is("int2", CK_DT_INT2, DIMS(4), BYTES(0, 1, 2, 3), "[0 1 -2 -1]");
	is("uint2", CK_DT_UINT2, DIMS(4), BYTES(0, 1, 2, 3), "[0 1 2 3]");
}

static void test_integers(void)
{
	is("aligned", CK_DT_INT32, DIMS(2, 3), INT32S(1, -20, 300, 4, 5, 6),
	   "[[  1 -20 300]\n"
	   " [  4   5   6]]");
	is("extremes of int64", CK_DT_INT64, DIMS(2), INT64S(INT64_MIN, INT64_MAX),
	   "[-9223372036854775808  9223372036854775807]");
	is("extremes of uint64", CK_DT_UINT64, DIMS(2), UINT64S(0, UINT64_MAX),
	   "[                   0 18446744073709551615]");
	is("uint8", CK_DT_UINT8, DIMS(3), BYTES(1, 200, 30), "[  1 200  30]");
	is("quantised numbers are integers", CK_DT_QINT8, DIMS(3), BYTES(1, 128, 30),
	   "[   1 -128   30]");
	is("booleans", CK_DT_BOOL, DIMS(2, 2), BYTES(1, 0, 255, 1),
	   "[[ True False]\n"
	   " [ True  True]]");
}

static void test_complex(void)
{
	is("complex64", CK_DT_COMPLEX64, DIMS(2), FLOATS(1, 0.5, -2.25, -10),
	   "[ 1.   +0.5j -2.25-10.j ]");
	is("spaces behind the j", CK_DT_COMPLEX128, DIMS(2), DOUBLES(1, 0.125, 2, -3),
	   "[1.+0.125j 2.-3.j   ]");
	is("complex128 with exponents", CK_DT_COMPLEX128, DIMS(2), DOUBLES(1e-9, 1, 1, -1e9),
	   "[1.e-09+1.e+00j 1.e+00-1.e+09j]");
	is("infinite parts", CK_DT_COMPLEX64, DIMS(3), FLOATS(NAN, -INFINITY, INFINITY, NAN, 1, 0),
	   "[nan-infj inf+nanj  1. +0.j]");
}

static void test_alone(void)
{
	is("alone", CK_DT_FLOAT32, DIMS(), FLOATS(0.1f), "0.1");
	is("alone, small", CK_DT_FLOAT32, DIMS(), FLOATS(1e-5f), "1e-05");
	is("alone, whole", CK_DT_FLOAT64, DIMS(), DOUBLES(3), "3.0");
	is("alone, float32 from 1e6 on", CK_DT_FLOAT32, DIMS(), FLOATS(1e6), "1e+06");
	is("alone, float64 below 1e16", CK_DT_FLOAT64, DIMS(), DOUBLES(1e15), "1000000000000000.0");
	is("alone, float64 from there on", CK_DT_FLOAT64, DIMS(), DOUBLES(1.5e16), "1.5e+16");
	is("alone, all digits", CK_DT_FLOAT64, DIMS(), DOUBLES(1 / 3.), "0.3333333333333333");
	is("alone, a power of two", CK_DT_FLOAT64, DIMS(), DOUBLES(0x1p-44),
	   "5.684341886080802e-14");
	is("alone, NaN", CK_DT_FLOAT32, DIMS(), FLOATS(NAN), "nan");
	is("alone, infinity", CK_DT_FLOAT32, DIMS(), FLOATS(-INFINITY), "-inf");
	is("alone, float32 at 0.0001", CK_DT_FLOAT32, DIMS(), FLOATS(0.0001f), "1e-04");
	is("alone, negative zero", CK_DT_FLOAT64, DIMS(), DOUBLES(-0.), "-0.0");
	is("alone, float16", CK_DT_FLOAT16, DIMS(), HALVES(0x63d0), "1e+03");
	is("alone, bfloat16", CK_DT_BFLOAT16, DIMS(), HALVES(0x3f80), "1");
	is("alone, int64", CK_DT_INT64, DIMS(), INT64S(-7), "-7");
	is("alone, boolean", CK_DT_BOOL, DIMS(), BYTES(1), "True");
	is("alone, complex", CK_DT_COMPLEX64, DIMS(), FLOATS(1, 0.1f), "(1+0.1j)");
	is("alone, imaginary", CK_DT_COMPLEX128, DIMS(), DOUBLES(0, -2e20), "-2e+20j");
	is("alone, infinite parts", CK_DT_COMPLEX64, DIMS(), FLOATS(NAN, INFINITY), "(nan+infj)");
}

static void test_lines(void)
{
	counted("lines of 75 columns", DIMS(40), false,
		"[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n"
		" 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39]");
	counted("wrapped rows are indented", DIMS(2, 26), false,
		"[[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n"
		"  24 25]\n"
		" [26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49\n"
		"  50 51]]");
	counted("four axes", DIMS(2, 1, 2, 2), false,
		"[[[[0 1]\n"
		"   [2 3]]]\n"
		"\n"
		"\n"
		" [[[4 5]\n"
		"   [6 7]]]]");
	is("spaces at the end of a line go", CK_DT_FLOAT64, DIMS(9),
	   DOUBLES(0.12345678, 1, 2, 3, 4, 5, 6, 7, 8),
	   "[0.12345678 1.         2.         3.         4.         5.\n"
	   " 6.         7.         8.        ]");
	counted("nothing in it", DIMS(3, 0, 2), false, "[]");
	is("nothing in a huge shape", CK_DT_FLOAT32, DIMS(UINT64_C(1) << 62, 0, UINT64_C(1) << 62),
	   "", 0, "[]");
}

static void test_summary(void)
{
	counted("1001 elements", DIMS(1001), false, "[   0    1    2 ...  998  999 1000]");
	counted("two axes", DIMS(40, 30), false,
		"[[   0    1    2 ...   27   28   29]\n"
		" [  30   31   32 ...   57   58   59]\n"
		" [  60   61   62 ...   87   88   89]\n"
		" ...\n"
		" [1110 1111 1112 ... 1137 1138 1139]\n"
		" [1140 1141 1142 ... 1167 1168 1169]\n"
		" [1170 1171 1172 ... 1197 1198 1199]]");
	counted("columns only", DIMS(3, 400), false,
		"[[   0    1    2 ...  397  398  399]\n"
		" [ 400  401  402 ...  797  798  799]\n"
		" [ 800  801  802 ... 1197 1198 1199]]");
	counted("axes of six are whole", DIMS(1, 7, 2, 80), false,
		"[[[[   0    1    2 ...   77   78   79]\n"
		"   [  80   81   82 ...  157  158  159]]\n"
		"\n"
		"  [[ 160  161  162 ...  237  238  239]\n"
		"   [ 240  241  242 ...  317  318  319]]\n"
		"\n"
		"  [[ 320  321  322 ...  397  398  399]\n"
		"   [ 400  401  402 ...  477  478  479]]\n"
		"\n"
		"  ...\n"
		"\n"
		"  [[ 640  641  642 ...  717  718  719]\n"
		"   [ 720  721  722 ...  797  798  799]]\n"
		"\n"
		"  [[ 800  801  802 ...  877  878  879]\n"
		"   [ 880  881  882 ...  957  958  959]]\n"
		"\n"
		"  [[ 960  961  962 ... 1037 1038 1039]\n"
		"   [1040 1041 1042 ... 1117 1118 1119]]]]");
}

/* With 254 axes not even the first column is left: a line for each element. */
static void test_rank(void)
{
	uint64_t dims[254];
	struct ck_buf ck_auto_buf want = CK_BUF_INIT;

	for (int i = 0; i < 254; i++) {
		dims[i] = i == 253 ? 2 : 1;
		ck_buf_char(&want, '[');
	}
	ck_buf_printf(&want, "0\n%254s1", "");
	for (int i = 0; i < 254; i++)
		ck_buf_char(&want, ']');
	counted("254 axes", (struct shape){ 254, dims }, false, want.p);
}

static void test_all(void)
{
	struct ck_buf ck_auto_buf want = CK_BUF_INIT;

	for (int i = 0; i < 5000; i++)
		ck_buf_printf(&want, i == 0 ? "[%4d" : i % 14 == 0 ? "\n %4d" : " %4d", i);
	ck_buf_char(&want, ']');
	counted("all of 5000 elements", DIMS(5000), true, want.p);
}

/* More than memory holds, and more than could be read in the time: a file that is a hole. */
static void test_huge(void)
{
	char path[] = "test_show.XXXXXX";
	int fd = mkstemp(path);
	struct ck_source *source = NULL;
	uint64_t elements = UINT64_C(1) << 38;
	float last = 1.5;

	if (fd < 0 || ftruncate(fd, (off_t)(elements * 4)) < 0 ||
	    pwrite(fd, &last, 4, (off_t)(elements * 4 - 4)) != 4 ||
	    ck_source_open(path, &source, NULL) < 0)
		tap_ok(true, "a summary of a TiB reads little: SKIP no such file can be had");
	else
		shown("a summary of a TiB reads little",
		      model_of(CK_DT_FLOAT32, DIMS(elements / 2, 2), source), false,
		      "[[0.  0. ]\n"
		      " [0.  0. ]\n"
		      " [0.  0. ]\n"
		      " ...\n"
		      " [0.  0. ]\n"
		      " [0.  0. ]\n"
		      " [0.  1.5]]");
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
}

#define S(text) { (const uint8_t *)(text), sizeof(text) - 1 }

static void test_strings(void)
{
	static const struct ck_span quotes[] = { S("plain"), S("it's"), S("say \"x\""),
						 S("both ' and \""),
						 S("\\\t\n\r\0\x7f\xc3\xa9"), S("") };
	static const struct ck_span one[] = { S("hello") };
	static struct ck_span many[1200];
	char *big = malloc(200003);
	struct ck_buf ck_auto_buf want = CK_BUF_INIT;

	strings("quotes and escapes", DIMS(6), quotes, 6,
		"[b'plain' b\"it's\" b'say \"x\"' b'both \\' and \"' "
		"b'\\\\\\t\\n\\r\\x00\\x7f\\xc3\\xa9'\n"
		" b'']");
	strings("one string alone", DIMS(), one, 1, "b'hello'");
	strings("no strings", DIMS(0), NULL, 0, "[]");
	for (int i = 0; i < 1200; i++)
		many[i] = ck_span("aaaaaaaaaaaaaaaaaaaa", i < 6 || i >= 1194 ? 20 : 7);
	strings("a summary's dots on a line of their own", DIMS(1200), many, 1200,
		"[b'aaaaaaaaaaaaaaaaaaaa' b'aaaaaaaaaaaaaaaaaaaa' b'aaaaaaaaaaaaaaaaaaaa'\n"
		" ... b'aaaaaaaaaaaaaaaaaaaa' b'aaaaaaaaaaaaaaaaaaaa'\n"
		" b'aaaaaaaaaaaaaaaaaaaa']");
	/* The quotes are chosen by what lies beyond the first window of bytes. */
	memset(big, 'x', 200003);
	memcpy(big + 200000, "'\"\\", 3);
	many[0] = ck_span(big, 200003);
	ck_buf_str(&want, "b'");
	ck_buf_add(&want, big, 200000);
	ck_buf_str(&want, "\\'\"\\\\'");
	strings("a long string", DIMS(), many, 1, want.p);
	free(big);
}

static void test_byte_order(void)
{
	static const uint8_t bytes[] = { 0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0 };
	struct ck_model *m = model(CK_DT_FLOAT32, DIMS(2), bytes, sizeof(bytes));

	m->big_endian = true;
	shown("big endian", m, false, "[ 1.5 -2. ]");
	m = model(CK_DT_COMPLEX64, DIMS(1), bytes, sizeof(bytes));
	m->big_endian = true;
	shown("big endian complex numbers", m, false, "[1.5-2.j]");
}

static void fails(const char *name, struct ck_model *m, int want)
{
	struct ck_show_options o = { .all = false };
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	int r = ck_show_var(m, 0, &o, &out, &err);

	tap_ok(r == want && err.errnum == -want && out.n == 0, "%s: %s", name, err.text);
	ck_model_unref(m);
}

static void test_failures(void)
{
	static const uint8_t bytes[16] = { 5, 1, 2, 3 };

	fails("fewer bytes than the shape takes", model(CK_DT_FLOAT32, DIMS(5), bytes, 16), -EIO);
	fails("more bytes", model(CK_DT_FLOAT32, DIMS(3), bytes, 16), -EIO);
	fails("strings' lengths are damaged", model(CK_DT_STRING, DIMS(3), bytes, 16), -EIO);
	fails("nothing to show", model(CK_DT_VARIANT, DIMS(1), bytes, 16), -EOPNOTSUPP);
}

int main(void)
{
	tap_plan(90);
	test_floats();
	test_small();
	test_integers();
	test_complex();
	test_alone();
	test_lines();
	test_summary();
	test_rank();
	test_all();
	test_huge();
	test_strings();
	test_byte_order();
	test_failures();
	return tap_done();
}

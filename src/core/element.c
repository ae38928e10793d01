/* element.c - see element.h. Formats of small numbers: IEEE 754, and ml_dtypes' documentation. */
#include "core/element.h"

#include <math.h>
#include <string.h>

/* What the bit patterns that are no finite numbers are. */
enum specials {
	IEEE, /* the greatest exponent: infinities and NaN */
	FN, /* finite: NaN where all bits but the sign are set */
	FNUZ, /* finite, unsigned zero: NaN in place of -0 */
	NO_SPECIALS,
};

struct type {
	enum ck_element_kind kind;
	uint8_t bits; /* integers: how many of the lowest count; floats: of the exponent */
	uint8_t mantissa_bits;
	uint8_t bias; /* of the exponent */
	enum specials specials;
};

static const struct type types[CK_DT_COUNT] = {
	[CK_DT_FLOAT32] = { .kind = CK_ELEMENT_FLOAT },
	[CK_DT_FLOAT64] = { .kind = CK_ELEMENT_FLOAT },
	[CK_DT_INT32] = { CK_ELEMENT_INT, .bits = 32 },
	[CK_DT_UINT8] = { CK_ELEMENT_UINT, .bits = 8 },
	[CK_DT_INT16] = { CK_ELEMENT_INT, .bits = 16 },
	[CK_DT_INT8] = { CK_ELEMENT_INT, .bits = 8 },
	[CK_DT_COMPLEX64] = { .kind = CK_ELEMENT_COMPLEX },
	[CK_DT_INT64] = { CK_ELEMENT_INT, .bits = 64 },
	[CK_DT_BOOL] = { .kind = CK_ELEMENT_BOOL },
	[CK_DT_QINT8] = { CK_ELEMENT_INT, .bits = 8 },
	[CK_DT_QUINT8] = { CK_ELEMENT_UINT, .bits = 8 },
	[CK_DT_QINT32] = { CK_ELEMENT_INT, .bits = 32 },
	[CK_DT_BFLOAT16] = { CK_ELEMENT_FLOAT, 8, 7, 127, IEEE },
	[CK_DT_QINT16] = { CK_ELEMENT_INT, .bits = 16 },
	[CK_DT_QUINT16] = { CK_ELEMENT_UINT, .bits = 16 },
	[CK_DT_UINT16] = { CK_ELEMENT_UINT, .bits = 16 },
	[CK_DT_COMPLEX128] = { .kind = CK_ELEMENT_COMPLEX },
	[CK_DT_FLOAT16] = { CK_ELEMENT_FLOAT, 5, 10, 15, IEEE },
	[CK_DT_UINT32] = { CK_ELEMENT_UINT, .bits = 32 },
	[CK_DT_UINT64] = { CK_ELEMENT_UINT, .bits = 64 },
	[CK_DT_FLOAT8_E5M2] = { CK_ELEMENT_FLOAT, 5, 2, 15, IEEE },
	[CK_DT_FLOAT8_E4M3FN] = { CK_ELEMENT_FLOAT, 4, 3, 7, FN },
	[CK_DT_FLOAT8_E4M3FNUZ] = { CK_ELEMENT_FLOAT, 4, 3, 8, FNUZ },
	[CK_DT_FLOAT8_E4M3B11FNUZ] = { CK_ELEMENT_FLOAT, 4, 3, 11, FNUZ },
	[CK_DT_FLOAT8_E5M2FNUZ] = { CK_ELEMENT_FLOAT, 5, 2, 16, FNUZ },
	[CK_DT_INT4] = { CK_ELEMENT_INT, .bits = 4 },
	[CK_DT_UINT4] = { CK_ELEMENT_UINT, .bits = 4 },
	[CK_DT_INT2] = { CK_ELEMENT_INT, .bits = 2 },
	[CK_DT_UINT2] = { CK_ELEMENT_UINT, .bits = 2 },
	[CK_DT_FLOAT4_E2M1FN] = { CK_ELEMENT_FLOAT, 2, 1, 1, NO_SPECIALS },
};

static const struct type *type_of(enum ck_dtype t)
{
	return &types[(unsigned)t < CK_DT_COUNT ? t : CK_DT_UNKNOWN];
}

enum ck_element_kind ck_element_kind(enum ck_dtype t)
{
	return type_of(t)->kind;
}

/* The unsigned number that n bytes make, 8 at most. */
static uint64_t bits_of(const uint8_t *p, size_t n, bool big_endian)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * (big_endian ? n - 1 - i : i);
	return v;
}

static double as_single(uint64_t bits)
{
	uint32_t low = (uint32_t)bits;
	float v;

	memcpy(&v, &low, sizeof(v));
	return v;
}

static double as_double(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* Bits above the sign, which a type smaller than its bytes may have, are taken for the sign, as
 * ml_dtypes does. */
static double as_small(const struct type *t, uint64_t bits)
{
	uint64_t mantissa = bits & (((uint64_t)1 << t->mantissa_bits) - 1);
	uint64_t top = ((uint64_t)1 << t->bits) - 1;
	uint64_t exponent = bits >> t->mantissa_bits & top;
	bool minus = bits >> (t->bits + t->mantissa_bits);
	double v;

	if (t->specials == IEEE && exponent == top)
		v = mantissa ? NAN : INFINITY;
	else if (t->specials == FN && exponent == top && mantissa + 1 == 1U << t->mantissa_bits)
		v = NAN;
	else if (t->specials == FNUZ && minus && !exponent && !mantissa)
		v = NAN;
	else if (exponent)
		v = scalbn((double)(mantissa | (uint64_t)1 << t->mantissa_bits),
			   (int)exponent - t->bias - t->mantissa_bits);
	else
		v = scalbn((double)mantissa, 1 - t->bias - t->mantissa_bits);
	return minus ? -v : v;
}

static double as_float(enum ck_dtype t, uint64_t bits)
{
	switch (t) {
	case CK_DT_FLOAT32:
		return as_single(bits);
	case CK_DT_FLOAT64:
		return as_double(bits);
	default:
		return as_small(type_of(t), bits);
	}
}

struct ck_value ck_element_value(enum ck_dtype t, const uint8_t *p, bool big_endian)
{
	const struct type *type = type_of(t);
	size_t size = ck_dtype_info(t)->size;
	struct ck_value v = { .u = 0 };

	switch (type->kind) {
	case CK_ELEMENT_NONE:
		break;
	case CK_ELEMENT_BOOL:
		v.u = bits_of(p, size, big_endian) != 0;
		break;
	case CK_ELEMENT_INT:
		v.i = (int64_t)(bits_of(p, size, big_endian) << (64 - type->bits)) >>
		      (64 - type->bits);
		break;
	case CK_ELEMENT_UINT:
		v.u = bits_of(p, size, big_endian) << (64 - type->bits) >> (64 - type->bits);
		break;
	case CK_ELEMENT_FLOAT:
		v.re = as_float(t, bits_of(p, size, big_endian));
		break;
	case CK_ELEMENT_COMPLEX:
		t = size == 16 ? CK_DT_FLOAT64 : CK_DT_FLOAT32;
		v.re = as_float(t, bits_of(p, size / 2, big_endian));
		v.im = as_float(t, bits_of(p + size / 2, size / 2, big_endian));
		break;
	}
	return v;
}

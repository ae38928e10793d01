/* dtype.c - see dtype.h. Numbers: tensorflow/core/framework/types.proto. */
#include "model/dtype.h"

static const struct ck_dtype_info table[CK_DT_COUNT] = {
	[CK_DT_UNKNOWN] = { "unknown", "DT_INVALID", 0, 1 },
	[CK_DT_FLOAT32] = { "float32", "DT_FLOAT", 4, 4 },
	[CK_DT_FLOAT64] = { "float64", "DT_DOUBLE", 8, 8 },
	[CK_DT_INT32] = { "int32", "DT_INT32", 4, 4 },
	[CK_DT_UINT8] = { "uint8", "DT_UINT8", 1, 1 },
	[CK_DT_INT16] = { "int16", "DT_INT16", 2, 2 },
	[CK_DT_INT8] = { "int8", "DT_INT8", 1, 1 },
	[CK_DT_STRING] = { "string", "DT_STRING", 0, 1 },
	[CK_DT_COMPLEX64] = { "complex64", "DT_COMPLEX64", 8, 4 },
	[CK_DT_INT64] = { "int64", "DT_INT64", 8, 8 },
	[CK_DT_BOOL] = { "bool", "DT_BOOL", 1, 1 },
	[CK_DT_QINT8] = { "qint8", "DT_QINT8", 1, 1 },
	[CK_DT_QUINT8] = { "quint8", "DT_QUINT8", 1, 1 },
	[CK_DT_QINT32] = { "qint32", "DT_QINT32", 4, 4 },
	[CK_DT_BFLOAT16] = { "bfloat16", "DT_BFLOAT16", 2, 2 },
	[CK_DT_QINT16] = { "qint16", "DT_QINT16", 2, 2 },
	[CK_DT_QUINT16] = { "quint16", "DT_QUINT16", 2, 2 },
	[CK_DT_UINT16] = { "uint16", "DT_UINT16", 2, 2 },
	[CK_DT_COMPLEX128] = { "complex128", "DT_COMPLEX128", 16, 8 },
	[CK_DT_FLOAT16] = { "float16", "DT_HALF", 2, 2 },
	[CK_DT_RESOURCE] = { "resource", "DT_RESOURCE", 0, 1 },
	[CK_DT_VARIANT] = { "variant", "DT_VARIANT", 0, 1 },
	[CK_DT_UINT32] = { "uint32", "DT_UINT32", 4, 4 },
	[CK_DT_UINT64] = { "uint64", "DT_UINT64", 8, 8 },
	[CK_DT_FLOAT8_E5M2] = { "float8_e5m2", "DT_FLOAT8_E5M2", 1, 1 },
	[CK_DT_FLOAT8_E4M3FN] = { "float8_e4m3fn", "DT_FLOAT8_E4M3FN", 1, 1 },
	[CK_DT_FLOAT8_E4M3FNUZ] = { "float8_e4m3fnuz", "DT_FLOAT8_E4M3FNUZ", 1, 1 },
	[CK_DT_FLOAT8_E4M3B11FNUZ] = { "float8_e4m3b11fnuz", "DT_FLOAT8_E4M3B11FNUZ", 1, 1 },
	[CK_DT_FLOAT8_E5M2FNUZ] = { "float8_e5m2fnuz", "DT_FLOAT8_E5M2FNUZ", 1, 1 },
	[CK_DT_INT4] = { "int4", "DT_INT4", 1, 1 },
	[CK_DT_UINT4] = { "uint4", "DT_UINT4", 1, 1 },
	[CK_DT_INT2] = { "int2", "DT_INT2", 1, 1 },
	[CK_DT_UINT2] = { "uint2", "DT_UINT2", 1, 1 },
	[CK_DT_FLOAT4_E2M1FN] = { "float4_e2m1fn", "DT_FLOAT4_E2M1FN", 1, 1 },
};

const struct ck_dtype_info *ck_dtype_info(enum ck_dtype t)
{
	return &table[(unsigned)t < CK_DT_COUNT ? t : CK_DT_UNKNOWN];
}

enum ck_dtype ck_dtype_from_native(int64_t number)
{
	return number > 0 && number < CK_DT_COUNT ? (enum ck_dtype)number : CK_DT_UNKNOWN;
}

bool ck_dtype_readable(enum ck_dtype t)
{
	return t == CK_DT_STRING || ck_dtype_info(t)->size > 0;
}

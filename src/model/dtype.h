/*
 * dtype.h - element types: one table of names, sizes and native numbers.
 *
 * Names are NumPy's and ml_dtypes' where those have the type, else TensorFlow's. Values are
 * TensorFlow's DataType numbers (tensorflow/core/framework/types.proto), since that is the largest
 * set; other formats map theirs onto these. Types below one byte take a whole byte per element in
 * a bundle (ml_dtypes' storage).
 */
#ifndef CK_MODEL_DTYPE_H
#define CK_MODEL_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ck_dtype {
	CK_DT_UNKNOWN = 0, /* a number that this table does not have */
	CK_DT_FLOAT32 = 1,
	CK_DT_FLOAT64 = 2,
	CK_DT_INT32 = 3,
	CK_DT_UINT8 = 4,
	CK_DT_INT16 = 5,
	CK_DT_INT8 = 6,
	CK_DT_STRING = 7,
	CK_DT_COMPLEX64 = 8,
	CK_DT_INT64 = 9,
	CK_DT_BOOL = 10,
	CK_DT_QINT8 = 11,
	CK_DT_QUINT8 = 12,
	CK_DT_QINT32 = 13,
	CK_DT_BFLOAT16 = 14,
	CK_DT_QINT16 = 15,
	CK_DT_QUINT16 = 16,
	CK_DT_UINT16 = 17,
	CK_DT_COMPLEX128 = 18,
	CK_DT_FLOAT16 = 19,
	CK_DT_RESOURCE = 20,
	CK_DT_VARIANT = 21,
	CK_DT_UINT32 = 22,
	CK_DT_UINT64 = 23,
	CK_DT_FLOAT8_E5M2 = 24,
	CK_DT_FLOAT8_E4M3FN = 25,
	CK_DT_FLOAT8_E4M3FNUZ = 26,
	CK_DT_FLOAT8_E4M3B11FNUZ = 27,
	CK_DT_FLOAT8_E5M2FNUZ = 28,
	CK_DT_INT4 = 29,
	CK_DT_UINT4 = 30,
	CK_DT_INT2 = 31,
	CK_DT_UINT2 = 32,
	CK_DT_FLOAT4_E2M1FN = 33,
	CK_DT_COUNT
};

struct ck_dtype_info {
	const char *name; /* as V.json has it */
	const char *native; /* TensorFlow's, "DT_FLOAT" */
	uint8_t size; /* bytes an element takes in a bundle; 0 where that varies or is unknown */
	uint8_t word; /* bytes that are swapped together between byte orders */
};

/* Never NULL: an unknown dtype has the name "unknown". */
const struct ck_dtype_info *ck_dtype_info(enum ck_dtype t);

/* The type of TensorFlow's number, CK_DT_UNKNOWN where the table lacks it. */
enum ck_dtype ck_dtype_from_native(int64_t number);

/* Whether V can be opened: bytes of known meaning (numbers and strings). */
bool ck_dtype_readable(enum ck_dtype t);

#endif

/*
 * element.h - the bytes of one element as a value.
 *
 * Every element type of fixed size comes down to one of a few kinds; the tiny floating-point types
 * are taken apart here, since no C compiler knows them.
 */
#ifndef CK_CORE_ELEMENT_H
#define CK_CORE_ELEMENT_H

#include "model/dtype.h"

enum ck_element_kind {
	CK_ELEMENT_NONE, /* not of fixed size, or of unknown meaning */
	CK_ELEMENT_BOOL,
	CK_ELEMENT_INT,
	CK_ELEMENT_UINT,
	CK_ELEMENT_FLOAT,
	CK_ELEMENT_COMPLEX,
};

struct ck_value {
	union {
		int64_t i; /* CK_ELEMENT_INT */
		uint64_t u; /* CK_ELEMENT_UINT; CK_ELEMENT_BOOL: 0 or 1 */
		double re; /* CK_ELEMENT_FLOAT, CK_ELEMENT_COMPLEX */
	};
	double im; /* CK_ELEMENT_COMPLEX */
};

enum ck_element_kind ck_element_kind(enum ck_dtype t);

/* The value of the bytes at p, as many as the type has; t is of another kind than NONE. */
struct ck_value ck_element_value(enum ck_dtype t, const uint8_t *p, bool big_endian);

#endif

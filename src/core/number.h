/*
 * number.h - floating-point numbers as text: aligned columns as in NumPy's arrays, or alone.
 *
 * In an array all numbers share one form: with or without exponent, the points below each other.
 * It follows from the numbers that are shown, so they are looked at twice before the first is
 * printed: ck_column_range() for each, ck_column_choose() once, ck_column_measure() for each.
 */
#ifndef CK_CORE_NUMBER_H
#define CK_CORE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NumPy's own types. Values of all of them are kept as double, which holds them exactly. */
enum ck_precision {
	CK_PRECISION_HALF,
	CK_PRECISION_SINGLE,
	CK_PRECISION_DOUBLE,
};

#define CK_NUMBER_MAX 64 /* bytes, more than any text made here */

struct ck_column {
	enum ck_precision precision;
	bool plus; /* a sign before positive numbers as well */

	double max; /* of the finite ones' magnitudes, zeros left out ... */
	double min; /* ... and 0 while there is none */
	bool finite;
	bool special; /* an infinity or NaN */
	bool minus_inf;

	bool exponent; /* 1.5e+00 rather than 1.5 */
	int left; /* columns before the point, the sign included */
	int right; /* digits behind the point */
	int exponent_digits;
};

void ck_column_init(struct ck_column *c, enum ck_precision precision, bool plus);
void ck_column_range(struct ck_column *c, double v);
void ck_column_choose(struct ck_column *c);
void ck_column_measure(struct ck_column *c, double v);
/* Writes v as wide as the column is, without NUL, and returns its length. */
size_t ck_column_print(const struct ck_column *c, double v, char text[CK_NUMBER_MAX]);

/* The same for a number alone: the shortest text that reads back as the same number. */
size_t ck_number_print(enum ck_precision precision, double v, char text[CK_NUMBER_MAX]);
/* Alone, in parentheses unless the real part is +0. */
size_t ck_complex_print(enum ck_precision precision, double re, double im,
			char text[2 * CK_NUMBER_MAX]);
/* As printf's %g: six digits. The types that NumPy does not know itself are printed so. */
size_t ck_number_print_g(double v, char text[CK_NUMBER_MAX]);

#endif

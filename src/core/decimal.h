/*
 * decimal.h - the decimal digits of a binary floating-point number.
 *
 * Printing as NumPy does needs more than printf has: the fewest digits that read back as the same
 * number of a type of any width, yet not more than so many, or exactly so many. The arithmetic is
 * exact, and needs neither the C library's strtod() nor its locale.
 */
#ifndef CK_CORE_DECIMAL_H
#define CK_CORE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#define CK_DECIMAL_MAX 24 /* digits; 17 tell any double from its neighbours */

/* The number d.ddd x 10^exponent. There are no trailing zeros. */
struct ck_decimal {
	char digits[CK_DECIMAL_MAX]; /* '0' to '9', no NUL */
	int n; /* how many, 1 at least */
	int exponent; /* 0 for zero */
};

/* The number mantissa x 2^exponent. */
struct ck_binary {
	uint64_t mantissa; /* below 2^53 */
	int exponent; /* -1074 to 971 */
	bool uneven; /* a power of two: the neighbour below is half as far as the one above */
};

/* How many digits are wanted. All of them 0: as few as read back. */
struct ck_decimal_limits {
	int min; /* at least so many, further digits being exact */
	int max; /* at most so many; 0: any number */
	int fraction; /* at most so many behind the point (the number has some there); 0: any */
};

void ck_decimal(struct ck_binary b, struct ck_decimal_limits limits, struct ck_decimal *ret);

#endif

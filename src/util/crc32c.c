/*
 * crc32c.c - see crc32c.h.
 *
 * Polynomials are held reflected, as the CRC itself is: bit 31 is the coefficient of x^0. So 1 is
 * 0x80000000, and multiplying by x is a shift to the right with the polynomial folded in.
 */
#include "util/crc32c.h"

#include <isa-l/crc.h>

#define POLY 0x82f63b78u /* x^32 + ... reflected, the top term implied */
#define ONE 0x80000000u

uint32_t ck_crc32c_extend(uint32_t crc, const void *p, size_t n)
{
	const size_t most = 1u << 30; /* ISA-L takes an int */
	unsigned char *q = (unsigned char *)(uintptr_t)p; /* which it does not write to */

	crc = ~crc;
	while (n) {
		size_t k = n < most ? n : most;

		crc = crc32_iscsi(q, (int)k, crc);
		q += k;
		n -= k;
	}
	return ~crc;
}

/* a * b modulo the polynomial. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = ONE; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = (b & 1) ? (b >> 1) ^ POLY : b >> 1;
	}
	return product;
}

/* x^(8n) modulo the polynomial, by squaring. */
static uint32_t x_pow_bytes(uint64_t n)
{
	uint32_t power = ONE >> 8; /* x^8 */
	uint32_t result = ONE;

	for (; n; n >>= 1) {
		if (n & 1)
			result = multiply(result, power);
		power = multiply(power, power);
	}
	return result;
}

uint32_t ck_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b)
{
	/* The initial and final inversions cancel, as they do in zlib's crc32_combine. */
	return multiply(crc_a, x_pow_bytes(len_b)) ^ crc_b;
}

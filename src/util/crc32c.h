/*
 * crc32c.h - CRC-32C (Castagnoli), its mask, and the algebra that joins CRCs.
 *
 * ISA-L computes the CRC with the processor's instructions. TensorFlow stores CRCs masked
 * (tsl/lib/hash/crc32c.h), because a CRC over bytes that hold a CRC is weak; unmasked is what
 * every other tool computes, so that is what is shown.
 *
 * ck_crc32c_combine() gives the CRC of a||b from those of a and b and the length of b alone: a CRC
 * is a remainder of polynomials over GF(2), and appending n bytes multiplies by x^(8n).
 */
#ifndef CK_UTIL_CRC32C_H
#define CK_UTIL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC of what crc is the CRC of, followed by n bytes at p; start with crc = 0. */
uint32_t ck_crc32c_extend(uint32_t crc, const void *p, size_t n);

static inline uint32_t ck_crc32c(const void *p, size_t n)
{
	return ck_crc32c_extend(0, p, n);
}

/* CRC of a||b, where len_b is the length of b in bytes. Time grows with log2(len_b). */
uint32_t ck_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);

static inline uint32_t ck_crc32c_mask(uint32_t crc)
{
	return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static inline uint32_t ck_crc32c_unmask(uint32_t masked)
{
	uint32_t r = masked - 0xa282ead8u;

	return (r >> 17) | (r << 15);
}

#endif

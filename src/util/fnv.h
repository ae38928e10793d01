/*
 * fnv.h - FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
 *
 * A second, independent look at bytes whose CRC is known: two files that agree in size, CRC-32C and
 * this are taken for equal. No defence against somebody who makes them agree.
 */
#ifndef CK_UTIL_FNV_H
#define CK_UTIL_FNV_H

#include <stddef.h>
#include <stdint.h>

#define CK_FNV64_INIT UINT64_C(0xcbf29ce484222325)

/* Hash of what hash is the hash of, followed by n bytes at p. */
static inline uint64_t ck_fnv64_extend(uint64_t hash, const void *p, size_t n)
{
	const uint8_t *q = p;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ q[i]) * UINT64_C(0x100000001b3);
	return hash;
}

#endif

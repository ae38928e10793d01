/*
 * strings.h - string tensors: where their strings lie.
 *
 * A string tensor of N elements is stored as (tensor_bundle.cc, WriteStringTensor)
 *
 *   varint64 length[N]
 *   uint32   masked CRC-32C of the lengths, in the bundle's byte order
 *   the strings' bytes, without separators
 *
 * The checksum does not run over the varints but over the lengths as integers in memory: four
 * bytes each, eight for one that does not fit 32 bits, in the bundle's byte order. The entry's own
 * checksum runs over the lengths in that form, the four stored bytes, and the strings.
 */
#ifndef CK_CORE_STRINGS_H
#define CK_CORE_STRINGS_H

#include "model/model.h"

/* Called for each length in row-major order; non-zero ends the scan with that answer. */
typedef int ck_length_fn(void *arg, uint64_t len);

struct ck_strings_layout {
	uint64_t head; /* bytes before the first string */
	uint32_t crc; /* running checksum of the entry up to there */
};

/* Reads and checks all lengths. fn may be NULL, as may ret. -EIO for damage. */
int ck_strings_scan(struct ck_model *m, uint32_t var, ck_length_fn *fn, void *arg,
		    struct ck_strings_layout *ret, struct ck_err *err);

/* Bytes before the first string: scanned once, then remembered. */
int ck_strings_head(struct ck_model *m, uint32_t var, uint64_t *ret, struct ck_err *err);

/* The remembered facts about a string tensor. */
struct ck_strings *ck_strings_of(struct ck_model *m, uint32_t var);

#endif

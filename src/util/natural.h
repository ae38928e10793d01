/*
 * natural.h - the order in which people count: layer2 before layer10.
 *
 * Runs of ASCII digits compare as numbers, everything else byte by byte. Numbers that are equal
 * but written with different leading zeros, and anything else that would tie, fall back to memcmp,
 * so the order is total: only equal bytes compare equal.
 */
#ifndef CK_UTIL_NATURAL_H
#define CK_UTIL_NATURAL_H

#include "util/bytes.h"

int ck_natural_cmp(struct ck_span a, struct ck_span b);

#endif

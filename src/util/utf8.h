/*
 * utf8.h - which bytes are UTF-8 (RFC 3629: no surrogates, nothing overlong, at most U+10FFFF).
 */
#ifndef CK_UTIL_UTF8_H
#define CK_UTIL_UTF8_H

#include "util/bytes.h"

/* Bytes of the character at the front of s, 0 where there is no valid one. */
size_t ck_utf8_len(struct ck_span s);

bool ck_utf8_valid(struct ck_span s);

#endif

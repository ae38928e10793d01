/*
 * json.h - bytes as JSON values, appended to a buffer (RFC 8259).
 */
#ifndef CK_UTIL_JSON_H
#define CK_UTIL_JSON_H

#include "util/buf.h"

/* Appends s as a string with its quotes; s must be UTF-8. */
void ck_json_string(struct ck_span s, struct ck_buf *out);

/* Appends s as a string, or as {"base64": "..."} where it is not UTF-8. */
void ck_json_bytes(struct ck_span s, struct ck_buf *out);

/* Appends the bytes that base64 text stands for (RFC 4648, section 4: with padding, nothing else
 * between or behind); false, with less or nothing appended, where it is none. */
bool ck_json_unbase64(struct ck_span text, struct ck_buf *out);

void ck_json_number(uint64_t v, struct ck_buf *out);

/* Appends n numbers as an array. */
void ck_json_numbers(const uint64_t *v, size_t n, struct ck_buf *out);

#endif

/*
 * varmeta_list.h - the one long thing in V.json, read by hand: the lengths of a string tensor.
 *
 * jansson makes an object of 24 bytes and more of every number, which for millions of strings is
 * many times the text. So a plain list of lengths is read straight into an array, and jansson gets
 * a copy of the text in which that list is blank: as valid, or invalid at the same line and column,
 * as the text itself. What is not plain (a number below 0, a fraction) is left to jansson, for
 * there it is refused with a sentence.
 */
#ifndef CK_SAVER_VARMETA_LIST_H
#define CK_SAVER_VARMETA_LIST_H

#include "util/bytes.h"

/* What jansson is to see may have so many values, as its commas tell. */
#define CK_META_VALUES_MAX (1u << 20)

struct ck_varmeta_list {
	uint64_t *v; /* NULL: no list was taken out */
	uint64_t n;
	char *rest; /* the text without it, as long as the text; NULL with v */
};

/* 0, -ENOMEM, or -E2BIG where jansson would see too much. Both arrays are the caller's to free. */
int ck_varmeta_list(struct ck_span text, struct ck_varmeta_list *ret);

#endif

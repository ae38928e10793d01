/*
 * tf_check.h - whether the header and the entries of a bundle's index make sense by themselves.
 *
 * What the loader and the rewriter both ask before they believe a message. Nothing is said here
 * about the data files, nor about how slices lie in their variable.
 */
#ifndef CK_FORMAT_TF_CHECK_H
#define CK_FORMAT_TF_CHECK_H

#include "base/err.h"
#include "format/tf_messages.h"

/* Takes the first entry of the index at path, from its block at that byte, for the header. Errors:
 * CK_CORRUPT, CK_UNSUPPORTED (a V1 file, a newer version). */
int ck_tf_header_check(const char *path, uint64_t block, struct ck_span key, struct ck_span value,
		       struct ck_tf_header *ret, struct ck_err *err);
/* The answer where the index has no entry at all. */
int ck_tf_header_missing(const char *path, struct ck_err *err);

/* Parses the entry and says what is wrong with it, in words that follow "variable X"; NULL:
 * nothing. *ret is filled either way, as far as that goes. */
const char *ck_tf_entry_check(struct ck_span value, uint32_t num_shards, struct ck_tf_entry *ret);

#endif

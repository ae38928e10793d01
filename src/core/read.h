/*
 * read.h - the bytes of a variable, as its file V shows them.
 *
 * A variable stored in one piece is a range of its shard; a string tensor's file is the range
 * behind its lengths; a partitioned variable is joined from its slices on the fly. Nothing is
 * cached: what is read comes from the shard.
 *
 * All functions may be called by many threads at once.
 */
#ifndef CK_CORE_READ_H
#define CK_CORE_READ_H

#include "model/model.h"

/* Size of V in bytes. For strings the lengths are read (and checked) the first time. Damaged and
 * unreadable variables have their stored size. */
int ck_var_size(struct ck_model *m, uint32_t var, uint64_t *ret, struct ck_err *err);

/* 0, or why V cannot be opened: -EIO (damaged), -EOPNOTSUPP (variant, unknown dtype). */
int ck_var_readable(const struct ck_model *m, uint32_t var, struct ck_err *err);

/* Address of n bytes of V at off where they lie in one piece and can be mapped, else NULL: use
 * ck_var_read then. For the kernel's eyes only (see source.h). */
const void *ck_var_map(struct ck_model *m, uint32_t var, uint64_t off, size_t n);

/* n bytes of V at off into p; off + n must not be past its size. */
int ck_var_read(struct ck_model *m, uint32_t var, uint64_t off, void *p, size_t n,
		struct ck_err *err);

/* The lengths of a string tensor's elements, one call of fn each in row-major order. */
int ck_var_lengths(struct ck_model *m, uint32_t var, int (*fn)(void *arg, uint64_t len), void *arg,
		   struct ck_err *err);

/* Compares every stored checksum of the variable with its bytes: 0, or -EIO saying which byte
 * range is damaged. */
int ck_var_verify(struct ck_model *m, uint32_t var, struct ck_err *err);

#endif

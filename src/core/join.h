/*
 * join.h - a partitioned variable read as one tensor.
 *
 * A slice is a dense box of the variable. Its bytes fall into *runs*: stretches that are
 * contiguous both in the slice and in the variable. With k the last dimension that the slice does
 * not span whole, a run covers dimensions k and after; the slice has one run for each index of
 * dimensions 0 .. k-1, in rising order in both. Reading a range of the variable takes, of each
 * slice that meets it, the runs that meet it: consecutive in the slice, so one vectored read
 * scatters up to IOV_MAX of them straight to where they belong.
 */
#ifndef CK_CORE_JOIN_H
#define CK_CORE_JOIN_H

#include "model/model.h"

/* n bytes of the sliced variable at off into p. */
int ck_join_read(struct ck_model *m, const struct ck_var *v, uint64_t off, uint8_t *p, size_t n,
		 struct ck_err *err);

#endif

/*
 * reply.h - answers that say in the log why they are errors.
 *
 * Whatever errno a mount returns on purpose can be looked up in .ckptfuse/log. Only names that do
 * not exist are not worth a line.
 */
#ifndef CK_FUSE_REPLY_H
#define CK_FUSE_REPLY_H

#include "fuse/node.h"

/* Answers r (a negative errno); logs *err if it is filled. */
void ck_reply_err(fuse_req_t req, int r, const struct ck_err *err);

/* The same about a variable, which is named in the line where *err does not do so. */
void ck_reply_var_err(fuse_req_t req, const struct ck_slot *s, uint32_t var, int r,
		      const struct ck_err *err);

#endif

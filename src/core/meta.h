/*
 * meta.h - metadata as JSON text: V.json, checkpoint.json, and what --json prints.
 *
 * One object for each variable, built in one place, so that V.json, checkpoint.json and the
 * commands never disagree. The text is written straight to a buffer: lists of a million variables
 * and string tensors of a million lengths are usual, and a tree of JSON values would be many times
 * the text.
 */
#ifndef CK_CORE_META_H
#define CK_CORE_META_H

#include "core/jsonobj.h"
#include "model/model.h"
#include "util/buf.h"

/* Appends V.json's object: one member a line, a newline at the end when pretty, or all on one
 * line without newline. */
int ck_meta_var(struct ck_model *m, uint32_t var, bool pretty, struct ck_buf *out,
		struct ck_err *err);

/* The size of V.json without keeping its text. */
int ck_meta_var_size(struct ck_model *m, uint32_t var, uint64_t *ret, struct ck_err *err);

/* Appends {"name": ..., "dtype": ..., "shape": [...]}, without newline: checkpoint.json's row. */
void ck_meta_row(const struct ck_model *m, uint32_t var, struct ck_buf *out);

/* The member "dtype_native": the format's name, or its number where there is no name. */
void ck_meta_native(struct ck_jsonobj *o, enum ck_dtype dtype, int32_t native);

/* Appends the shape as a JSON array. */
void ck_meta_shape(const struct ck_model *m, const struct ck_var *v, struct ck_buf *out);

#endif

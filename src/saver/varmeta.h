/*
 * varmeta.h - the metadata of a staged variable: what V.json says, read and written.
 *
 * Only what the contract lets a user set is taken: dtype, shape, byte_order, lengths, name. Other
 * members are ignored, so that the V.json of one checkpoint can be copied into another. Members
 * may be missing: what is not said is kept as it was.
 *
 * A meta is immutable once made and counted by reference, since a file, its handles and what is
 * remembered of its name may share it.
 *
 * Limits: the text is at most CK_META_TEXT_MAX; rank 254, no negative dimension, and a product
 * that fits int64 (TensorFlow's own limits), as do the bytes that this makes; so many values
 * besides a list of lengths as varmeta_list.h has it.
 */
#ifndef CK_SAVER_VARMETA_H
#define CK_SAVER_VARMETA_H

#include "model/model.h"
#include "util/buf.h"

#define CK_META_TEXT_MAX (256u << 20)

struct ck_varmeta {
	int refs; /* atomic */
	bool has_dtype, has_shape; /* both: it can be published */
	enum ck_dtype dtype;
	int32_t native; /* the format's number, for a dtype that has no name here */
	bool big_endian; /* of the bytes as they stand in V */
	uint32_t rank;
	uint64_t *shape;
	uint64_t elements; /* product of shape */
	uint64_t *lengths; /* of strings, `elements` of them; NULL: not said. Of a scalar they are
			    * what somebody said once: V itself is the string */
	uint64_t nlengths;
	uint64_t lengths_sum;
	char *name; /* the variable's name as V.json had it, with name_len bytes; NULL: not said */
	size_t name_len;
};

/* An empty one: nothing is known but the byte order. */
struct ck_varmeta *ck_varmeta_new(bool big_endian);
/* That of a variable of a model, without name. The lengths of strings are read, unless the variable
 * is damaged or in pieces. */
int ck_varmeta_of(struct ck_model *m, uint32_t var, struct ck_varmeta **ret, struct ck_err *err);
struct ck_varmeta *ck_varmeta_ref(struct ck_varmeta *m);
struct ck_varmeta *ck_varmeta_unref(struct ck_varmeta *m); /* accepts NULL; returns NULL */

/*
 * What V.json's text says, on top of old (NULL: of nothing; big_endian is then the default).
 * -EINVAL with a sentence (which member, what is wrong, what it may be) for what is no JSON object,
 * an unknown dtype, a shape that cannot be, lengths that do not go with the shape, a name that is
 * neither a string nor {"base64": ...}. An empty text is -EINVAL too. where: the file's path, for
 * messages.
 *
 * Old lengths that are not given anew stay where the dtype may still be string and the number of
 * elements is the same. Lengths of what is no string mean nothing. The dtype "unknown" is taken
 * with a number for dtype_native that has no name here, as V.json shows such a variable.
 */
int ck_varmeta_parse(struct ck_span text, const struct ck_varmeta *old, bool big_endian,
		     const char *where, struct ck_varmeta **ret, struct ck_err *err);

/* One member alone, as an extended attribute gives it: "dtype", "shape", "byte_order". */
int ck_varmeta_parse_member(const char *member, struct ck_span value, const struct ck_varmeta *old,
			    bool big_endian, const char *where, struct ck_varmeta **ret,
			    struct ck_err *err);

/* Appends V.json's object, in the order and layout of ck_meta_var(): name, dtype, shape, nbytes,
 * byte_order, dtype_native, lengths; what is not known is left out. nbytes: size of V now. */
void ck_varmeta_render(const struct ck_varmeta *m, struct ck_span name, uint64_t nbytes,
		       struct ck_buf *out);

/* The same members as compact JSON for the journal: name only where set. Parses back to an equal
 * meta (ck_varmeta_parse with old NULL). */
void ck_varmeta_pack(const struct ck_varmeta *m, struct ck_buf *out);

/* Bytes that V has to have: false where that is not known (no dtype or shape, or strings whose
 * lengths are not said; a scalar string takes any number). */
bool ck_varmeta_need(const struct ck_varmeta *m, uint64_t *ret);

/* The dtype called so, CK_DT_UNKNOWN where there is none. Exactly the names of model/dtype.h. */
enum ck_dtype ck_dtype_by_name(struct ck_span name);

#endif

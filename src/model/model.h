/*
 * model.h - a parsed checkpoint: what its variables are and where their bytes lie.
 *
 * A format fills a model once; from then on it is immutable, except for what is found out about
 * string tensors when they are first looked at (core/read.c, under their own lock). It is shared by
 * reference count, so that open files keep the checkpoint that they were opened on.
 *
 * Variables lie in one array sorted by name (memcmp order). A million of them is a usual size for
 * a stress, so a variable is 48 bytes, its name lies in a common pool without padding, and
 * dimensions lie in a pool in which equal shapes are shared.
 */
#ifndef CK_MODEL_MODEL_H
#define CK_MODEL_MODEL_H

#include "base/err.h"
#include "model/dtype.h"
#include "io/source.h"
#include "util/bytes.h"

#include <pthread.h>
#include <time.h>

enum {
	CK_VAR_SLICED = 1, /* stored as slices: see ck_var.offset, .shard */
	CK_VAR_DAMAGED = 2, /* cannot be read; ck_model_problem() says why */
};

struct ck_var {
	uint64_t name; /* first byte in the names pool */
	uint64_t offset; /* first byte in the shard; sliced: index of its first slice */
	uint64_t nbytes; /* bytes stored there, string lengths included; sliced: of all slices */
	uint32_t name_len;
	uint32_t crc32c; /* unmasked; sliced: 0 */
	uint32_t shard; /* index in the model's shards; sliced: number of slices */
	uint32_t shape; /* index of the first of its rank dimensions in the dims pool */
	int32_t native; /* the dtype's number in the file */
	uint8_t dtype; /* enum ck_dtype */
	uint8_t rank; /* 0..254 */
	uint8_t flags; /* CK_VAR_* */
};
_Static_assert(sizeof(struct ck_var) <= 48, "a variable's record is to stay small");

/* One stored slice of a partitioned variable, a dense row-major tensor of its own. */
struct ck_slice {
	uint64_t offset; /* first byte in the shard */
	uint64_t nbytes;
	uint64_t first; /* where its first element lies in the whole variable, in bytes */
	uint64_t last; /* one past its last element there, in bytes */
	uint32_t crc32c; /* unmasked */
	uint32_t shard;
	uint32_t start; /* index of rank starts in the dims pool ... */
	uint32_t extent; /* ... and of rank extents */
};

/* One data file that some variable lies in. */
struct ck_shard {
	struct ck_source *source; /* NULL where it is missing (only with force) */
	uint32_t id; /* its number in the file name */
};

/* What is wrong with one variable (var is its index), or with the file (CK_NO_VAR). */
struct ck_problem {
	uint32_t var;
	char *text;
};

/* What is known about a string tensor once its lengths have been read. */
struct ck_strings {
	uint32_t var;
	bool known;
	uint64_t head; /* bytes before the first string */
	uint64_t json_bytes; /* size of its V.json, 0 until rendered once */
};

#define CK_NO_VAR UINT32_MAX

struct ck_model {
	int refs;
	const char *format; /* "tensorflow", as the contract's format names */
	char *path; /* what was opened, for people: the prefix of a bundle */
	struct ck_source *index; /* the file that lists the variables */
	struct timespec mtime; /* of that file */
	bool big_endian; /* byte order of the tensors */
	int32_t producer; /* the format's version as the file has it */
	uint32_t num_shards; /* as the file says */

	struct ck_var *vars;
	uint32_t nvars;
	char *names;
	uint64_t names_len;
	uint64_t *dims;
	uint32_t ndims;
	struct ck_slice *slices;
	uint32_t nslices;
	struct ck_shard *shards;
	uint32_t nshards;
	struct ck_problem *problems; /* by var */
	uint32_t nproblems;

	pthread_mutex_t strings_lock;
	struct ck_strings *strings; /* by var */
	uint32_t nstrings;
};

/* An empty model with one reference; NULL when out of memory. */
struct ck_model *ck_model_new(const char *format, const char *path);
struct ck_model *ck_model_ref(struct ck_model *m);
/* Accepts NULL; returns NULL. */
struct ck_model *ck_model_unref(struct ck_model *m);

static inline struct ck_span ck_var_name(const struct ck_model *m, const struct ck_var *v)
{
	return ck_span(m->names + v->name, v->name_len);
}

static inline const uint64_t *ck_var_shape(const struct ck_model *m, const struct ck_var *v)
{
	return v->rank ? m->dims + v->shape : NULL; /* a file of scalars has no pool */
}

/* Number of elements; the format has checked that it fits. */
uint64_t ck_var_elements(const struct ck_model *m, const struct ck_var *v);

/* The variable of that exact name, or CK_NO_VAR. */
uint32_t ck_model_find(const struct ck_model *m, struct ck_span name);

/* Why the variable cannot be read, or NULL. */
const char *ck_model_problem(const struct ck_model *m, uint32_t var);

#endif

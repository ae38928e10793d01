/*
 * builder.h - fills a model while a format walks its file.
 *
 * Arrays grow by doubling and are cut to size at the end. Equal shapes are shared through a small
 * cache, since most variables of a checkpoint have the shape of one seen shortly before.
 */
#ifndef CK_MODEL_BUILDER_H
#define CK_MODEL_BUILDER_H

#include "model/model.h"

#define CK_BUILDER_SHAPES 256

struct ck_builder {
	struct ck_model *m;
	bool force; /* keep going: problems are noted instead of ending the parse */
	size_t vars_room, names_room, dims_room, slices_room, problems_room;
	struct {
		uint32_t first;
		uint32_t rank; /* 0: unused */
	} shapes[CK_BUILDER_SHAPES];
};

void ck_builder_init(struct ck_builder *b, struct ck_model *m, bool force);

/* Appends a variable: its name is copied, the rest of *v is taken as it is. Names must come in
 * rising order. */
int ck_builder_var(struct ck_builder *b, struct ck_span name, const struct ck_var *v,
		   struct ck_err *err);

/* Appends n dimensions (or finds them) and sets *ret to the index of the first. */
int ck_builder_dims(struct ck_builder *b, const uint64_t *dims, uint32_t n, uint32_t *ret,
		    struct ck_err *err);

int ck_builder_slice(struct ck_builder *b, const struct ck_slice *s, struct ck_err *err);

/*
 * Something is wrong with a variable (or, with CK_NO_VAR, the file). With force it is noted, the
 * variable is marked damaged, and the answer is 0; without, *err is set and -EIO returned.
 */
int ck_builder_problem(struct ck_builder *b, uint32_t var, struct ck_err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Takes out the variables for which drop[i] is set, keeping problems with theirs. */
void ck_builder_drop(struct ck_builder *b, const bool *drop);

/* Sorts the problems, lists the string tensors, gives back what was allocated too much. */
int ck_builder_finish(struct ck_builder *b, struct ck_err *err);

#endif

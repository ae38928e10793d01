/*
 * missing.h - why there is no checkpoint where one was looked for.
 *
 * A path that does not exist is rarely a mistake of one letter: the index was not downloaded, the
 * save was killed, the step is another one by now. These functions look at the neighbours and say
 * which it is. Each answers a negative errno with *err filled, or 0 where it has nothing to say.
 */
#ifndef CK_CORE_MISSING_H
#define CK_CORE_MISSING_H

#include "base/err.h"
#include "core/survey.h"

/* Parts of the bundle, or a checkpoint of the V1 kind, at a prefix that has no .index. */
int ck_missing_index(const char *prefix, struct ck_err *err);

/* The same for the first such bundle of a folder. */
int ck_missing_index_in(const struct ck_survey *s, struct ck_err *err);

/* A SOURCE that does not exist. Never answers 0. */
int ck_missing(const char *source, struct ck_err *err);

#endif

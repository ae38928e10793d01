/*
 * mkrecord.h - records of every type, for the tests of the journal.
 */
#ifndef CK_TESTS_MKRECORD_H
#define CK_TESTS_MKRECORD_H

#include "journal/record.h"

/* The i-th of a list that has every type, with all that a record of it can hold, and small and
 * large ones. BASE is the first, COMMIT the last. False behind the end. Nothing is allocated. */
bool make_record(unsigned i, struct ck_record *ret);
unsigned made_records(void);

/* Whether they say the same, but for where the data lies. */
bool record_same(const struct ck_record *a, const struct ck_record *b);

#endif

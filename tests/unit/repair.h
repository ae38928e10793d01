/*
 * repair.h - makes the checksums of a mutated table or journal right again.
 *
 * A reader refuses a table at its first wrong checksum, so a random change proves little. What the
 * footer and the index block lead to gets the checksum that its bytes now have; the rest of the
 * reader then meets the change. Likewise the records of a journal, as far as their lengths lead.
 */
#ifndef CK_TESTS_REPAIR_H
#define CK_TESTS_REPAIR_H

#include "util/bytes.h"

void repair_table(uint8_t *data, size_t size);
void repair_journal(uint8_t *data, size_t size);

#endif

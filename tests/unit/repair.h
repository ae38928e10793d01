/*
 * repair.h - makes the checksums of a mutated table right again.
 *
 * A reader refuses a table at its first wrong checksum, so a random change proves little. What the
 * footer and the index block lead to gets the checksum that its bytes now have; the rest of the
 * reader then meets the change.
 */
#ifndef CK_TESTS_REPAIR_H
#define CK_TESTS_REPAIR_H

#include "util/bytes.h"

void repair_table(uint8_t *data, size_t size);

#endif

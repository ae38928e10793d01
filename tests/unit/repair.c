/* repair.c - see repair.h. */
#include "repair.h"

#include "format/table.h"
#include "util/crc32c.h"
#include "util/varint.h"

/* Writes the right checksum behind the block that the handle leads to; false where there is none. */
static bool repair_block(uint8_t *data, size_t size, struct ck_span handle, struct ck_span *block)
{
	uint64_t off, n;

	if (!ck_varint64(&handle, &off) || !ck_varint64(&handle, &n) || off > size ||
	    n > size - off || size - off - n < CK_TABLE_TRAILER)
		return false;
	ck_put_le32(data + off + n + 1, ck_crc32c_mask(ck_crc32c(data + off, n + 1)));
	*block = ck_span(data + off, n);
	return true;
}

void repair_table(uint8_t *data, size_t size)
{
	struct ck_span footer, index, block;
	struct ck_block_cursor c;
	uint64_t skip;

	if (size < CK_TABLE_FOOTER)
		return;
	ck_put_le64(data + size - 8, CK_TABLE_MAGIC);
	footer = ck_span(data + size - CK_TABLE_FOOTER, CK_TABLE_FOOTER - 8);
	if (!ck_varint64(&footer, &skip) || !ck_varint64(&footer, &skip) ||
	    !repair_block(data, size, footer, &index) || ck_block_open(&c, index) < 0)
		return;
	while (ck_block_next(&c) > 0)
		repair_block(data, size, c.value, &block);
	ck_block_done(&c);
	repair_block(data, size, footer, &index); /* a data block may overlap it */
}

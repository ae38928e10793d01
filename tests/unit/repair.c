/* repair.c - see repair.h. */
#include "repair.h"

#include "format/table.h"
#include "journal/journal.h"
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

void repair_journal(uint8_t *data, size_t size)
{
	uint8_t *p = data + CK_JOURNAL_HEAD;
	uint8_t before[12]; /* salt, CRC of the record before */

	if (size < CK_JOURNAL_HEAD)
		return;
	memcpy(data, CK_JOURNAL_MAGIC, 8);
	ck_put_le32(data + 8, CK_JOURNAL_VERSION);
	memcpy(before, data + 16, 8);
	memset(before + 8, 0, 4);
	for (size_t left = size - CK_JOURNAL_HEAD; left >= CK_JOURNAL_RECORD;) {
		size_t n = ck_le32(p);
		uint32_t crc;

		if (n > left - CK_JOURNAL_RECORD)
			return;
		crc = ck_crc32c_extend(ck_crc32c(before, sizeof(before)), p, 8);
		crc = ck_crc32c_extend(crc, p + CK_JOURNAL_RECORD, n);
		ck_put_le32(p + 8, crc);
		ck_put_le32(before + 8, crc);
		p += CK_JOURNAL_RECORD + n;
		left -= CK_JOURNAL_RECORD + n;
	}
}

/*
 * journal.h - the file that a journal is: appended to, synced, read again after a crash.
 *
 * doc/format-journal.md is the specification. A journal is
 *
 *   "ckptjrn\n", uint32 version (1), uint32 0, uint64 salt      24 bytes
 *   record*
 *
 *   record: uint32 payload bytes, uint8 type, 3 zero bytes,
 *           uint32 CRC-32C of: salt, the CRC of the record before (0 for the first), the 8 bytes
 *           before this field, the payload
 *           payload
 *
 * all integers little endian. A record is valid if its CRC is right, and so only if all before it
 * are: the valid records are a prefix of the file. What follows the last valid one was never
 * promised to anybody, and is dropped by count.
 *
 * Invariants
 *   1. ck_journal_create() returns 0 only when the file, its BASE record and its name are durable.
 *   2. After ck_journal_sync() returns 0, all that was appended before is durable.
 *   3. After an append has failed the journal is as it was before it. If it cannot be made so, or
 *      a sync has failed, the journal is *suspect*: the next sync copies the valid records to a
 *      new file, syncs that and renames it over the old one; until that succeeds every sync fails.
 *      Offsets of records stay what they are. A failed sync is also noted as an attribute of the
 *      file, for who resumes the journal: there its first sync copies.
 *
 * Not thread-safe, but for ck_journal_read(), which may be called at any time.
 */
#ifndef CK_JOURNAL_JOURNAL_H
#define CK_JOURNAL_JOURNAL_H

#include "io/vfs.h"
#include "journal/record.h"

#define CK_JOURNAL_MAGIC "ckptjrn\n"
#define CK_JOURNAL_VERSION 1
#define CK_JOURNAL_HEAD 24
#define CK_JOURNAL_RECORD 12 /* bytes before a payload */
#define CK_JOURNAL_PAYLOAD_MAX (64u << 20)

struct ck_journal;

/* Makes the file (-EEXIST where there is one) with base as its first record. mode and owner are
 * those of the index it goes with. */
int ck_journal_create(const struct ck_vfs *vfs, const char *path, mode_t mode,
		      const struct ck_record *base, struct ck_journal **ret, struct ck_err *err);

/* What a scan has found. */
struct ck_journal_scan {
	uint64_t size; /* of the file */
	uint64_t end; /* behind the last valid record */
	uint64_t synced; /* behind the last SYNC record; 0: none */
	uint64_t records;
	uint64_t salt;
	uint32_t chain; /* CRC of the last valid record */
	bool has_base;
	bool committed; /* there is a COMMIT record (it is the last) */
};

/*
 * Reads the journal at path and calls fn for each valid record, in order; the record is valid
 * during the call, at is where it starts. fn answers 0; a negative answer ends the scan and is the
 * answer. fn may be NULL. Records are held one at a time.
 *
 * Errors: CK_MISSING where there is no file; CK_FOREIGN where the file is no journal (its first 24
 * bytes are wrong), CK_UNSUPPORTED for another version. A file of less than 24 bytes, or without a
 * valid BASE record, is a journal whose making was interrupted: 0, with has_base false; but
 * CK_CORRUPT where it goes on behind the place of a BASE record that is not valid, for then it was
 * made, and was damaged since. CK_CORRUPT, too, where a record is valid and makes no sense there;
 * CK_UNSUPPORTED where it is of a kind that this program does not know.
 */
typedef int ck_journal_fn(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err);

int ck_journal_scan(const struct ck_vfs *vfs, const char *path, ck_journal_fn *fn, void *arg,
		    struct ck_journal_scan *ret, struct ck_err *err);

/* The same of the records before byte `end` alone, as if the file ended there: for resuming from
 * where an earlier record begins. */
int ck_journal_scan_until(const struct ck_vfs *vfs, const char *path, uint64_t end,
			  struct ck_journal_scan *ret, struct ck_err *err);

/* Opens a scanned journal to append to it; cuts off what lies behind scan->end (and syncs, if that
 * was anything). Nothing counts as durable until the first sync, which also makes the name durable.
 * -ESTALE (CK_BUSY) where the file is not the one that was scanned. */
int ck_journal_resume(const struct ck_vfs *vfs, const char *path,
		      const struct ck_journal_scan *scan, struct ck_journal **ret,
		      struct ck_err *err);

/* Appends a record. *data_at (may be NULL): where its data lies, for a WRITE. -EINVAL for what
 * cannot be: a path with "..", BASE, anything behind COMMIT; -EFBIG over CK_JOURNAL_PAYLOAD_MAX. */
int ck_journal_append(struct ck_journal *j, const struct ck_record *r, uint64_t *data_at,
		      struct ck_err *err);

/* Makes everything appended durable; nothing is done where it is already. */
int ck_journal_sync(struct ck_journal *j, struct ck_err *err);

/* Bytes of the file, wherever they lie. */
int ck_journal_read(struct ck_journal *j, uint64_t off, void *p, size_t n, struct ck_err *err);

uint64_t ck_journal_size(const struct ck_journal *j); /* bytes appended so far, head included */
uint64_t ck_journal_durable(const struct ck_journal *j); /* bytes known to be durable */
const char *ck_journal_path(const struct ck_journal *j);

/* Takes the last appended record back, which begins at `at` and was not synced successfully: cuts
 * the file and syncs it. For a COMMIT whose sync failed. The record is gone from memory in any
 * case, but until this or a later sync has answered 0 it may still be on the disk: what a COMMIT
 * needs to be carried out has to stay untouched until then. May be called again. */
int ck_journal_unappend(struct ck_journal *j, uint64_t at, uint32_t chain, struct ck_err *err);
uint32_t ck_journal_chain(const struct ck_journal *j);

/* Gives the file another name in its folder, which is free; durable when it returns 0. What was
 * appended has to be synced before, if the new name is to promise it. */
int ck_journal_move(struct ck_journal *j, const char *to, struct ck_err *err);

/* Closes it (in any case) and, with remove, takes the file away and syncs the folder. Accepts
 * NULL. */
int ck_journal_close(struct ck_journal *j, bool remove, struct ck_err *err);

/* Renames a journal that belongs to nothing here to PATH.aside, or PATH.aside-2 ..., the first that
 * is free; *ret is that path. Durable when it returns 0. */
int ck_journal_set_aside(const struct ck_vfs *vfs, const char *path, char **ret,
			 struct ck_err *err);

/* Appends the journal as text, a line for each record, for people and tests (ckptctl debug). */
int ck_journal_dump(const struct ck_vfs *vfs, const char *path, struct ck_buf *out,
		    struct ck_err *err);

#endif

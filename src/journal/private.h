/*
 * private.h - what the files of this room share and nobody else may see.
 */
#ifndef CK_JOURNAL_PRIVATE_H
#define CK_JOURNAL_PRIVATE_H

#include "journal/journal.h"

#include <pthread.h>

/* Offsets in the first 24 bytes. */
#define HEAD_VERSION 8
#define HEAD_FLAGS 12
#define HEAD_SALT 16

/* Extended attribute: a sync failed, so that not all that is read back may be on the disk. */
#define SUSPECT_XATTR "user.ckptfuse.suspect"

struct ck_journal {
	const struct ck_vfs *vfs;
	char *path;
	pthread_rwlock_t lock; /* f is exchanged under it while others may be reading */
	struct ck_vfile *f;
	uint64_t salt;
	uint64_t end; /* atomic; behind the last record */
	uint64_t durable;
	uint64_t sent; /* on its way to the disk */
	uint32_t chain; /* CRC of the last record */
	uint64_t last_at; /* where the last record begins; 0: not known */
	uint32_t last_chain; /* CRC of the one before it */
	bool tail; /* what a failed append has left may lie behind end */
	bool dirty; /* the file was changed since it was last synced */
	bool unnamed; /* its name may not be durable */
	bool suspect;
	bool committed; /* the last record is a COMMIT */
	struct ck_buf buf;
};

void ck_journal_put_head(uint8_t *p, uint64_t salt);
/* CRC of a record up to its payload; p points at the 8 bytes before its own field. */
uint32_t ck_journal_crc(uint64_t salt, uint32_t chain, const uint8_t *p);

/* Checks the first 24 bytes (CK_FOREIGN, CK_UNSUPPORTED). */
int ck_journal_take_head(const char *path, const uint8_t *p, uint64_t *salt, struct ck_err *err);

/* "PATH: doing failed: Text: what to do", with r's errno: of class CK_PUBLISH, and CK_MISSING for
 * what is only read. */
int ck_journal_fail(const char *path, const char *doing, int r, struct ck_err *err);
int ck_journal_unread(const char *path, const char *doing, int r, struct ck_err *err);

/* Makes a suspect journal good: see journal.h, invariant 3. */
int ck_journal_repair(struct ck_journal *j, struct ck_err *err);
/* Removes what a repair that was interrupted has left, if it is that. */
void ck_journal_remove_leftover(const struct ck_vfs *vfs, const char *path);

#endif

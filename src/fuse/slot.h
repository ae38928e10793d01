/*
 * slot.h - the checkpoints that a mount knows: the one it shows, and older ones still in use.
 *
 * When the source is found replaced, a new slot becomes the current one. The old stays for as long
 * as the kernel knows one of its inodes or a program has one of its files open, so that an open
 * file goes on reading the checkpoint that it was opened on.
 *
 * A slot is counted: one for being current, one for each lookup that the kernel has not forgotten,
 * one for each open handle, one for each request in work. At zero it is freed, and its number may
 * be used again. Its tree and model never change.
 *
 * Threads: all functions may be called at once. Locks: ck_slots.lock, ck_slot.lock; neither is
 * held across I/O, replies or notifications, and never both.
 */
#ifndef CK_FUSE_SLOT_H
#define CK_FUSE_SLOT_H

#include "core/tree.h"

#include "fuse/ino.h"
#include "fuse/listing.h"
#include "fuse/options.h"

#include <pthread.h>
#include <time.h>

struct ck_handle;

struct ck_slot {
	uint32_t number;
	uint64_t refs; /* atomic */
	struct ck_tree *tree;
	struct ck_model *model;
	uint32_t root; /* the folder shown as the mount's root: 0 without subdir= */
	bool aliased; /* a folder was looked up by its second spelling; atomic, never unset */
	uint64_t bytes; /* of all variables */
	struct timespec opened;
	char *pending; /* about edits that wait in a journal, or NULL */
	struct ck_listing listing; /* checkpoint.json */
	int64_t listed; /* seconds of the monotonic clock; atomic: see ck_slot_listing() */
	uint8_t *checked; /* verify=open: CK_CHECKED_* by variable, atomic; else NULL */
	pthread_mutex_t lock;
	struct ck_handle *handles; /* open files and folders, under lock */
	struct ck_slot *next; /* under ck_slots.lock */
};

enum {
	CK_CHECKED_GOOD = 1,
	CK_CHECKED_BAD = 2,
};

struct ck_slots {
	pthread_mutex_t lock;
	struct ck_slot *list;
	struct ck_slot *current; /* NULL before the first */
	uint32_t last; /* the number given last */
};

void ck_slots_init(struct ck_slots *s);
/* Frees everything, in use or not: for the end of the program. */
void ck_slots_done(struct ck_slots *s);

/* Opens a checkpoint into a slot that is not yet among the mount's. cwd: where the program was
 * started; it outlives the slot. */
int ck_slot_open(const char *source, const char *cwd, const struct ck_options *o,
		 struct ck_slot **ret, struct ck_err *err);
/* For a slot that never got to ck_slots_show(). Accepts NULL; returns NULL. */
struct ck_slot *ck_slot_free(struct ck_slot *s);

/* Makes the slot the current one, whose reference it takes. *ret is the one that was, with a
 * reference for the caller, or NULL. */
void ck_slots_show(struct ck_slots *s, struct ck_slot *slot, struct ck_slot **ret);

/* The current slot, with a reference. */
struct ck_slot *ck_slots_current(struct ck_slots *s);
/* The slot of that number, with a reference, or NULL. */
struct ck_slot *ck_slots_get(struct ck_slots *s, uint32_t number);
bool ck_slots_is_current(struct ck_slots *s, const struct ck_slot *slot);

/* Notes that a listing of one of its folders has been answered in part. Nothing is kept for an
 * open folder, so that this is all that tells that the rest will be asked for. */
void ck_slot_listing(struct ck_slot *slot);
/* Whether that was in the last CK_SLOT_LISTING_SECONDS. */
bool ck_slot_in_listing(const struct ck_slot *slot);
#define CK_SLOT_LISTING_SECONDS 60

void ck_slot_ref(struct ck_slot *slot);
/* Gives back n references. */
void ck_slot_put(struct ck_slots *s, struct ck_slot *slot, uint64_t n);
/* The kernel forgets n lookups of an inode of that slot. */
void ck_slots_forget(struct ck_slots *s, uint32_t number, uint64_t n);

#endif

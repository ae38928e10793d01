/*
 * explore.h - a script, and every power cut in it.
 *
 * The script is run once; after each call that changes the disk a copy is kept, with what may be
 * there after a power cut. Then each copy is cut in every way that disk.h lists, and what is left
 * is recovered and judged:
 *
 *   - the checkpoint opens; opened a second time it is the same;
 *   - what is published is old or new, whole, its checksums right; new where publishing had
 *     returned 0;
 *   - the staged tree is a state of the history, not older than the last promise;
 *   - nothing is left behind that nobody will remove;
 *   - it can be published, and is then what the tree was (of some: explore_options.publish);
 *   - a power cut during the recovery does no harm either (of some: explore_options.again).
 *
 * Disks that are equal, with equal expectations, are judged once.
 */
#ifndef CK_TESTS_EXPLORE_H
#define CK_TESTS_EXPLORE_H

#include "session.h"

struct explore_options {
	struct ck_disk_limits limits;
	unsigned publish; /* every so many different states; 0: none */
	unsigned again; /* likewise */
	bool verbose; /* print the disk of a state that fails */
};

struct explore_seen; /* states that were judged */

struct explore_result {
	unsigned long states; /* power cuts and kills */
	unsigned long different; /* of these, judged */
	unsigned long recoveries; /* checkpoints opened after one */
	unsigned long failed;
	char text[1400]; /* the first failure */
};

struct explore_seen *explore_seen_new(void);
struct explore_seen *explore_seen_free(struct explore_seen *s); /* accepts NULL; returns NULL */

/* Cuts the power now, in each of the listed ways, while the session is where it is on d. Adds to
 * *ret; when: for words. */
void explore_now(struct session *s, struct ck_disk *d, const char *when,
		 const struct explore_options *o, struct explore_seen *seen,
		 struct explore_result *ret);

/* A whole script. Adds to *ret. */
void explore(const struct script *script, const struct explore_options *o,
	     struct explore_seen *seen, struct explore_result *ret);

#endif

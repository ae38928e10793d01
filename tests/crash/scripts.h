/*
 * scripts.h - what is done to a checkpoint in the crash tests.
 *
 * Some thirty scripts by hand, each about one thing that tools or people do, and a generator of
 * all sequences of a few operations out of a small alphabet (bounded exhaustive testing finds what
 * long random runs do not: "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing",
 * OSDI 2018).
 */
#ifndef CK_TESTS_SCRIPTS_H
#define CK_TESTS_SCRIPTS_H

#include "session.h"

extern const struct script scripts[];
extern const size_t nscripts;

/* The generator's operations. */
enum letter {
	L_WRITE, /* a few bytes inside a small variable */
	L_WRITE_BIG, /* several sectors of a larger one */
	L_RESIZE, /* longer, by truncate */
	L_RESHAPE, /* a shape that fits the size, by V.json */
	L_CREATE,
	L_RENAME,
	L_RENAME_ONTO,
	L_DELETE,
	L_SYNC,
	L_PUBLISH,
	L_SAVE,
	L_COUNT
};

#define SEQUENCE_MAX 4
#define SEQUENCE_STEPS 24

/* A sequence made into a script; the text is its operations' names. */
struct sequence {
	struct script script;
	struct step steps[SEQUENCE_STEPS];
	char text[120];
};

/* Builds it on the model of session_bundle(): each operation chooses what is there to work on.
 * False where the sequence makes no sense: nothing left to work on, or a save that is not last. */
bool sequence_make(struct sequence *q, const struct model *base, const enum letter *letters,
		   unsigned n, enum ck_publish_how how);

#endif

/*
 * session.h - steps done by the saver and by the model side by side.
 *
 * A session opens a checkpoint through a table of calls, does the steps of a script, and keeps the
 * model's states before and after each: the *history*. At any moment it can say what a power cut
 * may leave (session_expect): which states of the history the staged tree may be, and which the
 * published checkpoint.
 *
 * What is promised, and so what moves the bounds:
 *   - a sync, and a rename onto a variable, make everything before them durable;
 *   - a publish that has returned 0 is the checkpoint, whatever happens then; one that is under way
 *     may or may not be;
 *   - a publish that is refused changes nothing.
 */
#ifndef CK_TESTS_SESSION_H
#define CK_TESTS_SESSION_H

#include "disk.h"
#include "model.h"
#include "saver/stage.h"

#define SESSION_PREFIX "/d/m"
#define SESSION_SAVE "/d/saved"

struct script {
	const char *what;
	enum ck_publish_how how;
	bool rich; /* with a partitioned variable and a string */
	bool create; /* there is nothing at first */
	bool save; /* publishes to SESSION_SAVE */
	const char *journal; /* options.journal */
	bool reflink; /* where blocks can be shared */
	const char *linked; /* a second name of the first shard, or ... */
	const char *symlinked; /* ... where it really lies */
	const struct step *steps;
	size_t nsteps;
};

#define SESSION_NONE SIZE_MAX /* no checkpoint */

/* What may be there: indices into the history. */
struct expect {
	size_t min, max; /* the staged tree */
	size_t pub_old, pub_new; /* the published checkpoint; equal unless a publish is under way */
	size_t step; /* how many steps were done or begun */
};

struct session {
	const struct script *script;
	struct ck_stage_options options;
	struct ck_stage *stage;
	struct ck_sfile *handle;
	bool handle_written;
	bool nothing; /* the last publish had nothing to do */
	struct model **history; /* [0] is what was there at first */
	size_t n;
	struct expect expect;
	char why[600]; /* what has gone wrong */
};

/* The bundle that scripts begin with: a, b/w and big in two shards; rich: part and s, too. */
void session_bundle(struct ck_disk *d, const char *prefix, bool rich);
/* The disk that the script begins with. */
struct ck_disk *session_disk(const struct script *s);

/* Begins, on what lies behind vfs; false with *why where the checkpoint there cannot be read. */
bool session_begin(struct session *s, const struct script *script, const struct ck_vfs *vfs);
/* Opens the checkpoint: 0 or what the saver has answered, *why being its words. */
int session_open(struct session *s);
/* Does a step. 0 where the saver has answered what the model has; else false answers are those of
 * the saver (negative), 1 stands for a step that went through but should not have. */
int session_step(struct session *s, const struct step *step);
/* Closes it without publishing. */
int session_close(struct session *s);
void session_end(struct session *s);

static inline struct model *session_now(const struct session *s)
{
	return s->history[s->n - 1];
}

/* The tree that is open, as a model; NULL with why where it cannot be read or contradicts
 * itself. */
struct model *session_view(struct ck_stage *stage, char *why, size_t room);
/* The checkpoint as any reader sees it, its checksums verified. *absent: there is none. */
struct model *session_published(const struct ck_vfs *vfs, const char *prefix, bool *absent,
				char *why, size_t room);

#endif

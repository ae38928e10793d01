/*
 * editor.h - a checkpoint being edited by a command, wherever the edits have to be made.
 *
 * One interface with two implementations: the checkpoint's files through the saver
 * (editor_stage.c), or, where a mount holds it, the tree that the mount shows (editor_mount.c).
 * Commands are written once, against this.
 *
 * A command's edits are published together when it ends, or none of them is: what was staged
 * before an error is taken back, and a command that is killed leaves nothing staged. Where a mount
 * holds the checkpoint and publishing fails the edits stay staged there. Signals that end a program
 * are held off while one is open: an interrupted command takes back what it staged and dies of the
 * signal then.
 *
 * Edits that were staged before (recovered from a journal, or made in the mount) are published
 * along with the command's, which then says so.
 */
#ifndef CK_CLI_EDITOR_H
#define CK_CLI_EDITOR_H

#include "base/progress.h"
#include "cli/namelist.h"
#include "saver/stage.h"

#include <jansson.h>

struct ck_editor;

struct ck_editor_options {
	const char *source;
	const char *command; /* for those who find the checkpoint held by it */
	bool create; /* what is not there is made */
	bool read_only; /* nothing will be edited: a mount that cannot be written to will do */
	bool discard_lost; /* see stage.h */
	enum ck_publish_how how;
	bool how_given; /* a mount has its own way of publishing */
};

/* Opens it: through its mount where SOURCE is a mount point, or a mount holds the checkpoint. */
int ck_editor_open(const struct ck_editor_options *o, struct ck_editor **ret, struct ck_err *err);

/*
 * The end of a command: publishes if r is 0, else takes back what was staged and prints the
 * error. Closes the editor, which may be NULL, and answers the exit status.
 */
int ck_editor_end(struct ck_editor *e, int r, struct ck_err *err);
/* The same without publishing or taking back. */
int ck_editor_close(struct ck_editor *e, int r, struct ck_err *err);

/* What messages call it: the prefix, or the mount point. */
const char *ck_editor_where(const struct ck_editor *e);
bool ck_editor_is_new(const struct ck_editor *e); /* made by this command */
struct ck_meter *ck_editor_meter(struct ck_editor *e);
/* Whether it is the checkpoint at that prefix. */
bool ck_editor_is_at(const struct ck_editor *e, const char *prefix);

/* Whether there is a variable of that name, or (the name ends in '/') anything in that scope. */
int ck_editor_has(struct ck_editor *e, struct ck_span name, bool *ret, struct ck_err *err);
/* All variables as they stand, settled. */
int ck_editor_names(struct ck_editor *e, struct ck_namelist *ret, struct ck_err *err);
/* Those that the NAMEs mean (select.h), settled; all if there are none. */
int ck_editor_select(struct ck_editor *e, char **names, int nnames, struct ck_namelist *ret,
		     struct ck_err *err);
/* Its metadata as it stands. -ENOENT without words where there is no such variable. */
int ck_editor_meta(struct ck_editor *e, struct ck_span name, struct ck_varmeta **ret,
		   struct ck_err *err);

/* Bytes that are read once, from the first to the last. */
struct ck_feed {
	ssize_t (*read)(void *arg, void *p, size_t n, struct ck_err *err); /* 0 at the end */
	void *arg;
	bool sized;
	uint64_t size; /* sized: how many there are */
};

/*
 * Gives a variable these bytes, and with json (V.json's text) this metadata first; makes it where
 * it is not there. meta: what it has then, by which the bytes are counted: others than fit are an
 * error. total, done: what progress is shown of, in bytes.
 */
int ck_editor_put(struct ck_editor *e, struct ck_span name, const struct ck_varmeta *meta,
		  const struct ck_buf *json, struct ck_feed *feed, uint64_t done, uint64_t total,
		  struct ck_err *err);
/* Whether the name is too long for its path to say it, so that V.json has to: a scope cannot. */
bool ck_editor_is_long(struct ck_span name);
/* A variable, or (both end in '/') a scope. */
int ck_editor_rename(struct ck_editor *e, struct ck_span from, struct ck_span to,
		     struct ck_err *err);
int ck_editor_remove(struct ck_editor *e, struct ck_span name, struct ck_err *err);

/* Drops what is staged of the variable, or all (name.p NULL). */
int ck_editor_discard(struct ck_editor *e, struct ck_span name, struct ck_err *err);
/* Publishes what is staged, by whomever. */
int ck_editor_publish(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err);
/* The object that status.json holds, a reference; NULL with *err filled. */
json_t *ck_editor_status(struct ck_editor *e, struct ck_err *err);
/* ck_stage_compact(); -EBUSY through a mount. */
int ck_editor_compact(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err);

/* The value of --publish. */
int ck_editor_how(const struct ck_args *args, struct ck_editor_options *o, struct ck_err *err);

/* Whether a signal came that ends the command; then with -EINTR in *err. */
int ck_editor_interrupted(struct ck_err *err);

#endif

/*
 * editor_private.h - what the two kinds of editor fill in; for editor*.c alone.
 *
 * tell gives a variable the metadata that a V.json's text says, and makes it where it is not
 * there. begin, write..., end put its bytes; drop ends that where something failed on the way.
 */
#ifndef CK_CLI_EDITOR_PRIVATE_H
#define CK_CLI_EDITOR_PRIVATE_H

#include "cli/editor.h"

#include "cli/through.h"

struct ck_editor_ops {
	int (*has)(struct ck_editor *e, struct ck_span name, bool *ret, struct ck_err *err);
	int (*names)(struct ck_editor *e, struct ck_namelist *ret, struct ck_err *err);
	int (*meta)(struct ck_editor *e, struct ck_span name, struct ck_varmeta **ret,
		    struct ck_err *err);
	int (*tell)(struct ck_editor *e, struct ck_span name, const struct ck_buf *json,
		    struct ck_err *err);
	/* over: the bytes are written over those that are there, which are as many. */
	int (*begin)(struct ck_editor *e, struct ck_span name, bool over, struct ck_err *err);
	int (*write)(struct ck_editor *e, const void *p, size_t n, uint64_t off,
		     struct ck_err *err);
	int (*end)(struct ck_editor *e, struct ck_err *err);
	void (*drop)(struct ck_editor *e);
	/* json: the V.json's text that says its name where its path does not, or NULL. */
	int (*rename)(struct ck_editor *e, struct ck_span from, struct ck_span to,
		      const struct ck_buf *json, struct ck_err *err);
	int (*remove)(struct ck_editor *e, struct ck_span name, struct ck_err *err);
	int (*discard)(struct ck_editor *e, struct ck_span name, struct ck_err *err);
	int (*abandon)(struct ck_editor *e, struct ck_err *err); /* what the command staged */
	int (*publish)(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err);
	json_t *(*status)(struct ck_editor *e, struct ck_err *err);
	int (*compact)(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err);
	int (*close)(struct ck_editor *e, struct ck_err *err); /* frees it */
};

struct ck_editor {
	const struct ck_editor_ops *ops;
	struct ck_meter meter;
	char *where;
	char *prefix; /* of the checkpoint, as far as it is known */
	bool is_new;
	bool mounted;
	bool in_place; /* publishing is to write in place */
	bool dirty; /* something was staged when it was opened */
	struct ck_namelist touched; /* names of what was put, in any order */
};

/* With the prefix that SOURCE leads to; create where there is none yet. */
int ck_editor_open_stage(const struct ck_editor_options *o, const char *prefix, bool create,
			 struct ck_editor **ret, struct ck_err *err);
/* Takes *t over, also where it fails. */
int ck_editor_open_mount(struct ck_through *t, struct ck_editor **ret, struct ck_err *err);

/* Appends the path under which the variable of that name would be shown, with .d behind every
 * folder: that spelling always means the folder. suffix: TF2's ending is left in. */
void ck_editor_spell(struct ck_span name, char sep, bool suffix, struct ck_buf *out);
/* The length of a name without TF2's ending, which paths leave out. */
size_t ck_editor_bare(struct ck_span name);
/* Whether the two names are one but for that ending. */
bool ck_editor_same_bare(struct ck_span a, struct ck_span b);

/* Signals that end a program only mark that they came, from hold to release. */
void ck_editor_hold_signals(void);
void ck_editor_release_signals(void);

/* What the two begin and end with. */
int ck_editor_init(struct ck_editor *e, const struct ck_editor_ops *ops, const char *where,
		   const char *prefix, struct ck_err *err);
void ck_editor_free(struct ck_editor *e);

#endif

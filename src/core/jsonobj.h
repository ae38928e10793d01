/*
 * jsonobj.h - a JSON object that is written member by member, straight to a buffer.
 *
 * Pretty: one member a line, two spaces before it, a newline at the end; else all on one line
 * without newline. Values that have no function here are appended to the buffer after
 * ck_jsonobj_member().
 */
#ifndef CK_CORE_JSONOBJ_H
#define CK_CORE_JSONOBJ_H

#include "util/buf.h"

struct ck_jsonobj {
	struct ck_buf *out;
	bool pretty;
	bool any; /* members so far */
};

static inline struct ck_jsonobj ck_jsonobj(struct ck_buf *out, bool pretty)
{
	return (struct ck_jsonobj){ .out = out, .pretty = pretty };
}

/* Begins a member: name is a plain word. */
void ck_jsonobj_member(struct ck_jsonobj *o, const char *name);
void ck_jsonobj_text(struct ck_jsonobj *o, const char *name, const char *value);
void ck_jsonobj_bytes(struct ck_jsonobj *o, const char *name, struct ck_span value);
void ck_jsonobj_number(struct ck_jsonobj *o, const char *name, uint64_t value);
void ck_jsonobj_numbers(struct ck_jsonobj *o, const char *name, const uint64_t *v, size_t n);
void ck_jsonobj_close(struct ck_jsonobj *o);

#endif

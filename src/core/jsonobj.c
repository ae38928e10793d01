/* jsonobj.c - see jsonobj.h. */
#include "core/jsonobj.h"

#include "util/json.h"

static void open_object(struct ck_jsonobj *o)
{
	ck_buf_str(o->out, o->pretty ? "{\n  " : "{");
	o->any = true;
}

void ck_jsonobj_member(struct ck_jsonobj *o, const char *name)
{
	if (o->any)
		ck_buf_str(o->out, o->pretty ? ",\n  " : ", ");
	else
		open_object(o);
	ck_buf_printf(o->out, "\"%s\": ", name);
}

void ck_jsonobj_text(struct ck_jsonobj *o, const char *name, const char *value)
{
	ck_jsonobj_bytes(o, name, ck_span(value, strlen(value)));
}

void ck_jsonobj_bytes(struct ck_jsonobj *o, const char *name, struct ck_span value)
{
	ck_jsonobj_member(o, name);
	ck_json_bytes(value, o->out);
}

void ck_jsonobj_number(struct ck_jsonobj *o, const char *name, uint64_t value)
{
	ck_jsonobj_member(o, name);
	ck_json_number(value, o->out);
}

void ck_jsonobj_numbers(struct ck_jsonobj *o, const char *name, const uint64_t *v, size_t n)
{
	ck_jsonobj_member(o, name);
	ck_json_numbers(v, n, o->out);
}

void ck_jsonobj_close(struct ck_jsonobj *o)
{
	if (!o->any)
		open_object(o);
	ck_buf_str(o->out, o->pretty ? "\n}\n" : "}");
}

/* meta.c - see meta.h. */
#include "core/meta.h"

#include "core/read.h"
#include "core/strings.h"
#include "util/json.h"

#include <errno.h>
#include <inttypes.h>

/* An object under construction: where members go, and what stands between them. */
struct object {
	struct ck_buf *out;
	const char *open, *between, *close;
	bool any;
};

static const struct object pretty_object = { NULL, "{\n  ", ",\n  ", "\n}\n", false };
static const struct object line_object = { NULL, "{", ", ", "}", false };

static void member(struct object *o, const char *name)
{
	ck_buf_str(o->out, o->any ? o->between : o->open);
	ck_buf_printf(o->out, "\"%s\": ", name);
	o->any = true;
}

static void text_member(struct object *o, const char *name, const char *value)
{
	member(o, name);
	ck_json_bytes(ck_span(value, strlen(value)), o->out);
}

static void number_member(struct object *o, const char *name, uint64_t value)
{
	member(o, name);
	ck_buf_printf(o->out, "%" PRIu64, value);
}

static void crc_member(struct object *o, uint32_t crc)
{
	member(o, "crc32c");
	ck_buf_printf(o->out, "\"%08" PRIx32 "\"", crc);
}

static void place_members(struct object *o, const struct ck_model *m, uint32_t shard,
			  uint64_t offset)
{
	number_member(o, "shard", m->shards[shard].id);
	number_member(o, "offset", offset);
}

static void name_type_shape(struct object *o, const struct ck_model *m, const struct ck_var *v)
{
	member(o, "name");
	ck_json_bytes(ck_var_name(m, v), o->out);
	text_member(o, "dtype", ck_dtype_info(v->dtype)->name);
	member(o, "shape");
	ck_meta_shape(m, v, o->out);
}

static void slices_member(struct object *o, const struct ck_model *m, const struct ck_var *v,
			  bool pretty)
{
	member(o, "slices");
	for (uint32_t i = 0; i < v->shard; i++) {
		const struct ck_slice *s = &m->slices[v->offset + i];
		struct object slice = line_object;

		ck_buf_str(o->out, i ? "," : "[");
		ck_buf_str(o->out, pretty ? "\n    " : i ? " " : "");
		slice.out = o->out;
		member(&slice, "start");
		ck_json_numbers(m->dims + s->start, v->rank, o->out);
		member(&slice, "shape");
		ck_json_numbers(m->dims + s->extent, v->rank, o->out);
		number_member(&slice, "nbytes", s->nbytes);
		crc_member(&slice, s->crc32c);
		place_members(&slice, m, s->shard, s->offset);
		ck_buf_str(o->out, slice.close);
	}
	ck_buf_str(o->out, pretty ? "\n  ]" : "]");
}

struct lengths {
	struct ck_buf *out;
	bool any;
};

static int add_length(void *arg, uint64_t len)
{
	struct lengths *l = arg;

	ck_buf_printf(l->out, l->any ? ", %" PRIu64 : "[%" PRIu64, len);
	l->any = true;
	return ck_buf_failed(l->out) ? -ENOMEM : 0;
}

static int lengths_member(struct object *o, struct ck_model *m, uint32_t var, struct ck_err *err)
{
	struct lengths l = { .out = o->out };
	int r;

	member(o, "lengths");
	r = ck_strings_scan(m, var, add_length, &l, NULL, err);
	ck_buf_str(o->out, l.any ? "]" : "[]");
	return r;
}

int ck_meta_var(struct ck_model *m, uint32_t var, bool pretty, struct ck_buf *out,
		struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	bool sound = !(v->flags & CK_VAR_DAMAGED), sliced = v->flags & CK_VAR_SLICED;
	struct object o = pretty ? pretty_object : line_object;
	uint64_t nbytes;
	int r = ck_var_size(m, var, &nbytes, err);

	if (r < 0)
		return r;
	o.out = out;
	name_type_shape(&o, m, v);
	number_member(&o, "nbytes", nbytes);
	text_member(&o, "byte_order", m->big_endian ? "big" : "little");
	if (sound && !sliced) {
		crc_member(&o, v->crc32c);
		place_members(&o, m, v->shard, v->offset);
	}
	if (sound && sliced)
		slices_member(&o, m, v, pretty);
	if (v->dtype == CK_DT_UNKNOWN) {
		member(&o, "dtype_native");
		ck_buf_printf(out, "%" PRId32, v->native);
	} else {
		text_member(&o, "dtype_native", ck_dtype_info(v->dtype)->native);
	}
	if (sound && !sliced && v->dtype == CK_DT_STRING)
		r = lengths_member(&o, m, var, err);
	if (!sound)
		text_member(&o, "problem", ck_model_problem(m, var));
	ck_buf_str(out, o.close);
	if (r == 0 && ck_buf_failed(out))
		r = ck_fail_nomem(err, m->path);
	return r;
}

int ck_meta_var_size(struct ck_model *m, uint32_t var, uint64_t *ret, struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	bool strings = v->dtype == CK_DT_STRING && !v->flags;
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	uint64_t known = 0;
	int r;

	/* The lengths of a large string tensor are not to be read for every stat. */
	if (strings) {
		pthread_mutex_lock(&m->strings_lock);
		known = ck_strings_of(m, var)->json_bytes;
		pthread_mutex_unlock(&m->strings_lock);
	}
	if (!known) {
		r = ck_meta_var(m, var, true, &text, err);
		if (r < 0)
			return r;
		known = text.n;
	}
	if (strings) {
		pthread_mutex_lock(&m->strings_lock);
		ck_strings_of(m, var)->json_bytes = known;
		pthread_mutex_unlock(&m->strings_lock);
	}
	*ret = known;
	return 0;
}

void ck_meta_row(const struct ck_model *m, uint32_t var, struct ck_buf *out)
{
	struct object o = line_object;

	o.out = out;
	name_type_shape(&o, m, &m->vars[var]);
	ck_buf_str(out, o.close);
}

void ck_meta_shape(const struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	ck_json_numbers(ck_var_shape(m, v), v->rank, out);
}

/* meta.c - see meta.h. */
#include "core/meta.h"

#include "core/read.h"
#include "core/strings.h"
#include "util/json.h"

#include <errno.h>
#include <inttypes.h>

static void crc_member(struct ck_jsonobj *o, uint32_t crc)
{
	ck_jsonobj_member(o, "crc32c");
	ck_buf_printf(o->out, "\"%08" PRIx32 "\"", crc);
}

static void place_members(struct ck_jsonobj *o, const struct ck_model *m, uint32_t shard,
			  uint64_t offset)
{
	ck_jsonobj_number(o, "shard", m->shards[shard].id);
	ck_jsonobj_number(o, "offset", offset);
}

static void name_type_shape(struct ck_jsonobj *o, const struct ck_model *m, const struct ck_var *v)
{
	ck_jsonobj_bytes(o, "name", ck_var_name(m, v));
	ck_jsonobj_text(o, "dtype", ck_dtype_info(v->dtype)->name);
	ck_jsonobj_numbers(o, "shape", ck_var_shape(m, v), v->rank);
}

void ck_meta_native(struct ck_jsonobj *o, enum ck_dtype dtype, int32_t native)
{
	if (dtype != CK_DT_UNKNOWN) {
		ck_jsonobj_text(o, "dtype_native", ck_dtype_info(dtype)->native);
		return;
	}
	ck_jsonobj_member(o, "dtype_native");
	ck_buf_printf(o->out, "%" PRId32, native);
}

static void slices_member(struct ck_jsonobj *o, const struct ck_model *m, const struct ck_var *v)
{
	ck_jsonobj_member(o, "slices");
	for (uint32_t i = 0; i < v->shard; i++) {
		const struct ck_slice *s = &m->slices[v->offset + i];
		struct ck_jsonobj slice = ck_jsonobj(o->out, false);

		ck_buf_str(o->out, i ? "," : "[");
		ck_buf_str(o->out, o->pretty ? "\n    " : i ? " " : "");
		ck_jsonobj_numbers(&slice, "start", m->dims + s->start, v->rank);
		ck_jsonobj_numbers(&slice, "shape", m->dims + s->extent, v->rank);
		ck_jsonobj_number(&slice, "nbytes", s->nbytes);
		crc_member(&slice, s->crc32c);
		place_members(&slice, m, s->shard, s->offset);
		ck_jsonobj_close(&slice);
	}
	ck_buf_str(o->out, o->pretty ? "\n  ]" : "]");
}

struct lengths {
	struct ck_buf *out;
	bool any;
};

static int add_length(void *arg, uint64_t len)
{
	struct lengths *l = arg;

	ck_buf_str(l->out, l->any ? ", " : "[");
	ck_json_number(len, l->out);
	l->any = true;
	return ck_buf_failed(l->out) ? -ENOMEM : 0;
}

static int lengths_member(struct ck_jsonobj *o, struct ck_model *m, uint32_t var,
			  struct ck_err *err)
{
	struct lengths l = { .out = o->out };
	int r;

	ck_jsonobj_member(o, "lengths");
	r = ck_strings_scan(m, var, add_length, &l, NULL, err);
	ck_buf_str(o->out, l.any ? "]" : "[]");
	return r;
}

int ck_meta_var(struct ck_model *m, uint32_t var, bool pretty, struct ck_buf *out,
		struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	bool sound = !(v->flags & CK_VAR_DAMAGED), sliced = v->flags & CK_VAR_SLICED;
	struct ck_jsonobj o = ck_jsonobj(out, pretty);
	uint64_t nbytes;
	int r = ck_var_size(m, var, &nbytes, err);

	if (r < 0)
		return r;
	name_type_shape(&o, m, v);
	ck_jsonobj_number(&o, "nbytes", nbytes);
	ck_jsonobj_text(&o, "byte_order", m->big_endian ? "big" : "little");
	if (sound && !sliced) {
		crc_member(&o, v->crc32c);
		place_members(&o, m, v->shard, v->offset);
	}
	if (sound && sliced)
		slices_member(&o, m, v);
	ck_meta_native(&o, v->dtype, v->native);
	if (sound && !sliced && v->dtype == CK_DT_STRING)
		r = lengths_member(&o, m, var, err);
	if (!sound)
		ck_jsonobj_text(&o, "problem", ck_model_problem(m, var));
	ck_jsonobj_close(&o);
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
	struct ck_jsonobj o = ck_jsonobj(out, false);

	name_type_shape(&o, m, &m->vars[var]);
	ck_jsonobj_close(&o);
}

void ck_meta_shape(const struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	ck_json_numbers(ck_var_shape(m, v), v->rank, out);
}

/* varmeta_text.c - metadata of a staged variable as text: V.json, and what the journal keeps. */
#include "core/meta.h"
#include "saver/varmeta.h"

static void dtype_and_shape(const struct ck_varmeta *m, struct ck_jsonobj *o)
{
	if (m->has_dtype)
		ck_jsonobj_text(o, "dtype", ck_dtype_info(m->dtype)->name);
	if (m->has_shape)
		ck_jsonobj_numbers(o, "shape", m->shape, m->rank);
}

static void byte_order(const struct ck_varmeta *m, struct ck_jsonobj *o)
{
	ck_jsonobj_text(o, "byte_order", m->big_endian ? "big" : "little");
}

void ck_varmeta_render(const struct ck_varmeta *m, struct ck_span name, uint64_t nbytes,
		       struct ck_buf *out)
{
	bool strings = m->has_dtype && m->dtype == CK_DT_STRING && m->has_shape;
	struct ck_jsonobj o = ck_jsonobj(out, true);

	ck_jsonobj_bytes(&o, "name", name);
	dtype_and_shape(m, &o);
	ck_jsonobj_number(&o, "nbytes", nbytes);
	byte_order(m, &o);
	if (m->has_dtype)
		ck_meta_native(&o, m->dtype, m->native);
	/* What a scalar's length was when somebody said so does not count: V is the string. */
	if (strings && m->rank == 0)
		ck_jsonobj_numbers(&o, "lengths", &nbytes, 1);
	else if (m->lengths || (strings && m->elements == 0))
		ck_jsonobj_numbers(&o, "lengths", m->lengths, m->nlengths);
	ck_jsonobj_close(&o);
}

void ck_varmeta_pack(const struct ck_varmeta *m, struct ck_buf *out)
{
	struct ck_jsonobj o = ck_jsonobj(out, false);

	if (m->name)
		ck_jsonobj_bytes(&o, "name", ck_span(m->name, m->name_len));
	dtype_and_shape(m, &o);
	byte_order(m, &o);
	if (m->has_dtype && m->dtype == CK_DT_UNKNOWN)
		ck_meta_native(&o, m->dtype, m->native);
	if (m->lengths)
		ck_jsonobj_numbers(&o, "lengths", m->lengths, m->nlengths);
	ck_jsonobj_close(&o);
}

/* xattr.c - the metadata of V as extended attributes (ops.h). Nothing else has any. */
#include "fuse/ops.h"

#include "core/meta.h"
#include "fuse/node.h"

#include <errno.h>

static void get_dtype(struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	(void)m;
	ck_buf_str(out, ck_dtype_info((enum ck_dtype)v->dtype)->name);
}

static void get_shape(struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	ck_meta_shape(m, v, out);
}

static void get_byte_order(struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	(void)v;
	ck_buf_str(out, m->big_endian ? "big" : "little");
}

static void get_name(struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	struct ck_span name = ck_var_name(m, v);

	ck_buf_add(out, name.p, name.n);
}

static void get_crc32c(struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	(void)m;
	ck_buf_printf(out, "%08x", v->crc32c);
}

static const struct attribute {
	const char *name;
	void (*get)(struct ck_model *m, const struct ck_var *v, struct ck_buf *out);
	bool whole; /* of a variable that is stored in one piece only */
} attributes[] = {
	{ "user.ckptfuse.dtype", get_dtype, false },
	{ "user.ckptfuse.shape", get_shape, false },
	{ "user.ckptfuse.byte_order", get_byte_order, false },
	{ "user.ckptfuse.name", get_name, false },
	{ "user.ckptfuse.crc32c", get_crc32c, true },
};

static bool has(const struct ck_var *v, const struct attribute *a)
{
	return !(a->whole && (v->flags & CK_VAR_SLICED));
}

/* A size of 0 asks how much there is; one that is too small gets ERANGE. */
static void reply(fuse_req_t req, const struct ck_buf *b, size_t size)
{
	if (ck_buf_failed(b))
		fuse_reply_err(req, ENOMEM);
	else if (size == 0)
		fuse_reply_xattr(req, b->n);
	else if (size < b->n)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, b->p, b->n);
}

/* The node and, where it is V, its variable (else *v is NULL). False: the request was answered. */
static bool find(fuse_req_t req, fuse_ino_t ino, struct ck_node *n, const struct ck_var **v)
{
	int r = ck_node_find(ck_mount_of(req), ino, n);
	uint32_t var;

	if (r < 0) {
		fuse_reply_err(req, -r);
		return false;
	}
	var = n->kind == CK_INO_DATA ? ck_node_var(n) : CK_NO_VAR;
	*v = var == CK_NO_VAR ? NULL : &n->slot->model->vars[var];
	return true;
}

void ck_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct ck_mount *m = ck_mount_of(req);
	ck_auto_buf struct ck_buf b = CK_BUF_INIT;
	const struct attribute *found = NULL;
	const struct ck_var *v;
	struct ck_node n;

	if (!find(req, ino, &n, &v))
		return;
	for (size_t i = 0; v && i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (strcmp(name, attributes[i].name) == 0 && has(v, &attributes[i]))
			found = &attributes[i];
	if (found) {
		found->get(n.slot->model, v, &b);
		reply(req, &b, size);
	} else {
		fuse_reply_err(req, ENODATA);
	}
	ck_node_done(m, &n);
}

void ck_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct ck_mount *m = ck_mount_of(req);
	ck_auto_buf struct ck_buf b = CK_BUF_INIT;
	const struct ck_var *v;
	struct ck_node n;

	if (!find(req, ino, &n, &v))
		return;
	for (size_t i = 0; v && i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (has(v, &attributes[i]))
			ck_buf_add(&b, attributes[i].name, strlen(attributes[i].name) + 1);
	reply(req, &b, size);
	ck_node_done(m, &n);
}

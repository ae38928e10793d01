/* reply.c - see reply.h. */
#include "fuse/reply.h"

#include "base/log.h"

#include <string.h>

void ck_reply_err(fuse_req_t req, int r, const struct ck_err *err)
{
	if (err && err->cls != CK_OK)
		ck_log("%s", err->text);
	fuse_reply_err(req, -r);
}

void ck_reply_var_err(fuse_req_t req, const struct ck_slot *s, uint32_t var, int r,
		      const struct ck_err *err)
{
	char name[CK_QUOTE_ROOM];
	struct ck_span n;

	if (var == CK_NO_VAR) {
		ck_reply_err(req, r, err);
		return;
	}
	n = ck_var_name(s->model, &s->model->vars[var]);
	ck_quote(name, sizeof(name), n.p, n.n);
	if (err->cls == CK_OK)
		ck_log("%s: %s: %s", s->model->path, name, strerror(-r));
	else if (strstr(err->text, name))
		ck_log("%s", err->text);
	else
		ck_log("variable %s: %s", name, err->text);
	fuse_reply_err(req, -r);
}

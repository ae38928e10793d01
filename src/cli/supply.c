/* supply.c - see supply.h. */
#include "cli/supply.h"

#include "core/ckpt.h"
#include "core/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int ck_supply_open(const char *source, bool force, struct ck_supply *ret, struct ck_err *err)
{
	struct ck_location at = { 0 };
	struct ck_supply s = { 0 };
	int r;

	if (ck_through_look(source, &s.mount)) {
		r = ck_through_names(&s.mount, &s.names, err);
		ck_locate(s.mount.source, &at, NULL);
		s.prefix = strdup(at.prefix ? at.prefix : s.mount.source);
	} else {
		r = ck_open(source, force ? CK_OPEN_FORCE : 0, &s.model, err);
		s.prefix = r == 0 ? strdup(s.model->path) : NULL;
	}
	ck_location_done(&at);
	if (r == 0 && !s.prefix)
		r = ck_fail_nomem(err, source);
	if (r < 0)
		ck_supply_done(&s);
	else
		*ret = s;
	return r;
}

void ck_supply_done(struct ck_supply *s)
{
	s->model = ck_model_unref(s->model);
	if (s->mount.folder)
		ck_through_done(&s->mount);
	ck_namelist_done(&s->names);
	free(s->prefix);
	s->prefix = NULL;
}

struct ck_catalog ck_supply_catalog(const struct ck_supply *s)
{
	return s->model ? ck_catalog_of_model(s->model) :
			  ck_catalog_of_list(&s->names, s->mount.folder);
}

int ck_supply_readable(const struct ck_supply *s, uint32_t i, struct ck_err *err)
{
	return s->model ? ck_var_readable(s->model, i, err) : 0;
}

uint64_t ck_supply_size(const struct ck_supply *s, uint32_t i)
{
	return s->model ? s->model->vars[i].nbytes : 0;
}

static ssize_t read_model(void *arg, void *p, size_t n, struct ck_err *err)
{
	struct ck_item *item = arg;
	uint64_t left = item->feed.size - item->off;
	int r;

	if (n > left)
		n = (size_t)left;
	r = n ? ck_var_read(item->from->model, item->var, item->off, p, n, err) : 0;
	if (r < 0)
		return r;
	item->off += n;
	return (ssize_t)n;
}

static ssize_t read_mount(void *arg, void *p, size_t n, struct ck_err *err)
{
	struct ck_item *item = arg;
	ssize_t got = read(item->fd, p, n);

	if (got < 0 && errno == EINTR)
		return -EINTR;
	if (got < 0)
		return ck_fail(err, CK_CORRUPT, errno, "%s: cannot be read: %s",
			       item->from->mount.folder, strerror(errno));
	return got;
}

static int open_model(struct ck_item *item, struct ck_err *err)
{
	struct ck_model *m = item->from->model;
	int r = ck_var_readable(m, item->var, err);

	if (r == 0)
		r = ck_var_size(m, item->var, &item->feed.size, err);
	return r < 0 ? r : ck_varmeta_of(m, item->var, &item->meta, err);
}

static int open_mount(struct ck_item *item, struct ck_span name, struct ck_err *err)
{
	const struct ck_through *t = &item->from->mount;
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	char quoted[CK_QUOTE_ROOM];
	struct stat st;
	int r = ck_through_meta(t, name, &item->meta, err);

	if (r == 0)
		r = ck_through_find(t, name, false, &path, err);
	ck_quote(quoted, sizeof(quoted), name.p, name.n);
	if (r == -ENOENT)
		return ck_fail(err, CK_USAGE, ENOENT, "%s: there is no variable %s any more",
			       t->folder, quoted);
	if (r < 0)
		return r;
	if (!item->meta->has_dtype || !item->meta->has_shape)
		return ck_fail(err, CK_USAGE, EINVAL,
			       "%s: variable %s is unfinished: it has no dtype and shape yet",
			       t->folder, quoted);
	item->fd = open(path.p, O_RDONLY | O_CLOEXEC);
	if (item->fd < 0 || fstat(item->fd, &st) < 0)
		return ck_through_fail(t, CK_CORRUPT, errno, path.p, "cannot be read", err);
	item->feed.size = (uint64_t)st.st_size;
	return 0;
}

int ck_item_open(struct ck_supply *s, uint32_t i, struct ck_item *ret, struct ck_err *err)
{
	int r;

	*ret = (struct ck_item){
		.from = s,
		.var = i,
		.fd = -1,
		.feed = { .read = s->model ? read_model : read_mount, .arg = ret, .sized = true },
	};
	r = s->model ? open_model(ret, err) :
		       open_mount(ret, ck_namelist_name(&s->names, i), err);
	if (r < 0)
		ck_item_done(ret);
	return r;
}

void ck_item_done(struct ck_item *item)
{
	if (item->fd >= 0)
		close(item->fd);
	item->fd = -1;
	item->meta = ck_varmeta_unref(item->meta);
}

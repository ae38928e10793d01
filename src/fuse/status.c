/* status.c - see status.h. */
#include "fuse/status.h"

#include "util/json.h"

#include <time.h>
#include <unistd.h>

void ck_status_text(struct ck_buf *out, const char *name, const char *text)
{
	ck_buf_printf(out, "  \"%s\": ", name);
	ck_json_bytes(ck_span(text, strlen(text)), out);
	ck_buf_str(out, ",\n");
}

void ck_status_begin(const struct ck_mount *m, const struct ck_status *s, struct ck_buf *out)
{
	char opened[32];
	char sep[2] = { m->opt->sep, '\0' };
	struct tm tm;

	gmtime_r(&s->opened.tv_sec, &tm);
	strftime(opened, sizeof(opened), "%Y-%m-%dT%H:%M:%SZ", &tm);
	ck_buf_str(out, "{\n");
	ck_buf_printf(out, "  \"pid\": %ld,\n", (long)getpid());
	ck_status_text(out, "version", PACKAGE_VERSION);
	ck_status_text(out, "source", m->source);
	ck_status_text(out, "mountpoint", m->mountpoint);
	ck_status_text(out, "mode", s->mode);
	ck_status_text(out, "sep", sep);
	ck_buf_printf(out, "  \"raw_names\": %s,\n", m->opt->raw_names ? "true" : "false");
	if (m->opt->subdir)
		ck_status_text(out, "subdir", m->opt->subdir);
	ck_status_text(out, "format", s->model->format);
	ck_buf_printf(out, "  \"variables\": %llu,\n", (unsigned long long)s->variables);
	ck_buf_printf(out, "  \"bytes\": %llu,\n", (unsigned long long)s->bytes);
	ck_status_text(out, "opened", opened);
	ck_buf_printf(out, "  \"problems\": %u,\n", s->model->nproblems);
}

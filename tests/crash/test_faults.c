/*
 * test_faults.c - the saver over calls that fail: for every script, and every call in it.
 *
 * The script is run again and again with the first call at fault, then the second and so on until
 * there is none left. Calls that are short or interrupted must not be noticed at all. An error must
 * be the step's answer, and then
 *   - the open tree is what it was before the step or after it;
 *   - a power cut at that moment leaves what it always may (explore.h);
 *   - once the fault is gone the same mount publishes what its tree is, and what was published
 *     stays.
 *
 * CK_CRASH_ONLY and CK_CRASH_WORKERS as in test_saver.c.
 */
#include "explore.h"
#include "faulty.h"
#include "pool.h"
#include "scripts.h"

#include "tap.h"

#include <errno.h>
#include <stdlib.h>

struct way {
	const char *what;
	unsigned calls;
	enum ck_fault how;
	int errnum;
	bool from_there_on;
	enum ck_disk_lost lost; /* by a sync that fails */
};

static const struct way ways[] = {
	{ "EIO once", CK_CALL_ANY, CK_FAULT_FAIL, EIO, false, CK_DISK_STAYS },
	{ "EIO from there on", CK_CALL_ANY, CK_FAULT_FAIL, EIO, true, CK_DISK_LOST },
	{ "EIO, though it is done", CK_CALL_ANY & ~CK_CALL_READ, CK_FAULT_LATE, EIO, false,
	  CK_DISK_STAYS },
	{ "EIO of a sync, all lost", CK_CALL_SYNC, CK_FAULT_FAIL, EIO, false, CK_DISK_LOST },
	{ "EIO of a sync, half lost", CK_CALL_SYNC, CK_FAULT_FAIL, EIO, false, CK_DISK_HALF },
	{ "EIO of a write, half done", CK_CALL_WRITE | CK_CALL_COPY, CK_FAULT_HALF, EIO, false,
	  CK_DISK_STAYS },
	{ "ENOSPC once", CK_CALL_GROWING, CK_FAULT_FAIL, ENOSPC, false, CK_DISK_STAYS },
	{ "ENOSPC from there on", CK_CALL_GROWING, CK_FAULT_FAIL, ENOSPC, true, CK_DISK_STAYS },
	{ "ENOSPC of a write, half done", CK_CALL_GROWING, CK_FAULT_HALF, ENOSPC, true,
	  CK_DISK_STAYS },
	{ "ENOSPC of a sync", CK_CALL_SYNC, CK_FAULT_FAIL, ENOSPC, false, CK_DISK_LOST },
	{ "EDQUOT from there on", CK_CALL_GROWING, CK_FAULT_FAIL, EDQUOT, true, CK_DISK_STAYS },
	{ "short calls", CK_CALL_PARTIAL, CK_FAULT_SHORT, 0, true, CK_DISK_STAYS },
	{ "one short call", CK_CALL_PARTIAL, CK_FAULT_SHORT, 0, false, CK_DISK_STAYS },
	{ "interrupted calls", CK_CALL_INTERRUPTED, CK_FAULT_INTERRUPT, 0, true, CK_DISK_STAYS },
	{ "one interrupted call", CK_CALL_INTERRUPTED, CK_FAULT_INTERRUPT, 0, false,
	  CK_DISK_STAYS },
};
#define NWAYS (sizeof(ways) / sizeof(*ways))
#define CALLS_MAX 5000 /* in a script, so that the loop ends */

struct row {
	unsigned long runs; /* sessions with a call at fault */
	unsigned long told; /* of these, in which a step said so */
	struct explore_result r;
};

static struct row *rows; /* scripts times ways */
static const char *only;

static struct explore_options options = {
	.limits = { .singles = 2, .edges = 1, .torn = 1, .borders = 1, .files = 1, .random = 1 },
	.publish = 8,
};

/* One session with one call at fault. */
struct trial {
	const struct script *script;
	const struct way *way;
	unsigned nth;
	struct row *row;
	struct explore_seen *seen;
	struct ck_disk *disk;
	struct ck_faulty faulty;
	struct session s;
};

__attribute__((format(printf, 2, 3))) static void bad(struct trial *t, const char *fmt, ...)
{
	char why[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (t->row->r.failed++ == 0)
		snprintf(t->row->r.text, sizeof(t->row->r.text), "%s: call %u (%s), step %zu: %s",
			 t->way->what, t->nth, t->faulty.what, t->s.expect.step, why);
	if (only)
		printf("# %s: %s: call %u (%s), step %zu: %s\n", t->script->what, t->way->what,
		       t->nth, t->faulty.what, t->s.expect.step, why);
}

static void sync_lost(struct ck_vfile *f)
{
	ck_disk_sync_failed(f, CK_DISK_LOST);
}

static void sync_half(struct ck_vfile *f)
{
	ck_disk_sync_failed(f, CK_DISK_HALF);
}

static bool is_noticed(const struct way *w)
{
	return w->how != CK_FAULT_SHORT && w->how != CK_FAULT_INTERRUPT;
}

/* The tree that is still open is that of the history's last state, or of the one before. */
static struct model *look(struct trial *t, bool failed)
{
	struct session *s = &t->s;
	char why[400] = "";
	struct model *view = session_view(s->stage, why, sizeof(why));
	bool ok = view && model_equal(view, session_now(s), true, why, sizeof(why));

	if (!ok && view && failed && s->n > 1)
		ok = model_equal(view, s->history[s->n - 2], true, NULL, 0);
	if (ok)
		return view;
	bad(t, "the open tree is wrong: %s", why);
	return model_free(view);
}

/* The fault is gone: the mount does what it could not. */
static void go_on(struct trial *t, const struct model *view)
{
	const char *prefix = t->script->save ? SESSION_SAVE : SESSION_PREFIX;
	struct ck_disk_cut none = { .kind = CK_CUT_NONE };
	struct ck_publish_report report = { 0 };
	struct ck_err err = CK_ERR_INIT;
	unsigned unfinished = model_unfinished(view);
	struct ck_disk *after;
	struct model *m;
	char why[400] = "";
	bool absent;
	int r;

	if (t->script->save && t->s.expect.pub_new != SESSION_NONE && !unfinished &&
	    t->s.expect.pub_old == t->s.expect.pub_new)
		return; /* it was saved already */
	r = unfinished ? ck_stage_sync(t->s.stage, &err) :
			 ck_stage_publish(t->s.stage, CK_PUBLISH_EXPLICIT, &report, &err);
	/* Compacting leaves nothing in memory to go on with. */
	if (r == -EBUSY && t->s.expect.step &&
	    t->script->steps[t->s.expect.step - 1].kind == STEP_COMPACT)
		return;
	if (r < 0) {
		bad(t, "when the fault is gone, %s answers %d, %.300s",
		    unfinished ? "syncing" : "publishing", r, err.text);
		return;
	}
	if (unfinished)
		return;
	after = ck_disk_crash(t->disk, &none);
	m = session_published(ck_disk_vfs(after), prefix, &absent, why, sizeof(why));
	if (!m && absent && report.nothing &&
	    model_equal(view, t->s.history[0], false, why, sizeof(why)))
		; /* no new checkpoint is made of no edits */
	else if (!m || !model_equal(m, view, false, why, sizeof(why)))
		bad(t, "published when the fault is gone: %s", why);
	model_free(m);
	ck_disk_free(after);
}

static void run_steps(struct trial *t)
{
	const struct script *script = t->script;
	struct session *s = &t->s;
	struct model *view;
	int r = session_open(s);
	char when[300];

	for (size_t i = 0; r == 0 && i < script->nsteps; i++)
		r = session_step(s, &script->steps[i]);
	snprintf(when, sizeof(when), "%s at call %u (%s)", t->way->what, t->nth, t->faulty.what);
	if (r && (!is_noticed(t->way) || r == 1))
		bad(t, "%s", s->why);
	else if (r && s->expect.step && r != -t->way->errnum && r != -EIO)
		bad(t, "another error than there was: %s", s->why);
	t->row->told += r != 0;
	if (r)
		explore_now(s, t->disk, when, &options, t->seen, &t->row->r);
	t->faulty.healed = true;
	if (!s->stage)
		return;
	view = look(t, r != 0);
	if (view)
		go_on(t, view);
	model_free(view);
}

/* False when there was no such call. */
static bool run(struct trial *t)
{
	bool hit;

	t->disk = session_disk(t->script);
	ck_faulty_init(&t->faulty, ck_disk_vfs(t->disk));
	if (!session_begin(&t->s, t->script, ck_disk_vfs(t->disk)))
		bad(t, "%s", t->s.why);
	t->s.options.vfs = &t->faulty.vfs;
	t->faulty.calls = t->way->calls;
	t->faulty.how = t->way->how;
	t->faulty.errnum = t->way->errnum;
	t->faulty.from_there_on = t->way->from_there_on;
	t->faulty.sync_failed = t->way->lost == CK_DISK_LOST ? sync_lost :
				t->way->lost == CK_DISK_HALF ? sync_half : NULL;
	t->faulty.nth = t->nth;
	run_steps(t);
	hit = ck_faulty_hit(&t->faulty);
	t->row->runs += hit;
	if (t->s.stage)
		session_close(&t->s);
	if (ck_disk_open_files(t->disk))
		bad(t, "%u files are left open", ck_disk_open_files(t->disk));
	session_end(&t->s);
	ck_disk_free(t->disk);
	return hit;
}

static void work(unsigned worker, unsigned workers)
{
	for (size_t i = 0; i < nscripts * NWAYS; i++) {
		struct trial t = { .script = &scripts[i / NWAYS], .way = &ways[i % NWAYS],
				   .row = &rows[i] };

		if (i % workers != worker || (only && !strstr(t.script->what, only)))
			continue;
		t.seen = explore_seen_new();
		do
			t.nth++;
		while (run(&t) && t.nth < CALLS_MAX && t.row->r.failed < 20);
		explore_seen_free(t.seen);
	}
}

int main(void)
{
	unsigned long runs = 0, told = 0, states = 0, different = 0;
	unsigned workers;
	double from;
	bool ok;

	only = getenv("CK_CRASH_ONLY");
	options.verbose = only != NULL;
	workers = only ? 1 : pool_workers();
	tap_plan((int)nscripts + 1);
	rows = pool_memory(nscripts * NWAYS * sizeof(*rows));
	from = pool_clock();
	ok = pool_run(workers, work);
	from = pool_clock() - from;
	for (size_t i = 0; i < nscripts; i++) {
		unsigned long n = 0, said = 0, failed = 0;
		const char *text = "";

		for (size_t k = 0; k < NWAYS; k++) {
			const struct row *row = &rows[i * NWAYS + k];

			n += row->runs;
			said += row->told;
			states += row->r.states;
			different += row->r.different;
			if (row->r.failed && !failed)
				text = row->r.text;
			failed += row->r.failed;
		}
		if (!tap_ok(!failed && (n || only), "%s: %lu calls at fault, %lu of them told",
			    scripts[i].what, n, said))
			printf("# %lu failures, the first: %s\n", failed, text);
		runs += n;
		told += said;
	}
	tap_ok(ok, "%lu calls at fault, %lu of them told", runs, told);
	printf("# %lu states after power cuts, %lu different, in %.1f s by %u processes\n", states,
	       different, from, workers);
	return tap_done();
}

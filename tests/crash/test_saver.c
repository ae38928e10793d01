/*
 * test_saver.c - the saver under power cuts: scripts by hand, and all sequences of three edits,
 * with what they begin with (explore.h says how they are judged).
 *
 * Takes as many processes as there are processors. Environment, for a person:
 *   CK_CRASH_ONLY=TEXT      the scripts and sequences whose words contain it, with every failure
 *   CK_CRASH_WORKERS=N      so many processes
 *   CK_CRASH_LENGTH=N       sequences of so many edits, 2 or 3
 *   CK_CRASH_DEEP=1         more power cuts for each call, and every state published (minutes)
 */
#include "explore.h"
#include "pool.h"
#include "scripts.h"

#include "tap.h"

#include <stdlib.h>

/* Under the sanitizers everything takes five times as long, and what they look for is in the
 * shorter ones already. */
#if defined(__SANITIZE_ADDRESS__)
#define SEQUENCE_LENGTH 2
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEQUENCE_LENGTH 2
#endif
#endif
#ifndef SEQUENCE_LENGTH
#define SEQUENCE_LENGTH 3
#endif

/* What is written by one process, and read by the one that waits for it. */
static struct explore_result *results; /* scripts, then a row for each first letter */

static struct explore_options options;
static unsigned length = SEQUENCE_LENGTH;
static const char *only;
static struct model *base;

/* All sequences that go on from these letters, themselves among them. */
static void explore_from(enum letter *letters, unsigned n, enum ck_publish_how how,
			 struct explore_seen *seen, struct explore_result *r)
{
	enum letter with[SEQUENCE_MAX];
	struct sequence q;
	bool writes = false, saves = letters[n - 1] == L_SAVE;

	for (unsigned i = 0; i < n; i++)
		writes |= letters[i] == L_WRITE || letters[i] == L_WRITE_BIG;
	memcpy(with, letters, n * sizeof(*with));
	with[n] = L_PUBLISH; /* so that each is published at last */
	if (how == CK_PUBLISH_AUTO || writes) {
		/* A shorter one is where a longer one was on its way. */
		bool last = n >= length || saves;

		if (last && sequence_make(&q, base, with, n + (saves ? 0 : 1), how) &&
		    (!only || strstr(q.text, only)))
			explore(&q.script, &options, seen, r);
	}
	if (n >= length || saves)
		return;
	for (unsigned l = 0; l < L_COUNT; l++) {
		letters[n] = (enum letter)l;
		explore_from(letters, n + 1, how, seen, r);
	}
}

/* One process's share. */
static void work(unsigned worker, unsigned workers)
{
	struct explore_seen *seen = explore_seen_new();
	unsigned unit = 0;

	for (size_t i = 0; i < nscripts; i++)
		if (unit++ % workers == worker && (!only || strstr(scripts[i].what, only)))
			explore(&scripts[i], &options, seen, &results[i]);
	/* The first two letters together: what begins alike is judged once. */
	for (unsigned one = 0; one < L_SAVE; one++) {
		for (unsigned two = 0; two < L_COUNT; two++) {
			enum letter letters[SEQUENCE_MAX] = { (enum letter)one, (enum letter)two };
			struct explore_result *r = &results[nscripts + worker * L_COUNT + one];

			if (unit++ % workers != worker)
				continue;
			explore_from(letters, 2, CK_PUBLISH_AUTO, seen, r);
			explore_from(letters, 2, CK_PUBLISH_INPLACE, seen, r);
		}
	}
	explore_seen_free(seen);
}

static void add(struct explore_result *to, const struct explore_result *r)
{
	to->states += r->states;
	to->different += r->different;
	to->recoveries += r->recoveries;
	if (!to->failed)
		memcpy(to->text, r->text, sizeof(to->text));
	to->failed += r->failed;
}

static void tell(const struct explore_result *r, const char *what)
{
	if (!tap_ok(r->failed == 0 && (r->states || only), "%s: %lu states, %lu different", what,
		    r->states, r->different))
		printf("# %lu failures, the first: %s\n", r->failed, r->text);
}

int main(void)
{
	static const char *const first[] = { "write", "write big", "resize", "reshape", "create",
					     "rename", "rename onto", "delete", "fsync",
					     "publish" };
	unsigned workers = pool_workers();
	struct explore_result all = { 0 };
	struct ck_disk *d;
	bool absent, ok;
	char why[300];
	double from;

	only = getenv("CK_CRASH_ONLY");
	if (getenv("CK_CRASH_LENGTH"))
		length = (unsigned)atoi(getenv("CK_CRASH_LENGTH"));
	if (length < 2 || length >= SEQUENCE_MAX)
		length = SEQUENCE_LENGTH;
	if (getenv("CK_CRASH_DEEP"))
		options = (struct explore_options){ .limits = ck_disk_many, .publish = 1,
						    .again = 4 };
	else
		options = (struct explore_options){ .limits = ck_disk_few, .publish = 4,
						    .again = 16 };
	options.verbose = only != NULL;
	if (options.verbose)
		workers = 1;
	tap_plan((int)nscripts + L_SAVE + 2);
	results = pool_memory((nscripts + POOL_MAX * L_COUNT) * sizeof(*results));
	d = ck_disk_new();
	ck_disk_mkdir(d, "/d");
	session_bundle(d, SESSION_PREFIX, false);
	base = session_published(ck_disk_vfs(d), SESSION_PREFIX, &absent, why, sizeof(why));
	ck_disk_free(d);
	if (!tap_ok(base != NULL, "a bundle in memory is read")) {
		printf("Bail out! %s\n", why);
		return 1;
	}
	from = pool_clock();
	ok = pool_run(workers, work);
	from = pool_clock() - from;
	for (size_t i = 0; i < nscripts; i++) {
		tell(&results[i], scripts[i].what);
		add(&all, &results[i]);
	}
	for (unsigned l = 0; l < L_SAVE; l++) {
		struct explore_result r = { 0 };
		char what[60];

		for (unsigned w = 0; w < workers; w++)
			add(&r, &results[nscripts + w * L_COUNT + l]);
		snprintf(what, sizeof(what), "sequences that begin with %s", first[l]);
		tell(&r, what);
		add(&all, &r);
	}
	tap_ok(ok, "%lu states after power cuts and kills, %lu of them different", all.states,
	       all.different);
	printf("# %lu recoveries in %.1f s by %u processes\n", all.recoveries, from, workers);
	model_free(base);
	return tap_done();
}

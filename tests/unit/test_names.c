/*
 * test_names.c - names to file names and back.
 *
 * A table of the hard cases, and a property test over random hostile names: encoding gives a legal
 * file name, decoding gives the component back, no two components share a spelling, and in a tree
 * every variable is found under the path that is shown for it.
 */
#include "core/names.h"
#include "core/tree.h"
#include "model/builder.h"

#include "tap.h"

#include <errno.h>
#include <stdlib.h>

static struct ck_span text(const char *s)
{
	return ck_span(s, strlen(s));
}

#define LAST CK_NAME_LAST
#define ROOT CK_NAME_ROOT

static const struct {
	const char *component;
	unsigned flags;
	const char *spelling;
} table[] = {
	{ "kernel", LAST, "kernel" },
	{ "", 0, "%-" },
	{ "", LAST, "%-" },
	{ ".", 0, "%2E" },
	{ "..", LAST, "%2E%2E" },
	{ "...", 0, "..." },
	{ "...", LAST, "%2E.." },
	{ "%", LAST, "%25" },
	{ "%41", LAST, "%2541" },
	{ "100%", LAST, "100%25" },
	{ "a/b", LAST, "a%2Fb" },
	{ "a.d", LAST, "a%2Ed" },
	{ "a.d", 0, "a%2Ed" },
	{ ".d", 0, "%2Ed" },
	{ "a.json", LAST, "a%2Ejson" },
	{ "a.json", 0, "a%2Ejson" },
	{ "a.json.json", LAST, "a.json%2Ejson" },
	{ ".json", LAST, "%2Ejson" },
	{ "a.npy", LAST, "a%2Enpy" },
	{ "a.txt", 0, "a%2Etxt" },
	{ "a.data", LAST, "a.data" },
	{ ".hidden", LAST, "%2Ehidden" },
	{ ".hidden", 0, ".hidden" },
	{ ".ATTRIBUTES", 0, ".ATTRIBUTES" },
	{ ".ckptfuse", 0, ".ckptfuse" },
	{ ".ckptfuse", ROOT, "%2Eckptfuse" },
	{ ".ckptfuse", ROOT | LAST, "%2Eckptfuse" },
	{ "x~", LAST, "x%7E" },
	{ "x~", 0, "x~" },
	{ "~", LAST, "%7E" },
	{ "x.swp", LAST, "x%2Eswp" },
	{ ".x.swp", LAST, "%2Ex%2Eswp" },
	{ "#x#", LAST, "%23x%23" },
	{ "#x", LAST, "#x" },
	{ "##", LAST, "%23%23" },
	{ "#", LAST, "#" },
	{ "#x#", 0, "#x#" },
	{ ".x~", LAST, "%2Ex%7E" },
	{ "a\nb\tc", LAST, "a\nb\tc" },
	{ "\xff\xfe", LAST, "\xff\xfe" },
	{ "\xc3\xa9", LAST, "\xc3\xa9" },
	{ "a b=c", LAST, "a b=c" },
};

static const struct {
	const char *spelling;
	unsigned flags;
} bad[] = {
	{ "%41", LAST },	{ "100%", LAST }, { "%", LAST },	   { "%2", LAST },
	{ "%2e", LAST },	{ "%2f", LAST },  { "a%-", LAST },	   { "%-a", LAST },
	{ ".hidden", LAST },	{ "x~", LAST },	  { "x.swp", LAST },	   { "#x#", LAST },
	{ "a.json", LAST },	{ "a.d", 0 },	  { ".", LAST },	   { "..", LAST },
	{ ".ckptfuse", ROOT },	{ "%7E", 0 },	  { "%2Ehidden", 0 },	   { "%zz", LAST },
	{ "%00", LAST | 0x80 }, { "%2Eckptfuse", 0 },
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct ck_buf ck_auto_buf out = CK_BUF_INIT, back = CK_BUF_INIT;
		enum ck_name_kind kind;
		uint64_t hash;

		ck_name_encode(text(table[i].component), table[i].flags, true, &out);
		kind = ck_name_decode(ck_span(out.p, out.n), table[i].flags, &back, &hash);
		tap_ok(strcmp(out.p, table[i].spelling) == 0 && kind == CK_NAME_PLAIN &&
			       back.n == strlen(table[i].component) &&
			       (!back.n || memcmp(back.p, table[i].component, back.n) == 0),
		       "'%s' is spelt '%s' (wanted '%s') and read back", table[i].component, out.p,
		       table[i].spelling);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct ck_buf ck_auto_buf back = CK_BUF_INIT;
		uint64_t hash;
		enum ck_name_kind want = bad[i].flags & 0x80 ? CK_NAME_PLAIN : CK_NAME_BAD;

		tap_ok(ck_name_decode(text(bad[i].spelling), bad[i].flags & 3, &back, &hash) == want,
		       "'%s' is %s", bad[i].spelling,
		       want == CK_NAME_BAD ? "nobody's spelling" : "the byte 0");
	}
}

/* Spelling of n copies of unit, and the length of what is kept before the hash. */
static void test_long(const char *unit, size_t n, size_t kept)
{
	struct ck_buf ck_auto_buf c = CK_BUF_INIT, out = CK_BUF_INIT, back = CK_BUF_INIT;
	uint64_t hash, wanted;
	bool is_long;

	for (size_t i = 0; i < n; i++)
		ck_buf_str(&c, unit);
	ck_name_encode(ck_span(c.p, c.n), LAST, true, &out);
	is_long = ck_name_long_hash(ck_span(c.p, c.n), LAST, &wanted);
	tap_ok(is_long == (kept < 250) && out.n == (is_long ? kept + 18 : kept) &&
		       ck_name_decode(ck_span(out.p, out.n), LAST, &back, &hash) ==
			       (is_long ? CK_NAME_CUT : CK_NAME_PLAIN) &&
		       (!is_long || hash == wanted),
	       "%zu times '%s' keeps %zu bytes of %zu", n, unit, kept, out.n);
}

static void test_hash(void)
{
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	char c[252];

	memset(c, 'a', 251);
	c[251] = '\0';
	ck_name_encode(text(c), LAST, true, &out);
	/* FNV-1a 64 of 251 times 'a', computed from its definition in another language. */
	tap_is_str(out.p + 232, "%~032fd0337586c62a", "the hash of a long name");
}

/* Random components made of what is dangerous. */
static size_t random_name(char *p, size_t most)
{
	static const char *const pieces[] = {
		".",	"..",	 "/",	  "//",	   "%",	   "%-",   "%41",    "a",	"b",
		".d",	".json", ".npy",  ".txt",  ".swp", "~",	   "#",	     "kernel",	"Adam",
		"\xff", "\x80",	 "\xc3",  "\xa9",  "\xe6\x97\xa5", "\n", "\x01", ".ckptfuse",
		"layer", "10",	 "2",	  "02",	   "-",	   "=",	   " ",	     "%~",	"0123456789abcdef",
		"/.ATTRIBUTES/VARIABLE_VALUE",	   ".OPTIMIZER_SLOT",		     "latest",
	};
	size_t n = 0, count = 1 + (size_t)rand() % 6;

	while (count--) {
		int kind = rand() % 20;
		size_t len;

		if (kind == 0) {
			p[n++] = '\0';
			continue;
		}
		if (kind == 1 && n + 300 < most) {
			len = 200 + (size_t)rand() % 100;
			memset(p + n, 'x', len);
			n += len;
			continue;
		}
		if (kind == 2 && n + 300 < most) {
			for (len = 0; len < 90; len++, n += 3)
				memcpy(p + n, "\xe6\x97\xa5", 3);
			continue;
		}
		{
			const char *s = pieces[(size_t)rand() % (sizeof(pieces) / sizeof(*pieces))];

			len = strlen(s);
			if (n + len > most)
				break;
			memcpy(p + n, s, len);
			n += len;
		}
	}
	if (!n)
		p[n++] = 'v';
	return n;
}

struct name {
	char *p;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return ck_span_cmp(ck_span(x->p, x->n), ck_span(y->p, y->n));
}

/* The path that a variable is shown under, by walking up. */
static void path_of(const struct ck_tree *t, uint32_t node, enum ck_kind kind, struct ck_buf *out)
{
	uint32_t chain[1024];
	int n = 0;

	for (uint32_t i = node; i; i = ck_tree_parent(t, i))
		chain[n++] = i;
	while (n--) {
		struct ck_entry e = { chain[n], n ? CK_KIND_DIR : kind };

		ck_buf_char(out, '/');
		ck_tree_spell(t, 0, e, out);
	}
}

struct count {
	uint8_t *seen;
	uint32_t n;
};

static int count_var(void *arg, uint32_t var)
{
	struct count *c = arg;

	c->n += !c->seen[var];
	c->seen[var] = 1;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_tree(uint32_t count, char sep, bool raw)
{
	struct name *names = calloc(count, sizeof(*names));
	struct ck_tree_options o = { .sep = sep, .raw_names = raw };
	struct ck_model *m = ck_model_new("tensorflow", "random");
	struct ck_builder b;
	struct ck_tree *t = NULL;
	struct ck_err err = CK_ERR_INIT;
	struct count walked = { 0 };
	char **paths;
	uint32_t found = 0, legal = 0, unique = 1;
	char bytes[2048];

	for (uint32_t i = 0; i < count; i++) {
		names[i].n = random_name(bytes, 1200);
		names[i].p = malloc(names[i].n);
		memcpy(names[i].p, bytes, names[i].n);
	}
	qsort(names, count, sizeof(*names), by_name);
	ck_builder_init(&b, m, false);
	for (uint32_t i = 0; i < count; i++)
		if (!i || by_name(&names[i - 1], &names[i]))
			ck_builder_var(&b, ck_span(names[i].p, names[i].n), &(struct ck_var){ 0 },
				       &err);
	if (ck_tree_build(m, &o, &t, &err) < 0) {
		tap_ok(false, "the tree is built: %s", err.text);
		return;
	}
	paths = calloc(m->nvars, sizeof(*paths));
	for (uint32_t v = 0; v < m->nvars; v++) {
		struct ck_buf path = CK_BUF_INIT;
		uint32_t node = ck_tree_node_of(t, v);
		struct ck_entry e;
		bool ok = node != UINT32_MAX;

		if (!ok)
			continue;
		path_of(t, node, CK_KIND_DATA, &path);
		paths[v] = path.p;
		found += ck_tree_find_path(t, 0, 0, path.p, &e) == 0 && e.node == node &&
			 e.kind == CK_KIND_DATA && ck_tree_var(t, e.node) == v &&
			 strlen(path.p) == path.n;
		for (const char *c = path.p + 1; c; c = strchr(c, '/')) {
			size_t n;

			c += *c == '/';
			n = strcspn(c, "/");
			ok &= n > 0 && n <= 255 && strncmp(c, ".", n) && strncmp(c, "..", n > 2 ? n : 2);
			if (!strchr(c, '/'))
				ok &= n <= 250;
		}
		legal += ok;
	}
	qsort(paths, m->nvars, sizeof(*paths), by_text);
	for (uint32_t v = 1; v < m->nvars; v++)
		unique += strcmp(paths[v - 1], paths[v]) != 0;
	walked.seen = calloc(m->nvars, 1);
	ck_tree_walk(t, 0, count_var, &walked);
	tap_is_u64(found, m->nvars, "sep '%c'%s: every one of %u names is found by its path", sep,
		   raw ? ", raw" : "", m->nvars);
	tap_is_u64(legal, m->nvars, "sep '%c'%s: every component is a legal file name", sep,
		   raw ? ", raw" : "");
	tap_is_u64(unique, m->nvars, "sep '%c'%s: no two names share a path", sep, raw ? ", raw" : "");
	tap_is_u64(walked.n, m->nvars, "sep '%c'%s: a walk meets every variable once", sep,
		   raw ? ", raw" : "");
	for (uint32_t i = 0; i < count; i++)
		free(names[i].p);
	for (uint32_t v = 0; v < m->nvars; v++)
		free(paths[v]);
	free(paths);
	free(names);
	free(walked.seen);
	ck_tree_free(t);
	ck_model_unref(m);
}

/* Encode and decode alone, on more names than a tree is built of. */
static void test_components(unsigned count)
{
	unsigned right = 0;
	char p[2048];

	for (unsigned i = 0; i < count; i++) {
		struct ck_buf out = CK_BUF_INIT, back = CK_BUF_INIT;
		unsigned flags = (unsigned)rand() % 4;
		size_t n = random_name(p, 600);
		uint64_t hash, want;

		ck_name_encode(ck_span(p, n), flags, true, &out);
		switch (ck_name_decode(ck_span(out.p, out.n), flags, &back, &hash)) {
		case CK_NAME_PLAIN:
			right += back.n == n && memcmp(back.p, p, n) == 0;
			break;
		case CK_NAME_CUT:
			right += ck_name_long_hash(ck_span(p, n), flags, &want) && hash == want;
			break;
		case CK_NAME_BAD:
			break;
		}
		ck_buf_done(&out);
		ck_buf_done(&back);
	}
	tap_is_u64(right, count, "%u random components are read back", count);
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 20260101;

	tap_plan((int)(sizeof(table) / sizeof(*table) + sizeof(bad) / sizeof(*bad)) + 7 + 17);
	printf("# seed %u\n", seed);
	srand(seed);
	test_table();
	test_long("a", 250, 250);
	test_long("a", 251, 232);
	test_long("\xe6\x97\xa5", 100, 231); /* 77 characters, not cut through */
	test_long("%", 84, 231); /* %25 is not cut through */
	test_long("\xff", 300, 232);
	test_long("\xf0\x9f\x98\x80", 80, 232);
	test_hash();
	test_components(200000);
	check_tree(60000, '/', false);
	check_tree(30000, '/', true);
	check_tree(30000, '.', false);
	check_tree(30000, 'a', false);
	return tap_done();
}

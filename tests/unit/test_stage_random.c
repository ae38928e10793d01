/*
 * test_stage_random.c - thousands of random edits against a model: a tree of files in memory.
 *
 * The model knows for each file what its bytes are, and takes from V.json what its type is when
 * that may change: from then on it has to stay so, over publishing, opening anew, a crash. Nodes of
 * the model are files and folders with an identity, since open handles and a discard go by that.
 *
 * CK_SEED=N begins with another seed, CK_ROUNDS=N runs more of them, CK_TRACE=1 prints all edits.
 */
#include "stagekit.h"
#include "tap.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_NODES 4000
#define MAX_BYTES 3000
#define HANDLES 4
#define STEPS 400

struct place { /* what a publish remembers, and a discard brings back */
	bool linked;
	int parent; /* 0: the root */
	char name[32];
	uint8_t *bytes;
	size_t n;
	char type[80]; /* "dtype shape", "" without metadata */
};

struct node {
	bool is_dir;
	struct place now, pub;
};

static struct node nodes[MAX_NODES];
static int nnodes;
static struct {
	struct ck_sfile *f;
	int node;
} handles[HANDLES];
static struct kit k;
static unsigned state;
static char trace[64][200];
static unsigned traced;
static bool failed;

static unsigned rnd(unsigned n)
{
	state = state * 1103515245u + 12345u;
	return (state >> 8) % n;
}

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(trace[traced++ % 64], sizeof(trace[0]), fmt, ap);
	va_end(ap);
	if (getenv("CK_TRACE"))
		printf("# %s\n", trace[(traced - 1) % 64]);
}

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void fail(const char *fmt, ...)
{
	va_list ap;

	if (failed)
		return;
	failed = true;
	for (unsigned i = traced > 64 ? traced - 64 : 0; i < traced; i++)
		printf("# %s\n", trace[i % 64]);
	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" %s\n", kit_why(&k));
}

static bool scratch(const char *name)
{
	size_t n = strlen(name);

	return name[0] == '.' || name[n - 1] == '~';
}

static bool is_var(int i)
{
	return i > 0 && nodes[i].now.linked && !nodes[i].is_dir && !scratch(nodes[i].now.name);
}

static const char *path_of(int i)
{
	static char paths[4][2000];
	static unsigned which;
	char *p = paths[which++ % 4], part[2000];

	p[0] = '\0';
	for (; i > 0; i = nodes[i].now.parent) {
		snprintf(part, sizeof(part), "%s%s%s", nodes[i].now.name, *p ? "/" : "", p);
		memcpy(p, part, sizeof(part));
	}
	return p;
}

static int child(int dir, const char *name)
{
	for (int i = 1; i < nnodes; i++)
		if (nodes[i].now.linked && nodes[i].now.parent == dir &&
		    strcmp(nodes[i].now.name, name) == 0)
			return i;
	return -1;
}

static bool empty(int dir)
{
	for (int i = 1; i < nnodes; i++)
		if (nodes[i].now.linked && nodes[i].now.parent == dir)
			return false;
	return true;
}

static bool below(int i, int dir)
{
	for (; i > 0; i = nodes[i].now.parent)
		if (i == dir)
			return true;
	return dir == 0;
}

static int add(int dir, const char *name, bool is_dir)
{
	int i = nnodes++;

	if (nnodes > MAX_NODES)
		abort();
	memset(&nodes[i], 0, sizeof(nodes[i]));
	nodes[i].is_dir = is_dir;
	nodes[i].now.linked = true;
	nodes[i].now.parent = dir;
	snprintf(nodes[i].now.name, sizeof(nodes[i].now.name), "%s", name);
	return i;
}

static void set_bytes(struct place *p, const void *bytes, size_t n)
{
	uint8_t *copy = malloc(n + 1);

	if (n)
		memcpy(copy, bytes, n);
	free(p->bytes);
	p->bytes = copy;
	p->n = n;
}

static void write_at(struct place *p, size_t off, const uint8_t *bytes, size_t n)
{
	size_t end = off + n > p->n ? off + n : p->n;
	uint8_t *copy = calloc(1, end + 1);

	if (p->n)
		memcpy(copy, p->bytes, p->n);
	if (n)
		memcpy(copy + off, bytes, n);
	free(p->bytes);
	p->bytes = copy;
	p->n = end;
}

static void type_now(int i, char *buf, size_t room)
{
	char json[2100];

	buf[0] = '\0';
	snprintf(json, sizeof(json), "%s.json", path_of(i));
	if (!kit_there(&k, json))
		return;
	snprintf(buf, room, "%s ", kit_member(&k, json, "dtype"));
	snprintf(buf + strlen(buf), room - strlen(buf), "%s", kit_member(&k, json, "shape"));
}

/* The file got a name under which it may have taken metadata. */
static void learn_type(int i)
{
	char was[80];

	memcpy(was, nodes[i].now.type, sizeof(was));
	if (!is_var(i))
		return;
	type_now(i, nodes[i].now.type, sizeof(was));
	if (*was && strcmp(was, nodes[i].now.type) != 0)
		fail("%s was %s and is %s", path_of(i), was, nodes[i].now.type);
}

static bool fits(int i)
{
	static const struct {
		const char *dtype;
		size_t size;
	} sizes[] = { { "uint8 ", 1 }, { "int16 ", 2 }, { "float32 ", 4 }, { "int64 ", 8 } };
	const char *t = nodes[i].now.type;
	size_t need = 0;

	for (size_t s = 0; s < 4; s++)
		if (strncmp(t, sizes[s].dtype, strlen(sizes[s].dtype)) == 0)
			need = sizes[s].size;
	if (!need)
		return false;
	for (t = strchr(t, '[') + 1; *t && *t != ']'; t += strspn(t, ",")) {
		char *end;

		need *= strtoul(t, &end, 10);
		t = end;
	}
	return need == nodes[i].now.n;
}

/* --- the whole tree -------------------------------------------------------------------------- */

/* Folders may be spelt otherwise after opening anew. */
static void respell(int dir)
{
	char other[40], path[2100];

	for (int i = 1; i < nnodes; i++) {
		struct place *p = &nodes[i].now;
		size_t n = strlen(p->name);

		if (!p->linked || p->parent != dir || !nodes[i].is_dir)
			continue;
		if (n > 2 && strcmp(p->name + n - 2, ".d") == 0)
			snprintf(other, sizeof(other), "%.*s", (int)(n - 2), p->name);
		else
			snprintf(other, sizeof(other), "%.30s.d", p->name);
		snprintf(path, sizeof(path), "%s%s%s", path_of(dir), dir ? "/" : "", other);
		if (child(dir, other) < 0) {
			struct stat st;

			if (kit_find(&k, path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_ino & 7) == 1)
				snprintf(p->name, sizeof(p->name), "%.31s", other);
		}
		respell(i);
	}
}

static int count(const char *path, bool load, int dir)
{
	struct ck_stage_names names;
	char sub[2100];
	struct stat st;
	int n = 0;

	if (kit_find(&k, path, &st) < 0 || ck_stage_list(k.s, st.st_ino, &names, &k.err) < 0) {
		fail("%s cannot be listed", path);
		return 0;
	}
	for (size_t i = 0; i < names.n; i++) {
		bool is_dir = names.v[i].type == S_IFDIR;
		int node = 0;

		if ((names.v[i].ino & 7) == CK_STAGE_JSON)
			continue;
		snprintf(sub, sizeof(sub), "%s%s%s", path, *path ? "/" : "", names.v[i].name);
		if (load) {
			struct ck_buf ck_auto_buf b = CK_BUF_INIT;

			node = add(dir, names.v[i].name, is_dir);
			if (!is_dir) {
				kit_cat(&k, sub, &b);
				set_bytes(&nodes[node].now, b.p, b.n);
				learn_type(node);
			}
		}
		n += 1 + (is_dir ? count(sub, load, node) : 0);
	}
	ck_stage_names_done(&names);
	return n;
}

static void check_tree(const char *when)
{
	int linked = 0;

	for (int i = 1; i < nnodes && !failed; i++) {
		char type[80] = "";
		struct stat st;

		if (!nodes[i].now.linked)
			continue;
		linked++;
		if (nodes[i].is_dir) {
			if (kit_find(&k, path_of(i), &st) < 0 || !S_ISDIR(st.st_mode))
				fail("%s: %s is no folder", when, path_of(i));
			continue;
		}
		if (!kit_is(&k, path_of(i), nodes[i].now.bytes, nodes[i].now.n))
			fail("%s: %s has %llu bytes, others than the %zu it should have", when,
			     path_of(i), (unsigned long long)kit_size(&k, path_of(i)),
			     nodes[i].now.n);
		if (is_var(i))
			type_now(i, type, sizeof(type));
		if (is_var(i) && strcmp(type, nodes[i].now.type) != 0)
			fail("%s: %s is %s, not %s", when, path_of(i), type, nodes[i].now.type);
	}
	if (!failed && count("", false, 0) != linked)
		fail("%s: there are %d files and folders, not %d", when, count("", false, 0), linked);
}

/* What the tree shows, as a variable's name: nothing here needs encoding. */
static void name_of(int i, char *buf, size_t room)
{
	const char *path = path_of(i);
	size_t n = 0;

	for (; *path && n + 1 < room; path++) {
		if (strncmp(path, ".d/", 3) == 0)
			path += 2;
		buf[n++] = *path;
	}
	buf[n] = '\0';
}

static void check_published(void)
{
	int vars = 0;

	for (int i = 1; i < nnodes && !failed; i++) {
		char name[2000];

		if (!is_var(i))
			continue;
		vars++;
		name_of(i, name, sizeof(name));
		if (!kit_published(&k, name, NULL, nodes[i].now.bytes, nodes[i].now.n))
			fail("%s is not published as it should be", name);
	}
	if (!failed && !kit_sound(&k, vars))
		fail("what is published is not sound");
}

/* --- edits ----------------------------------------------------------------------------------- */

static int any(bool (*want)(int))
{
	int seen = 0, chosen = -1;

	for (int i = 0; i < nnodes; i++)
		if (want(i) && rnd((unsigned)++seen) == 0)
			chosen = i;
	return chosen;
}

static bool is_file(int i)
{
	return i > 0 && nodes[i].now.linked && !nodes[i].is_dir;
}

static bool is_folder(int i)
{
	return nodes[i].is_dir && nodes[i].now.linked;
}

static const char *file_name(void)
{
	static const char *const names[] = { "v0", "v1", "v2", "v10", "w", ".s", ".t", "b~" };

	return names[rnd(8)];
}

/* Where a file may be made or moved to: often one that is there. */
static void target(int *dir, char *name, size_t room)
{
	int i = rnd(2) ? any(is_file) : -1;

	*dir = i > 0 ? nodes[i].now.parent : any(is_folder);
	snprintf(name, room, "%s", i > 0 ? nodes[i].now.name : file_name());
}

static void join(char *buf, size_t room, int dir, const char *name)
{
	snprintf(buf, room, "%s%s%s", path_of(dir), dir ? "/" : "", name);
}

static size_t some_bytes(uint8_t *p, int i)
{
	size_t n = rnd(4) == 0 ? rnd(MAX_BYTES) : rnd(200);

	if (i > 0 && rnd(3)) /* so that it fits */
		n = nodes[i].now.n;
	for (size_t at = 0; at < n; at++)
		p[at] = (uint8_t)rnd(256);
	return n;
}

static void expect(int got, int want, const char *what)
{
	if (got != want)
		fail("%s: %d, not %d", what, got, want);
}

static void do_put(void)
{
	uint8_t p[MAX_BYTES];
	char name[32], path[2100];
	int dir, i, r;
	size_t n;

	target(&dir, name, sizeof(name));
	i = child(dir, name);
	n = some_bytes(p, i);
	join(path, sizeof(path), dir, name);
	note("put %s %zu", path, n);
	r = kit_put(&k, path, p, n);
	if (i < 0) {
		i = add(dir, name, false);
		learn_type(i);
	}
	set_bytes(&nodes[i].now, p, n);
	expect(r, is_var(i) && *nodes[i].now.type && n && !fits(i) ? -EINVAL : 0, "put");
}

static void do_write(void)
{
	int i = any(is_file), r;
	uint8_t p[MAX_BYTES];
	size_t off, n;

	if (i < 0)
		return;
	n = 1 + rnd(rnd(3) ? 20 : 400);
	off = rnd(3) ? rnd((unsigned)nodes[i].now.n + 1) : nodes[i].now.n;
	if (rnd(3) && off + n > nodes[i].now.n) { /* inside */
		n = nodes[i].now.n - off;
		if (!n)
			return;
	}
	if (off + n > MAX_BYTES)
		return;
	for (size_t at = 0; at < n; at++)
		p[at] = (uint8_t)rnd(256);
	note("write %s %zu at %zu", path_of(i), n, off);
	r = kit_pwrite(&k, path_of(i), off, p, n);
	write_at(&nodes[i].now, off, p, n);
	expect(r, is_var(i) && *nodes[i].now.type && !fits(i) ? -EINVAL : 0, "write");
}

static void do_truncate(void)
{
	int i = any(is_file);
	size_t n = rnd(600);

	if (i < 0)
		return;
	note("truncate %s to %zu", path_of(i), n);
	expect(kit_truncate(&k, path_of(i), n), 0, "truncate");
	if (n > nodes[i].now.n)
		write_at(&nodes[i].now, n, NULL, 0);
	nodes[i].now.n = n;
}

static void make_fit(int i)
{
	char json[2100], text[100];

	snprintf(json, sizeof(json), "%s.json", path_of(i));
	snprintf(text, sizeof(text), "{\"dtype\": \"%s\", \"shape\": [%zu]}",
		 nodes[i].now.n % 2 ? "uint8" : "int16",
		 nodes[i].now.n % 2 ? nodes[i].now.n : nodes[i].now.n / 2);
	note("json %s %zu", json, nodes[i].now.n);
	expect(kit_text(&k, json, text), 0, "json");
	type_now(i, nodes[i].now.type, sizeof(nodes[i].now.type));
}

static void do_meta(void)
{
	int i = any(is_var);

	if (i > 0)
		make_fit(i);
}

static void do_rm(void)
{
	int i = any(is_file);

	if (i < 0)
		return;
	note("rm %s", path_of(i));
	expect(kit_rm(&k, path_of(i)), 0, "rm");
	nodes[i].now.linked = false;
}

static void do_mkdir(void)
{
	static const char *const names[] = { "d0", "d1", "d2" };
	int dir = any(is_folder);
	const char *name = names[rnd(3)];
	char path[2100];

	join(path, sizeof(path), dir, name);
	note("mkdir %s", path);
	expect(kit_mkdir(&k, path), child(dir, name) >= 0 ? -EEXIST : 0, "mkdir");
	if (child(dir, name) < 0)
		add(dir, name, true);
}

static void do_rmdir(void)
{
	int i = any(is_folder);

	if (i <= 0)
		return;
	note("rmdir %s", path_of(i));
	expect(kit_rmdir(&k, path_of(i)), empty(i) ? 0 : -ENOTEMPTY, "rmdir");
	if (empty(i))
		nodes[i].now.linked = false;
}

static void do_mv(void)
{
	int i = any(is_file), dir, t;
	char name[32], path[2100];

	if (i < 0)
		return;
	target(&dir, name, sizeof(name));
	t = child(dir, name);
	join(path, sizeof(path), dir, name);
	note("mv %s %s", path_of(i), path);
	expect(kit_mv(&k, path_of(i), path, 0), 0, "mv");
	if (t == i)
		return;
	if (t > 0)
		nodes[t].now.linked = false;
	nodes[i].now.parent = dir;
	snprintf(nodes[i].now.name, sizeof(name), "%s", name);
	learn_type(i);
}

static void do_mv_dir(void)
{
	static const char *const names[] = { "d0", "d1", "d2" };
	int i = any(is_folder), dir = any(is_folder), t, want = 0;
	const char *name = names[rnd(3)];
	char path[2100];

	if (i <= 0)
		return;
	join(path, sizeof(path), dir, name);
	t = child(dir, name);
	note("mv %s/ %s", path_of(i), path);
	if (t != i && below(dir, i))
		want = -EINVAL;
	else if (t > 0 && t != i && !empty(t))
		want = -ENOTEMPTY;
	expect(kit_mv(&k, path_of(i), path, 0), want, "mv of a folder");
	if (want || t == i)
		return;
	if (t > 0)
		nodes[t].now.linked = false;
	nodes[i].now.parent = dir;
	snprintf(nodes[i].now.name, sizeof(nodes[i].now.name), "%s", name);
}

static void do_exchange(void)
{
	bool dirs = rnd(3) == 0;
	int a = any(dirs ? is_folder : is_var), b = any(dirs ? is_folder : is_var), want = 0;
	struct place p;

	if (a <= 0 || b <= 0 || a == b)
		return;
	if (dirs && (strchr(nodes[a].now.name, '.') || strchr(nodes[b].now.name, '.')))
		return; /* x.d and x may not be two folders */
	if (below(nodes[a].now.parent, b) || below(nodes[b].now.parent, a))
		want = dirs ? -EINVAL : 0;
	note("exchange %s %s", path_of(a), path_of(b));
	expect(kit_mv(&k, path_of(a), path_of(b), RENAME_EXCHANGE), want, "exchange");
	if (want)
		return;
	p = nodes[a].now;
	nodes[a].now.parent = nodes[b].now.parent;
	memcpy(nodes[a].now.name, nodes[b].now.name, sizeof(p.name));
	nodes[b].now.parent = p.parent;
	memcpy(nodes[b].now.name, p.name, sizeof(p.name));
}

static void do_handle(void)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	unsigned h = rnd(HANDLES);
	uint8_t p[50];
	int i = handles[h].node;
	size_t off, n;

	if (!handles[h].f) {
		i = any(is_file);
		if (i < 0)
			return;
		note("open %s", path_of(i));
		handles[h].node = i;
		expect(kit_fopen(&k, path_of(i), O_RDWR, &handles[h].f), 0, "open");
		return;
	}
	kit_fread(&k, handles[h].f, &b);
	if (b.n != nodes[i].now.n || (b.n && memcmp(b.p, nodes[i].now.bytes, b.n) != 0))
		fail("a handle on %s%s sees %zu bytes, others than %zu", path_of(i),
		     nodes[i].now.linked ? "" : " (deleted)", b.n, nodes[i].now.n);
	if (rnd(3) == 0) {
		note("close %s", path_of(i));
		kit_fclose(&k, handles[h].f);
		handles[h].f = NULL;
		return;
	}
	n = 1 + rnd(50);
	off = rnd((unsigned)nodes[i].now.n + 30);
	if (off + n > MAX_BYTES)
		return;
	for (size_t at = 0; at < n; at++)
		p[at] = (uint8_t)rnd(256);
	note("handle %s%s %zu at %zu", path_of(i), nodes[i].now.linked ? "" : " (deleted)", n, off);
	expect(kit_fwrite(&k, handles[h].f, off, p, n), 0, "write through a handle");
	write_at(&nodes[i].now, off, p, n);
}

static void close_handles(void)
{
	for (unsigned h = 0; h < HANDLES; h++) {
		if (handles[h].f)
			kit_fclose(&k, handles[h].f);
		handles[h].f = NULL;
	}
}

static void save(struct place *to, const struct place *from)
{
	uint8_t *bytes = to->bytes;

	*to = *from;
	to->bytes = bytes;
	set_bytes(to, from->bytes, from->n);
}

static void publish(bool fix)
{
	bool finished = true;
	int r;

	for (int i = 1; i < nnodes && !failed; i++) {
		if (is_var(i) && !fits(i) && fix)
			make_fit(i);
		finished &= !is_var(i) || fits(i);
	}
	note("publish");
	r = kit_publish(&k);
	expect(r, finished ? 0 : -EINVAL, "publish");
	if (r < 0 || failed)
		return;
	for (int i = 1; i < nnodes; i++) {
		save(&nodes[i].pub, &nodes[i].now);
		if (!nodes[i].is_dir && !is_var(i))
			nodes[i].pub.linked = false;
	}
	check_published();
	check_tree("after publishing");
}

static void do_publish(void)
{
	publish(rnd(4) != 0);
}

static void do_discard(void)
{
	note("discard");
	expect(kit_discard(&k, NULL), 0, "discard");
	for (int i = 1; i < nnodes; i++) {
		struct node *n = &nodes[i];

		if (n->pub.linked)
			save(&n->now, &n->pub);
		else if (n->is_dir || !scratch(n->now.name))
			n->now.linked = false;
	}
	for (int i = 1; i < nnodes; i++) { /* scratch files go with their folder */
		int d = nodes[i].now.parent;

		while (d > 0 && nodes[d].now.linked)
			d = nodes[d].now.parent;
		if (nodes[i].now.linked && d > 0)
			nodes[i].now.linked = false;
	}
	check_tree("after a discard");
}

/* Identities are lost. */
static void forget_all(void)
{
	for (int i = 0; i < nnodes; i++) {
		free(nodes[i].now.bytes);
		free(nodes[i].pub.bytes);
	}
	memset(nodes, 0, sizeof(nodes[0]) * (size_t)nnodes);
	nodes[0].is_dir = true;
	nodes[0].now.linked = true;
	nnodes = 1;
}

static bool has_var(int dir)
{
	for (int i = 1; i < nnodes; i++)
		if (is_var(i) && below(i, dir))
			return true;
	return false;
}

/* Closes, or dies, and opens again. */
static void do_reopen(void)
{
	bool crash = rnd(2), kept;
	char cmd[4000];
	int n;

	close_handles();
	note(crash ? "crash" : "reopen");
	if (crash) {
		ck_stage_sync(k.s, &k.err);
		snprintf(cmd, sizeof(cmd), "cp -a %s %s.alive", k.folder, k.folder);
		if (system(cmd) != 0)
			abort();
	}
	expect(kit_close(&k), 0, "close");
	if (crash) {
		snprintf(cmd, sizeof(cmd),
			 "cd %s.alive && for f in *; do if [ -e %s/$f ]; then cat $f > %s/$f && "
			 "touch -r $f %s/$f; else cp -a $f %s/; fi; done; cd /; rm -r %s.alive",
			 k.folder, k.folder, k.folder, k.folder, k.folder, k.folder);
		if (system(cmd) != 0)
			abort();
	}
	n = kit_open(&k);
	expect(n, 0, "open");
	if (failed)
		return;
	kept = ck_stage_dirty(k.s, NULL);
	respell(0);
	/* Where nothing was staged, what is no variable has gone. */
	for (int i = 1; i < nnodes && !kept; i++)
		if (nodes[i].is_dir ? !has_var(i) : !is_var(i))
			nodes[i].now.linked = false;
	check_tree(crash ? "after a crash" : "after opening anew");
	if (kept) {
		note("publish what was recovered");
		publish(true);
		if (failed)
			return;
	}
	forget_all();
	count("", true, 0);
	for (int i = 1; i < nnodes; i++) {
		save(&nodes[i].pub, &nodes[i].now);
		if (!nodes[i].is_dir && !is_var(i))
			nodes[i].pub.linked = false;
	}
}

static void step(void)
{
	static void (*const ops[])(void) = {
		do_put, do_put, do_put, do_write, do_write, do_write, do_truncate, do_meta,
		do_rm, do_rm, do_mkdir, do_rmdir, do_mv, do_mv, do_mv, do_mv_dir,
		do_exchange, do_handle, do_handle, do_handle, do_handle,
	};
	unsigned what = rnd(200);

	if (what < 4)
		do_publish();
	else if (what < 6)
		do_discard();
	else if (what < 8)
		do_reopen();
	else if (what < 12)
		ck_stage_sync(k.s, &k.err);
	else
		ops[rnd(sizeof(ops) / sizeof(*ops))]();
	if (what % 16 == 0)
		check_tree("at last");
}

static void round_of(unsigned seed, enum ck_publish_how how, bool linked)
{
	char other[300];

	state = seed;
	traced = 0;
	failed = false;
	kit_init(&k, "saver", "model.ckpt-100");
	k.o.how = how;
	if (linked) { /* nothing may be appended to it: all that is new goes to files of our own */
		snprintf(other, sizeof(other), "%s/other", k.folder);
		if (link(kit_path(&k, ".data-00000-of-00001"), other) < 0)
			abort();
	}
	if (kit_open(&k) < 0)
		abort();
	forget_all();
	count("", true, 0);
	for (int i = 1; i < nnodes; i++)
		save(&nodes[i].pub, &nodes[i].now);
	for (int i = 0; i < STEPS && !failed && nnodes < MAX_NODES - 10; i++)
		step();
	close_handles();
	if (!failed)
		publish(true);
	tap_ok(!failed, "seed %u, publish=%s%s", seed,
	       how == CK_PUBLISH_AUTO ? "auto" : how == CK_PUBLISH_INPLACE ? "inplace" : "replace",
	       linked ? ", a hard link to the data file" : "");
	kit_done(&k);
	forget_all();
}

int main(void)
{
	const char *seed = getenv("CK_SEED"), *rounds = getenv("CK_ROUNDS");
	unsigned first = seed ? (unsigned)strtoul(seed, NULL, 10) : 1;
	int n = rounds ? atoi(rounds) : 24;

	tap_plan(n);
	for (int i = 0; i < n; i++) {
		unsigned number = first + (unsigned)i;

		round_of(number, (enum ck_publish_how)(number % 3), number % 4 == 0);
	}
	return tap_done();
}

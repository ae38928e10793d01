/* sniff.c - see sniff.h. */
#include "core/sniff.h"

#include "format/table.h"
#include "util/crc32c.h"
#include "util/utf8.h"
#include "util/varint.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* What is looked at: the front of the file, and how long the whole is. */
struct look {
	struct ck_source *source;
	struct ck_span head;
	uint64_t size;
};

/* Bytes at a fixed place. */
struct mark {
	uint16_t at;
	uint8_t len;
	const char *bytes;
	enum ck_class cls;
	const char *words;
};

#define LFS_MARK "version https://git-lfs.github.com/spec/v1"

static const struct mark marks[] = {
	{ 0, 8, "\x89HDF\r\n\x1a\n", CK_UNSUPPORTED, "an HDF5 file, such as Keras weights" },
	{ 0, 4, "GGUF", CK_UNSUPPORTED, "a GGUF model" },
	{ 0, 6, "\x93NUMPY", CK_UNSUPPORTED, "a NumPy array (.npy)" },
	{ 0, 14, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", CK_UNSUPPORTED,
	  "a PyTorch checkpoint of the old, pickled kind" },
	{ 4, 4, "TFL3", CK_UNSUPPORTED, "a TensorFlow Lite model" },
	{ 0, 4, "\x0c\xdb\x3a\x2a", CK_UNSUPPORTED,
	  "a node of an OCDBT store, such as Orbax makes" },
	{ 0, 2, "\x1f\x8b", CK_FOREIGN, "a gzip file (unpack it first)" },
	{ 0, 3, "BZh", CK_FOREIGN, "a bzip2 file (unpack it first)" },
	{ 0, 6, "\3757zXZ\0", CK_FOREIGN, "an xz file (unpack it first)" },
	{ 0, 4, "\x28\xb5\x2f\xfd", CK_FOREIGN, "a zstd file (unpack it first)" },
	{ 0, 6, "7z\xbc\xaf\x27\x1c", CK_FOREIGN, "a 7z archive (unpack it first)" },
	{ 257, 5, "ustar", CK_FOREIGN, "a tar archive (unpack it first)" },
};

/* How browsers and download tools call a file that is not complete. */
static const char *const partial[] = {
	".part", ".partial", ".crdownload", ".download", ".incomplete", ".aria2",
};

static bool has(struct ck_span s, size_t at, const char *bytes, size_t n)
{
	return s.n >= n && at <= s.n - n && memcmp(s.p + at, bytes, n) == 0;
}

static bool contains(struct ck_span s, const char *text)
{
	return s.n && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The text behind a byte order mark and blanks. */
static struct ck_span trimmed(struct ck_span s)
{
	struct ck_span mark;

	if (has(s, 0, "\xef\xbb\xbf", 3))
		ck_span_take(&s, 3, &mark);
	while (s.n && blank(*s.p))
		s.p++, s.n--;
	return s;
}

static bool begins_nocase(struct ck_span s, const char *text)
{
	size_t n = strlen(text);

	return s.n >= n && strncasecmp((const char *)s.p, text, n) == 0;
}

static const char *partial_words(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < sizeof(partial) / sizeof(partial[0]); i++) {
		size_t len = strlen(partial[i]);

		if (n > len && strcmp(path + n - len, partial[i]) == 0)
			return "a download that has not finished";
	}
	return NULL;
}

static bool all_zero(struct ck_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i])
			return false;
	}
	return true;
}

/*
 * Tables. V1 files and V2 indexes are the same container, told apart by the value of the first
 * key, the empty one: both are messages, but a V1 file's begins with a message (field 1, its
 * list of tensors) where an index's has numbers. Snappy leaves the front of a block legible: its
 * length, a literal's tag, then the bytes.
 */

static bool first_value(struct ck_span s, struct ck_span *ret)
{
	struct ck_span skipped;
	uint32_t shared, unshared, len;
	uint64_t raw;

	if (s.n && s.p[0]) {
		uint8_t tag;

		if (!ck_varint64(&s, &raw) || !s.n || (s.p[0] & 3))
			return false;
		tag = s.p[0] >> 2;
		if (!ck_span_take(&s, tag >= 60 ? tag - 58u : 1u, &skipped))
			return false;
	}
	if (!ck_varint32(&s, &shared) || !ck_varint32(&s, &unshared) || !ck_varint32(&s, &len))
		return false;
	if (shared || unshared || !len || !s.n)
		return false;
	*ret = ck_span(s.p, len < s.n ? len : s.n);
	return true;
}

static enum ck_class look_table(const struct look *l, const char **words)
{
	struct ck_span value;
	bool first = first_value(l->head, &value);

	if (!ck_table_probe(l->source)) {
		/* Without its end a table is known only by an index's usual header. */
		if (!first || value.p[0] != 0x08 || !contains(value, "\x1a\x02\x08\x01"))
			return CK_OK;
		*words = "the index of a TensorFlow V2 checkpoint, cut short";
		return CK_CORRUPT;
	}
	if (first && value.p[0] == 0x0a) {
		*words = "a TensorFlow V1 checkpoint";
		return CK_UNSUPPORTED;
	}
	if (first && (value.p[0] == 0x08 || value.p[0] == 0x10 || value.p[0] == 0x1a)) {
		*words = "the index of a TensorFlow V2 checkpoint";
		return CK_OK;
	}
	*words = "a sorted table, as LevelDB makes";
	return CK_FOREIGN;
}

static enum ck_class look_safetensors(const struct look *l, const char **words)
{
	uint64_t len;

	if (l->head.n < 10 || l->head.p[8] != '{')
		return CK_OK;
	len = ck_le64(l->head.p);
	if (len < 2 || len > 100 * 1000 * 1000 || (l->head.p[9] != '"' && l->head.p[9] != '}'))
		return CK_OK;
	*words = len <= l->size - 8 ? "a safetensors file" : "a safetensors file, cut short";
	return CK_UNSUPPORTED;
}

/* Archives are judged by the names of their first members. */
static enum ck_class look_zip(const struct look *l, const char **words)
{
	struct ck_span s = l->head;

	if (!has(s, 0, "PK\3\4", 4) && !has(s, 0, "PK\5\6", 4))
		return CK_OK;
	if (contains(s, "constants.pkl") || contains(s, "/code/__torch__")) {
		*words = "a TorchScript model";
		return CK_UNSUPPORTED;
	}
	if (contains(s, "data.pkl") || contains(s, ".format_version")) {
		*words = "a PyTorch checkpoint";
		return CK_UNSUPPORTED;
	}
	if (contains(s, ".npy")) {
		*words = "a set of NumPy arrays (.npz)";
		return CK_UNSUPPORTED;
	}
	if (contains(s, "keras_version") || contains(s, "model.weights.h5")) {
		*words = "a Keras model (.keras)";
		return CK_UNSUPPORTED;
	}
	*words = "a zip archive (unpack it first)";
	return CK_FOREIGN;
}

static enum ck_class look_pickle(const struct look *l, const char **words)
{
	struct ck_span s = l->head;

	if (s.n < 3 || s.p[0] != 0x80 || s.p[1] < 2 || s.p[1] > 5)
		return CK_OK;
	/* What a pickle goes on with: a frame, or an opcode that begins a value. */
	if (!strchr("\x95}](cN\x8aXK", s.p[2]) || !s.p[2])
		return CK_OK;
	*words = "a Python pickle";
	return CK_UNSUPPORTED;
}

/* Record files: a length, its masked checksum, the record. */
static enum ck_class look_records(const struct look *l, const char **words)
{
	if (l->head.n < 16 || ck_le32(l->head.p + 8) != ck_crc32c_mask(ck_crc32c(l->head.p, 8)))
		return CK_OK;
	*words = contains(ck_span(l->head.p, l->head.n < 64 ? l->head.n : 64), "brain.Event:")
			 ? "a TensorBoard event file"
			 : "a TFRecord file";
	return CK_FOREIGN;
}

/*
 * Protocol buffers have no mark of their own. The first fields are compared with those that each
 * kind of model file begins with.
 */

struct field {
	uint64_t number;
	uint64_t value; /* or length, where the bytes follow */
	bool bytes;
};

static bool take_field(struct ck_span *s, uint64_t room, struct field *ret)
{
	uint64_t key;

	if (!ck_varint64(s, &key) || !ck_varint64(s, &ret->value))
		return false;
	ret->number = key >> 3;
	ret->bytes = (key & 7) == 2;
	return ret->number && (ret->bytes ? ret->value <= room : (key & 7) == 0);
}

/* A name as graphs have them: ASCII letters, digits and a few marks. */
static bool take_name(struct ck_span *s, uint64_t number, struct ck_span *ret)
{
	struct field f;

	if (!take_field(s, s->n, &f) || f.number != number || !f.bytes || !f.value ||
	    !ck_span_take(s, f.value, ret))
		return false;
	for (size_t i = 0; i < ret->n; i++) {
		if (ret->p[i] <= ' ' || ret->p[i] >= 0x7f)
			return false;
	}
	return true;
}

/* GraphDef: nodes, each with a name and an operation. */
static bool is_graph(struct ck_span s, uint64_t room)
{
	struct ck_span name, op;
	struct field f;

	if (!take_field(&s, room, &f) || f.number != 1 || !f.bytes)
		return false;
	return take_name(&s, 1, &name) && take_name(&s, 2, &op) &&
	       ((op.p[0] >= 'A' && op.p[0] <= 'Z') || op.p[0] == '_');
}

/* MetaGraphDef: its own description, then a GraphDef. */
static bool is_meta_graph(struct ck_span s, uint64_t room)
{
	struct ck_span info;
	struct field f;

	return take_field(&s, room, &f) && f.number == 1 && f.bytes &&
	       ck_span_take(&s, f.value, &info) && take_field(&s, room, &f) && f.number == 2 &&
	       f.bytes && is_graph(s, f.value);
}

/* SavedModel: version 1 and MetaGraphDefs, in either order. */
static bool is_saved_model(struct ck_span s, uint64_t size)
{
	const uint8_t *start = s.p;
	struct field f;

	if (!take_field(&s, size, &f))
		return false;
	if (f.number == 2 && f.bytes)
		return (uint64_t)(s.p - start) + f.value + 2 == size;
	return f.number == 1 && !f.bytes && f.value == 1 && take_field(&s, size, &f) &&
	       f.number == 2 && f.bytes;
}

/* ModelProto: a version of three or more, then the producer's name or the graph. */
static bool is_onnx(struct ck_span s, uint64_t size)
{
	struct field f;

	return take_field(&s, size, &f) && f.number == 1 && !f.bytes && f.value >= 3 &&
	       f.value < 100 && take_field(&s, size, &f) && f.bytes &&
	       (f.number == 2 || f.number == 7 || f.number == 8);
}

static enum ck_class look_proto(const struct look *l, const char **words)
{
	if (is_onnx(l->head, l->size)) {
		*words = "an ONNX model";
		return CK_UNSUPPORTED;
	}
	if (is_graph(l->head, l->size)) {
		*words = "a TensorFlow graph, such as a frozen model";
		return CK_UNSUPPORTED;
	}
	/* These two stand beside the values and hold none. */
	if (is_saved_model(l->head, l->size))
		*words = "the graph of a SavedModel (saved_model.pb)";
	else if (is_meta_graph(l->head, l->size))
		*words = "a TensorFlow graph (.meta), which holds no values";
	return CK_FOREIGN;
}

static bool is_text(struct ck_span s, bool cut)
{
	while (s.n) {
		size_t n = ck_utf8_len(s);

		if (!n) /* the end of what is looked at may be inside a character */
			return cut && s.n < 4 && s.p[0] >= 0xc2;
		if (n == 1 && *s.p < ' ' && !blank(*s.p) && *s.p != '\f')
			return false;
		s.p += n;
		s.n -= n;
	}
	return true;
}

static enum ck_class look_text(const struct look *l, const char **words)
{
	struct ck_span s = trimmed(l->head);

	if (!is_text(l->head, l->size > l->head.n))
		return CK_OK;
	*words = "a text file";
	if (begins_nocase(s, "<!doctype html") || begins_nocase(s, "<html")) {
		*words = "a web page, saved in place of the file that it links to";
	} else if (begins_nocase(s, "<?xml") || begins_nocase(s, "<error")) {
		*words = "an XML text, such as a server's answer when a download fails";
	} else if (has(s, 0, "model_checkpoint_path", 21)) {
		*words = "the state file of a TensorFlow model folder";
	} else if (has(s, 0, "saved_model_schema_version", 26)) {
		*words = "the graph of a SavedModel (saved_model.pbtxt)";
	} else if (has(s, 0, "node {", 6) || has(s, 0, "meta_info_def {", 15)) {
		*words = "a TensorFlow graph in text form, which holds no values";
	} else if (s.n && (s.p[0] == '{' || s.p[0] == '[')) {
		*words = "a JSON file";
		if (contains(s, "\"weight_map\"")) {
			*words = contains(s, ".safetensors\"")
					 ? "the index of a safetensors checkpoint in several files"
					 : "the index of a checkpoint in several files";
			return CK_UNSUPPORTED;
		}
	}
	return CK_FOREIGN;
}

/* Ordered from what cannot be mistaken to what is only likely. */
static enum ck_class look(const struct look *l, const char **words)
{
	static enum ck_class (*const looks[])(const struct look *, const char **) = {
		look_table, look_zip, look_records, look_safetensors,
		look_pickle, look_proto, look_text,
	};

	*words = partial_words(ck_source_path(l->source));
	if (*words)
		return CK_FOREIGN;
	if (!l->size) {
		*words = "an empty file";
		return CK_FOREIGN;
	}
	if (has(l->head, 0, LFS_MARK, strlen(LFS_MARK))) {
		*words = "a Git LFS pointer, its content never downloaded "
			 "(git lfs pull fetches it)";
		return CK_FOREIGN;
	}
	if (all_zero(l->head)) {
		*words = "a file of zeros, as a copy or download leaves that did not finish";
		return CK_FOREIGN;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (has(l->head, marks[i].at, marks[i].bytes, marks[i].len)) {
			*words = marks[i].words;
			return marks[i].cls;
		}
	}
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		enum ck_class cls = looks[i](l, words);

		if (*words)
			return cls;
	}
	*words = "data of no known kind";
	return CK_FOREIGN;
}

enum ck_class ck_sniff(struct ck_source *s, char *words, size_t room)
{
	struct look l = { .source = s, .size = ck_source_size(s) };
	size_t n = l.size < CK_SNIFF_HEAD ? (size_t)l.size : CK_SNIFF_HEAD;
	uint8_t *head = malloc(n + 1);
	enum ck_class cls;
	const char *text;

	if (!head || ck_source_read(s, 0, head, n, NULL) < 0) {
		free(head);
		snprintf(words, room, "a file that cannot be read");
		return CK_FOREIGN;
	}
	l.head = ck_span(head, n);
	cls = look(&l, &text);
	snprintf(words, room, "%s", text);
	free(head);
	return cls;
}

bool ck_sniff_lfs(struct ck_source *s)
{
	char head[sizeof(LFS_MARK) - 1];

	return ck_source_size(s) >= sizeof(head) &&
	       ck_source_read(s, 0, head, sizeof(head), NULL) == 0 &&
	       memcmp(head, LFS_MARK, sizeof(head)) == 0;
}

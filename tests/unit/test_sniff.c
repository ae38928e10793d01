/* test_sniff.c - every kind of file that is told apart, by a small sample of each. */
#include "core/sniff.h"

#include "util/crc32c.h"

#include "mkindex.h"
#include "tap.h"

#include <stdlib.h>

/* A sample, and what is to be said of it. */
struct sample {
	const char *label;
	const char *bytes;
	size_t n;
	enum ck_class cls;
	const char *words;
};

#define BYTES(s) s, sizeof(s) - 1

static const struct sample samples[] = {
	{ "f", BYTES(""), CK_FOREIGN, "an empty file" },
	{ "f", BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
	  CK_FOREIGN, "a Git LFS pointer, its content never downloaded (git lfs pull fetches it)" },
	{ "m.data.part", BYTES("anything"), CK_FOREIGN, "a download that has not finished" },
	{ "m.crdownload", BYTES("anything"), CK_FOREIGN, "a download that has not finished" },
	{ "m.incomplete", BYTES(""), CK_FOREIGN, "a download that has not finished" },
	{ "m.index.aria2", BYTES("\0\1"), CK_FOREIGN, "a download that has not finished" },
	{ "f", BYTES("\0\0\0\0\0\0\0\0\0"), CK_FOREIGN,
	  "a file of zeros, as a copy or download leaves that did not finish" },
	{ "f", BYTES("<!DOCTYPE html>\n<html></html>\n"), CK_FOREIGN,
	  "a web page, saved in place of the file that it links to" },
	{ "f", BYTES("\xef\xbb\xbf \r\n<HTML lang=en>"), CK_FOREIGN,
	  "a web page, saved in place of the file that it links to" },
	{ "f", BYTES("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"), CK_FOREIGN,
	  "an XML text, such as a server's answer when a download fails" },
	{ "f", BYTES("\x0a\0\0\0\0\0\0\0{\"a\":{} } "), CK_UNSUPPORTED, "a safetensors file" },
	{ "f", BYTES("\x02\0\0\0\0\0\0\0{}"), CK_UNSUPPORTED, "a safetensors file" },
	{ "f", BYTES("\x50\x02\0\0\0\0\0\0{\"model.weight\":{\"dtype\""), CK_UNSUPPORTED,
	  "a safetensors file, cut short" },
	{ "f",
	  BYTES("PK\3\4\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0archive/data.pkl"),
	  CK_UNSUPPORTED, "a PyTorch checkpoint" },
	{ "f", BYTES("PK\3\4....model/data.pkl....PK\3\4....model/constants.pkl"), CK_UNSUPPORTED,
	  "a TorchScript model" },
	{ "f", BYTES("PK\3\4....arr_0.npy"), CK_UNSUPPORTED, "a set of NumPy arrays (.npz)" },
	{ "f", BYTES("PK\3\4....metadata.json{\"keras_version\": \"3.3\"}"), CK_UNSUPPORTED,
	  "a Keras model (.keras)" },
	{ "f", BYTES("PK\3\4....model.ckpt.index"), CK_FOREIGN, "a zip archive (unpack it first)" },
	{ "f", BYTES("PK\5\6\0\0\0\0"), CK_FOREIGN, "a zip archive (unpack it first)" },
	{ "f", BYTES("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02"),
	  CK_UNSUPPORTED, "a PyTorch checkpoint of the old, pickled kind" },
	{ "f", BYTES("\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94."), CK_UNSUPPORTED, "a Python pickle" },
	{ "f", BYTES("\x89HDF\r\n\x1a\n\0\0"), CK_UNSUPPORTED,
	  "an HDF5 file, such as Keras weights" },
	{ "f", BYTES("GGUF\3\0\0\0"), CK_UNSUPPORTED, "a GGUF model" },
	{ "f", BYTES("\x93NUMPY\1\0v\0{'descr': '<f4'"), CK_UNSUPPORTED, "a NumPy array (.npy)" },
	{ "f", BYTES("\x1c\0\0\0TFL3\0\0\0\0"), CK_UNSUPPORTED, "a TensorFlow Lite model" },
	{ "f", BYTES("\x0c\xdb\x3a\x2a\0\0"), CK_UNSUPPORTED,
	  "a node of an OCDBT store, such as Orbax makes" },
	{ "f", BYTES("\x1f\x8b\x08\0"), CK_FOREIGN, "a gzip file (unpack it first)" },
	{ "f", BYTES("BZh91AY"), CK_FOREIGN, "a bzip2 file (unpack it first)" },
	{ "f", BYTES("\3757zXZ\0\0"), CK_FOREIGN, "an xz file (unpack it first)" },
	{ "f", BYTES("\x28\xb5\x2f\xfd\x24"), CK_FOREIGN, "a zstd file (unpack it first)" },
	{ "f", BYTES("7z\xbc\xaf\x27\x1c\0"), CK_FOREIGN, "a 7z archive (unpack it first)" },
	/* ir_version 8, producer_name "pytorch" */
	{ "f",
	  BYTES("\x08\x08\x12\x07pytorch\x1a\x03"
		"2.1"),
	  CK_UNSUPPORTED, "an ONNX model" },
	/* node { name: "x" op: "Placeholder" } */
	{ "f", BYTES("\x0a\x10\x0a\x01x\x12\x0bPlaceholder"), CK_UNSUPPORTED,
	  "a TensorFlow graph, such as a frozen model" },
	/* meta_info_def { tags: "serve" } graph_def { node { name: "x" op: "Const" } } */
	{ "f",
	  BYTES("\x0a\x07\x22\x05serve\x12\x0c\x0a\x0a\x0a\x01x\x12\x05"
		"Const"),
	  CK_FOREIGN, "a TensorFlow graph (.meta), which holds no values" },
	/* saved_model_schema_version: 1 meta_graphs { ... }, and the same the other way round */
	{ "f", BYTES("\x08\x01\x12\x02\x0a\x00"), CK_FOREIGN,
	  "the graph of a SavedModel (saved_model.pb)" },
	{ "f", BYTES("\x12\x02\x0a\x00\x08\x01"), CK_FOREIGN,
	  "the graph of a SavedModel (saved_model.pb)" },
	{ "f", BYTES("saved_model_schema_version: 1\n"), CK_FOREIGN,
	  "the graph of a SavedModel (saved_model.pbtxt)" },
	{ "f", BYTES("node {\n  name: \"x\"\n}\n"), CK_FOREIGN,
	  "a TensorFlow graph in text form, which holds no values" },
	{ "f", BYTES("model_checkpoint_path: \"model.ckpt-1\"\n"), CK_FOREIGN,
	  "the state file of a TensorFlow model folder" },
	{ "f", BYTES("{\"weight_map\": {\"w\": \"model-00001-of-00002.safetensors\"}}"),
	  CK_UNSUPPORTED, "the index of a safetensors checkpoint in several files" },
	{ "f", BYTES("{\"weight_map\": {\"w\": \"pytorch_model-00001-of-00002.bin\"}}"),
	  CK_UNSUPPORTED, "the index of a checkpoint in several files" },
	{ "f", BYTES(" {\"architectures\": [\"Bert\"]}"), CK_FOREIGN, "a JSON file" },
	{ "f", BYTES("caf\xc3\xa9\n\tnotes\n"), CK_FOREIGN, "a text file" },
	{ "f", BYTES("caf\xe9"), CK_FOREIGN, "data of no known kind" },
	{ "f", BYTES("\x01\x02\x03\x04"), CK_FOREIGN, "data of no known kind" },
	{ "f", BYTES("\x3f\x80\0\0\x40"), CK_FOREIGN, "data of no known kind" },
};

#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

/* Sniffs a copy that is exactly as long, so that a sanitizer sees overruns. */
static enum ck_class sniff(const char *label, const void *p, size_t n, char *words)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum ck_class cls;
	struct ck_source *s;

	memcpy(copy, p, n);
	ck_source_mem(copy, n, label, &s, NULL);
	cls = ck_sniff(s, words, CK_SNIFF_ROOM);
	ck_source_unref(s);
	free(copy);
	return cls;
}

static void check(const char *label, const void *p, size_t n, enum ck_class cls, const char *want)
{
	char words[CK_SNIFF_ROOM] = "";
	enum ck_class got = sniff(label, p, n, words);

	tap_is_str(words, want, "words: %s", want);
	tap_is_u64(got, cls, "class: %s", want);
}

static void make_table(struct mkindex *t, const char *first_value, size_t n, bool snappy)
{
	struct ck_buf value = CK_BUF_INIT;

	mkindex_start(t);
	t->snappy = snappy;
	ck_buf_add(&value, first_value, n);
	mkindex_add(t, "", 0, &value);
	mkindex_add(t, "v", 1, &value);
	mkindex_end(t);
	ck_buf_done(&value);
}

static void tables(void)
{
	struct mkindex t;

	make_table(&t, BYTES("\x08\x01\x1a\x02\x08\x01"), false);
	check("f", t.file.p, t.file.n, CK_OK, "the index of a TensorFlow V2 checkpoint");
	check("f", t.file.p, t.file.n - 1, CK_CORRUPT,
	      "the index of a TensorFlow V2 checkpoint, cut short");
	mkindex_done(&t);
	make_table(&t, BYTES("\x08\x01\x1a\x02\x08\x01"), true);
	check("f", t.file.p, t.file.n, CK_OK, "the index of a TensorFlow V2 checkpoint");
	mkindex_done(&t);
	make_table(&t, BYTES("\x0a\x1a\x0a\x09\x0a\x01"), false);
	check("f", t.file.p, t.file.n, CK_UNSUPPORTED, "a TensorFlow V1 checkpoint");
	mkindex_done(&t);
	make_table(&t, BYTES("\x7f"), false);
	check("f", t.file.p, t.file.n, CK_FOREIGN, "a sorted table, as LevelDB makes");
	mkindex_done(&t);
}

static void records(void)
{
	uint8_t file[64] = { 28 };

	ck_put_le32(file + 8, ck_crc32c_mask(ck_crc32c(file, 8)));
	check("f", file, sizeof(file), CK_FOREIGN, "a TFRecord file");
	memcpy(file + 23, "brain.Event:2", 13);
	check("f", file, sizeof(file), CK_FOREIGN, "a TensorBoard event file");
}

static void large(void)
{
	size_t n = CK_SNIFF_HEAD + 1000;
	char *p = calloc(n, 1);

	p[n - 1] = 1;
	check("f", p, n, CK_FOREIGN,
	      "a file of zeros, as a copy or download leaves that did not finish");
	memcpy(p + 257, "ustar", 5);
	memcpy(p, "name", 4);
	check("f", p, n, CK_FOREIGN, "a tar archive (unpack it first)");
	/* A character that the end of what is looked at cuts in two. */
	memset(p, 'x', n);
	memcpy(p + CK_SNIFF_HEAD - 1, "\xc3\xa9", 2);
	check("f", p, n, CK_FOREIGN, "a text file");
	free(p);
}

static void pointers(void)
{
	struct ck_source *s;

	for (size_t i = 0; i < 3; i++) {
		ck_source_mem(samples[i].bytes, samples[i].n, "f", &s, NULL);
		tap_is_u64(ck_sniff_lfs(s), i == 1, "an LFS pointer: sample %zu", i);
		ck_source_unref(s);
	}
}

/* Nothing that is cut short, or has a byte changed, may be read past its end. */
static void hostile(void)
{
	char words[CK_SNIFF_ROOM];
	size_t longest = 0;

	for (size_t i = 0; i < N_SAMPLES; i++) {
		for (size_t n = 0; n <= samples[i].n; n++) {
			sniff("f", samples[i].bytes, n, words);
			longest = strlen(words) > longest ? strlen(words) : longest;
		}
		for (size_t n = 0; n < samples[i].n; n++) {
			char *copy = malloc(samples[i].n);

			memcpy(copy, samples[i].bytes, samples[i].n);
			copy[n] = (char)0xff;
			sniff("f", copy, samples[i].n, words);
			free(copy);
		}
	}
	tap_ok(longest + 1 < CK_SNIFF_ROOM, "the longest words fit (%zu)", longest);
}

int main(void)
{
	tap_plan(2 * ((int)N_SAMPLES + 5 + 2 + 3) + 3 + 1);
	for (size_t i = 0; i < N_SAMPLES; i++)
		check(samples[i].label, samples[i].bytes, samples[i].n, samples[i].cls,
		      samples[i].words);
	tables();
	records();
	large();
	pointers();
	hostile();
	return tap_done();
}

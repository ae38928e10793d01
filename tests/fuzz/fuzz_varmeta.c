/*
 * fuzz_varmeta.c - metadata that a user writes, from arbitrary bytes.
 *
 * What is taken keeps to the limits that the saver relies on, and comes back the same from the
 * journal's form and from V.json; what is refused is refused with a sentence. A list of lengths
 * means the same whether it is read by hand or, its member being spelt in another way, by jansson.
 * The first byte says what the text is: V.json on top of nothing or of strings, or an attribute.
 */
#include "saver/varmeta.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STRINGS \
	"{\"name\": \"x\", \"dtype\": \"string\", \"shape\": [2, 2], \"lengths\": [1, 2, 3, 4]}"

static struct ck_varmeta *parse(struct ck_span text, const struct ck_varmeta *old)
{
	struct ck_err err = CK_ERR_INIT;
	struct ck_varmeta *m = NULL;
	int r = ck_varmeta_parse(text, old, false, "fuzz.json", &m, &err);

	if (r < 0 && (m || r != -EINVAL || err.errnum != EINVAL || !err.text[0]))
		abort();
	if (r == 0 && (!m || err.cls != CK_OK))
		abort();
	return m;
}

static struct ck_varmeta *parse_member(const char *member, struct ck_span value)
{
	struct ck_err err = CK_ERR_INIT;
	struct ck_varmeta *m = NULL;

	if (ck_varmeta_parse_member(member, value, NULL, true, "fuzz", &m, &err) < 0 &&
	    (m || !err.text[0]))
		abort();
	return m;
}

static void check_limits(const struct ck_varmeta *m)
{
	uint64_t elements = 1, sum = 0, need;

	if (m->rank > 254 || (m->rank && !m->has_shape))
		abort();
	for (uint32_t i = 0; i < m->rank; i++)
		elements *= m->shape[i];
	if (m->has_shape && (m->elements != elements || elements > INT64_MAX))
		abort();
	for (uint64_t i = 0; i < m->nlengths; i++)
		sum += m->lengths[i];
	if (m->lengths_sum != sum || sum > INT64_MAX)
		abort();
	if (m->lengths && ((m->has_dtype && m->dtype != CK_DT_STRING) ||
			   (m->has_shape && m->nlengths != m->elements)))
		abort();
	if (m->name && (!m->name_len || m->name[m->name_len]))
		abort();
	if (ck_varmeta_need(m, &need) && need > INT64_MAX)
		abort();
}

static bool same_numbers(const uint64_t *a, const uint64_t *b, uint64_t n)
{
	return n == 0 || memcmp(a, b, n * sizeof(*a)) == 0;
}

static bool same(const struct ck_varmeta *a, const struct ck_varmeta *b)
{
	return a->has_dtype == b->has_dtype && a->has_shape == b->has_shape &&
	       a->dtype == b->dtype && a->native == b->native && a->big_endian == b->big_endian &&
	       a->rank == b->rank && same_numbers(a->shape, b->shape, a->rank) &&
	       a->elements == b->elements && a->nlengths == b->nlengths &&
	       !a->lengths == !b->lengths && same_numbers(a->lengths, b->lengths, a->nlengths) &&
	       !a->name == !b->name && a->name_len == b->name_len &&
	       (!a->name || memcmp(a->name, b->name, a->name_len) == 0);
}

static void check_texts(const struct ck_varmeta *m)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct ck_varmeta *back;

	ck_varmeta_pack(m, &text);
	back = parse(ck_span(text.p, text.n), NULL);
	if (!back || !same(m, back))
		abort();
	ck_varmeta_unref(back);
	ck_buf_clear(&text);
	ck_varmeta_render(m, m->name ? ck_span(m->name, m->name_len) : ck_span("\xff", 1),
			  INT64_MAX, &text);
	back = parse(ck_span(text.p, text.n), NULL);
	if (!back || back->dtype != m->dtype || back->elements != m->elements)
		abort();
	ck_varmeta_unref(back);
}

static void check_list(struct ck_span text, const struct ck_varmeta *old,
		       const struct ck_varmeta *m)
{
	static const char plain[] = "\"lengths\"", spelt[] = "\"\\u006cengths\"";
	const size_t len = sizeof(plain) - 1;
	struct ck_buf ck_auto_buf other = CK_BUF_INIT;
	struct ck_varmeta *b;

	for (size_t i = 0; i < text.n;) {
		bool here = text.n - i >= len && memcmp(text.p + i, plain, len) == 0;

		ck_buf_add(&other, here ? (const void *)spelt : text.p + i,
			   here ? sizeof(spelt) - 1 : 1);
		i += here ? len : 1;
	}
	b = parse(ck_span(other.p, other.n), old);
	if (!m != !b || (m && !same(m, b)))
		abort();
	ck_varmeta_unref(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const members[] = { "dtype", "shape", "byte_order" };
	struct ck_varmeta *old = NULL, *m;
	struct ck_span text;

	if (size == 0)
		return 0;
	text = ck_span(data + 1, size - 1);
	if (data[0] == 's')
		old = parse(ck_span(STRINGS, strlen(STRINGS)), NULL);
	if (data[0] >= '0' && data[0] <= '2')
		m = parse_member(members[data[0] - '0'], text);
	else
		check_list(text, old, m = parse(text, old));
	if (m) {
		check_limits(m);
		check_texts(m);
	}
	ck_varmeta_unref(m);
	ck_varmeta_unref(old);
	return 0;
}

/*
 * decimal.c - see decimal.h.
 *
 * The number and half of its distances to the neighbours are kept as integers over a common scale,
 * so that the next digit is a quotient, and whether what has been written already lies nearer to
 * the number than to any neighbour is a comparison (Steele and White, 1990; Burger and Dybvig,
 * 1996). Usual numbers need one or two words for that, the farthest ones eighteen.
 */
#include "core/decimal.h"

#include <stddef.h>
#include <string.h>

/* 2^1074 as the scale, 2 bits for halves, 4 for a digit, and 10^324 x 2^53 are below 2^1152. */
#define WORDS 20

/* A natural number, least significant word first, no zero word at the top. */
struct natural {
	unsigned n;
	uint64_t word[WORDS];
};

static void set(struct natural *a, uint64_t v)
{
	a->n = v != 0;
	a->word[0] = v;
}

static void multiply(struct natural *a, uint64_t by)
{
	uint64_t carry = 0;

	for (unsigned i = 0; i < a->n; i++) {
		unsigned __int128 v = (unsigned __int128)a->word[i] * by + carry;

		a->word[i] = (uint64_t)v;
		carry = (uint64_t)(v >> 64);
	}
	if (carry && a->n < WORDS)
		a->word[a->n++] = carry;
}

static void multiply_pow10(struct natural *a, int power)
{
	for (; power >= 19; power -= 19)
		multiply(a, 10000000000000000000u);
	for (; power >= 4; power -= 4)
		multiply(a, 10000);
	for (; power > 0; power--)
		multiply(a, 10);
}

static void shift(struct natural *a, int bits)
{
	unsigned words = (unsigned)bits / 64;

	multiply(a, (uint64_t)1 << bits % 64);
	if (!words || !a->n || a->n + words > WORDS)
		return;
	memmove(a->word + words, a->word, a->n * sizeof(a->word[0]));
	memset(a->word, 0, words * sizeof(a->word[0]));
	a->n += words;
}

/* Below, at or above zero as a is below, at or above b. */
static int compare(const struct natural *a, const struct natural *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	for (unsigned i = a->n; i-- > 0;)
		if (a->word[i] != b->word[i])
			return a->word[i] < b->word[i] ? -1 : 1;
	return 0;
}

/* *ret = a + b */
static void add(const struct natural *a, const struct natural *b, struct natural *ret)
{
	bool carry = false;

	if (a->n < b->n) {
		const struct natural *swap = a;

		a = b;
		b = swap;
	}
	for (unsigned i = 0; i < a->n; i++) {
		uint64_t v = a->word[i] + carry;
		uint64_t w = i < b->n ? b->word[i] : 0;

		carry = v < carry;
		v += w;
		carry |= v < w;
		ret->word[i] = v;
	}
	ret->n = a->n;
	if (carry && ret->n < WORDS)
		ret->word[ret->n++] = 1;
}

/* Takes b, which is not greater, off *a. */
static void subtract(struct natural *a, const struct natural *b)
{
	bool borrow = false;

	for (unsigned i = 0; i < a->n; i++) {
		uint64_t v = a->word[i];
		uint64_t w = i < b->n ? b->word[i] : 0;

		a->word[i] = v - w - borrow;
		borrow = v < w || (v == w && borrow);
	}
	while (a->n && !a->word[a->n - 1])
		a->n--;
}

/* A number on its way: rest / scale lies in [0, 10), its first digit being the next one. */
struct state {
	struct natural rest;
	struct natural scale;
	struct natural below; /* half of the distance to the neighbours, over the same scale */
	struct natural above;
	bool even; /* halfway to a neighbour still reads back as this number */
};

/* Makes b's state and returns its decimal exponent. */
static int start(struct state *s, struct ck_binary b)
{
	int bits = 64 - __builtin_clzll(b.mantissa);
	int halves = b.uneven ? 2 : 1;
	int up = b.exponent > 0 ? b.exponent : 0;
	int down = b.exponent < 0 ? -b.exponent : 0;
	long log2 = bits + b.exponent - 1;
	/* floor(log10(2^log2)): the right one or one too small; the error of 0.30103 is below what
	 * lies between any power of two in range and a power of ten. */
	int exponent = (int)((log2 * 30103 - (log2 < 0 ? 99999 : 0)) / 100000);
	struct natural ten;

	set(&s->rest, b.mantissa);
	shift(&s->rest, up + halves);
	set(&s->scale, 1);
	shift(&s->scale, down + halves);
	set(&s->below, 1);
	shift(&s->below, up);
	set(&s->above, b.uneven ? 2 : 1);
	shift(&s->above, up);
	s->even = b.mantissa % 2 == 0;
	if (exponent > 0) {
		multiply_pow10(&s->scale, exponent);
	} else {
		multiply_pow10(&s->rest, -exponent);
		multiply_pow10(&s->below, -exponent);
		multiply_pow10(&s->above, -exponent);
	}
	ten = s->scale;
	multiply(&ten, 10);
	if (compare(&s->rest, &ten) >= 0) {
		s->scale = ten;
		exponent++;
	}
	return exponent;
}

static int next_digit(struct state *s)
{
	int digit = 0;

	while (compare(&s->rest, &s->scale) >= 0) {
		subtract(&s->rest, &s->scale);
		digit++;
	}
	return digit;
}

/* Whether the digits so far read back as the number: as they are, and with the last one raised. */
static bool reads_back(const struct state *s, bool *down, bool *up)
{
	struct natural high;

	add(&s->rest, &s->above, &high);
	*down = compare(&s->rest, &s->below) < s->even;
	*up = compare(&high, &s->scale) > -s->even;
	return *down || *up;
}

/* Whether the digits so far are nearer to the number with the last one raised. */
static bool nearer_up(struct state *s, int digit)
{
	int c;

	multiply(&s->rest, 2);
	c = compare(&s->rest, &s->scale);
	return c > 0 || (c == 0 && digit % 2);
}

/* Raises the last digit; a carry shortens the digits, since zeros at the end are not kept. */
static void raise_last(struct ck_decimal *d)
{
	while (d->n && d->digits[d->n - 1] == '9')
		d->n--;
	if (d->n) {
		d->digits[d->n - 1]++;
		return;
	}
	d->digits[d->n++] = '1';
	d->exponent++;
}

void ck_decimal(struct ck_binary b, struct ck_decimal_limits limits, struct ck_decimal *ret)
{
	int max = CK_DECIMAL_MAX;
	bool down = false, up = false;
	struct state s;

	*ret = (struct ck_decimal){ .n = 1, .digits = "0" };
	if (!b.mantissa)
		return;
	ret->exponent = start(&s, b);
	if (limits.max && limits.max < max)
		max = limits.max;
	if (limits.fraction && ret->exponent + 1 + limits.fraction < max)
		max = ret->exponent + 1 + limits.fraction;
	for (ret->n = 1;; ret->n++) {
		int digit = next_digit(&s);
		bool last = ret->n >= max;

		ret->digits[ret->n - 1] = (char)('0' + digit);
		if (last || ret->n >= limits.min) {
			bool enough = reads_back(&s, &down, &up);

			if (enough || last) {
				if (down == up)
					up = nearer_up(&s, digit);
				break;
			}
		}
		multiply(&s.rest, 10);
		multiply(&s.below, 10);
		multiply(&s.above, 10);
	}
	if (up)
		raise_last(ret);
	while (ret->n > 1 && ret->digits[ret->n - 1] == '0')
		ret->n--;
}

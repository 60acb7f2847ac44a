// hot: a series is active while its last value is above a limit.
#include "tocsin.h"

const char rule_manifest[] =
	"{\"abi\":{\"major\":1,\"min_minor\":0},\"name\":\"hot\",\"version\":\"1.0.0\","
	"\"description\":\"a value above a limit, and for how many evaluations\","
	"\"params\":[{\"name\":\"above\",\"type\":\"float\",\"default\":80,\"description\":\"a series above this is active\"}],"
	"\"inputs\":[{\"name\":\"values\",\"reduce\":\"last\",\"default_range\":\"5m\",\"description\":\"what is compared\"}]}";
const uint32_t rule_inputs = 1;

static double above;

// For how many evaluations in a row a series has been above the limit, by its index.
static uint32_t n;
static tocsin_memory counts, moved;

int32_t rule_configure(void) {
	above = tocsin_param_float("above", 80);
	return TOCSIN_OK;
}

// Series came or went, or stand at other places: their counts move with them.
int32_t rule_series(const tocsin_dictionary *d) {
	if (!tocsin_room(&counts, 4 * d->n) || !tocsin_room(&moved, 4 * d->n)) return TOCSIN_OUT_OF_MEMORY;
	const uint32_t *from = (const uint32_t *)counts.at;
	uint32_t *to = (uint32_t *)moved.at;
	for (uint32_t i = 0; i < d->n; i++) to[i] = d->remap[i] < n ? from[d->remap[i]] : 0;
	const tocsin_memory swap = counts;
	counts = moved, moved = swap;
	n = d->n;
	return TOCSIN_OK;
}

int32_t rule_eval(const tocsin_window *w) {
	uint32_t *count = (uint32_t *)counts.at;
	const tocsin_input *in = &w->inputs[0];
	for (uint32_t i = 0; i < in->n; i++) {
		const uint32_t s = in->series[i];
		double v;
		if (!tocsin_last(in, i, &v) || in->flags[i] & TOCSIN_MISSING) {
			tocsin_verdict(s, TOCSIN_UNKNOWN, __builtin_nan(""));
		} else if (in->flags[i] & TOCSIN_ENDED) {
			count[s] = 0; // its target no longer has it: left out, so that the engine sees it go
		} else if (v > above) {
			count[s]++;
			tocsin_verdict(s, TOCSIN_ACTIVE, v);
			tocsin_threshold(above);
			tocsin_text("evaluations above: ");
			tocsin_text_number(count[s]);
		} else {
			count[s] = 0;
			tocsin_verdict(s, TOCSIN_HEALTHY, v);
			tocsin_threshold(above);
		}
	}
	return TOCSIN_OK;
}

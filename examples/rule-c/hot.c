// hot: a series is active while its last value is above a limit.
#include "tocsin.h"

const char rule_manifest[] =
	"{\"abi\":{\"major\":1,\"min_minor\":0},\"name\":\"hot\",\"version\":\"1.0.0\","
	"\"description\":\"a value above a limit, and for how many evaluations\","
	"\"state\":{\"version\":1},"
	"\"params\":[{\"name\":\"above\",\"type\":\"float\",\"default\":80,\"description\":\"a series above this is active\"}],"
	"\"inputs\":[{\"name\":\"values\",\"reduce\":\"last\",\"default_range\":\"5m\",\"description\":\"what is compared\"}]}";
const uint32_t rule_inputs = 1;

static double above;

// For how many evaluations in a row a series has been above the limit.
static tocsin_column counts = {.width = sizeof(uint32_t)};
tocsin_column *const rule_columns[] = {&counts, 0};

int32_t rule_configure(void) {
	above = tocsin_param_float("above", 80);
	return TOCSIN_OK;
}

int32_t rule_eval(const tocsin_window *w) {
	uint32_t *count = (uint32_t *)counts.now.at;
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

// echo: what it was given, said of each series, with a label once more.
#include "tocsin.h"

const char rule_manifest[] =
	"{\"abi\": {\"major\": 1, \"min_minor\": 0}, \"name\": \"echo\","
	"\"params\": [{\"name\": \"word\", \"type\": \"string\"}, {\"name\": \"words\", \"type\": \"list(string)\"}, {\"name\": \"flag\", \"type\": \"bool\"},"
	"{\"name\": \"span\", \"type\": \"duration\"}, {\"name\": \"count\", \"type\": \"int\"}, {\"name\": \"pairs\", \"type\": \"map(string)\"}],"
	"\"inputs\": [{\"name\": \"values\", \"reduce\": \"last\"}]}";
const uint32_t rule_inputs = 1;
tocsin_column *const rule_columns[] = {0};

static tocsin_memory words; // parameters are there only while rule_configure runs
static uint32_t n_words;
static double span, count;

static void say(const char *s, uint32_t n) {
	if (!tocsin_room(&words, n_words + n)) return;
	__builtin_memcpy(words.at + n_words, s, n);
	n_words += n;
}

int32_t rule_configure(void) {
	uint32_t n;
	const char *word = tocsin_param_text("word", 0, &n);
	n_words = 0;
	say(word ? word : "none", word ? n : 4);
	say(tocsin_param_bool("flag", 0) ? " true" : " false", tocsin_param_bool("flag", 0) ? 5 : 6);
	for (uint32_t k = 0; (word = tocsin_param_text("words", k, &n)); k++) {
		say(" ", 1);
		say(word, n);
	}
	span = (double)tocsin_param_int("span", 0) / 1e9;
	count = (double)tocsin_param_int("count", 7);
	return TOCSIN_OK;
}

int32_t rule_eval(const tocsin_window *w) {
	for (uint32_t i = 0; i < w->inputs[0].n; i++) {
		uint32_t n;
		const uint32_t s = w->inputs[0].series[i];
		const char *label = tocsin_series_label(s, "s", &n);
		tocsin_verdict(s, TOCSIN_ACTIVE, span);
		tocsin_threshold(count);
		tocsin_label("of", label, n);
		tocsin_text_bytes((const char *)words.at, n_words);
	}
	return TOCSIN_OK;
}

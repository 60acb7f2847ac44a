// The part of a rule module that every rule in C has: it reads what the engine sends and writes what the rule says.
#include "tocsin.h"

#define IMPORT(name) __attribute__((import_module("tocsin_v1"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(emit) int32_t host_emit(int32_t kind, const void *at, uint32_t n);
IMPORT(fail) void host_fail(int32_t code, const void *at, uint32_t n);
IMPORT(host_info) int64_t host_info(int32_t field);

enum { EMIT_RESULT = 1, EMIT_STATE = 2, EMIT_MANIFEST = 3, INFO_MAX_EMIT = 2, INFO_MAX_ALERTS = 3 };

#define MAGIC(c) ('T' | 'S' << 8 | (uint32_t)(c) << 16 | (uint32_t)'1' << 24)

static uint32_t length(const char *s) {
	uint32_t n = 0;
	while (s[n]) n++;
	return n;
}

int32_t tocsin_fail(int32_t code, const char *message) {
	host_fail(code, message, length(message));
	return code;
}

// ---- memory ----------------------------------------------------------------------------------------------------------

extern uint8_t __heap_base; // set by the linker
static uint32_t heap;       // where free memory begins

// take takes bytes from the end of the heap. What a memory leaves behind when it moves is lost: at most as much as it has.
static uint32_t take(uint32_t size) {
	if (!heap) heap = ((uint32_t)&__heap_base + 7) & ~7u;
	uint64_t end = (uint64_t)heap + size, have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
	if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (unsigned long)-1) return 0;
	uint32_t at = heap;
	heap = (uint32_t)end;
	return at;
}

int tocsin_room(tocsin_memory *m, uint32_t size) {
	if (size <= m->size) return 1;
	if (size > 1u << 31) return 0;
	uint32_t wanted = (size + 63) & ~7u;
	if (m->at && (uint32_t)m->at + m->size == heap) { // the last one: it grows where it is
		if (!take(wanted - m->size)) return 0;
	} else {
		if (wanted < 2 * m->size) wanted = 2 * m->size;
		uint32_t at = take(wanted);
		if (!at) return 0;
		__builtin_memcpy((void *)at, m->at, m->size);
		m->at = (uint8_t *)at;
	}
	__builtin_memset(m->at + m->size, 0, wanted - m->size);
	m->size = wanted;
	return 1;
}

// ---- what the engine sends ---------------------------------------------------------------------------------------------

typedef struct { uint32_t magic; uint16_t major, header_size; uint32_t total_size; } block_header;

typedef struct {
	block_header head;
	uint32_t flags;
	uint64_t sequence;
	int64_t time_ms;
	uint64_t generation;
	uint32_t n_inputs, off_inputs;
	uint16_t input_size, zero;
	uint32_t interval_ms;
	uint64_t reserved;
} window_header;

typedef struct {
	uint32_t id, n, series, spans, time_refs, times, values, flags;
	int64_t start, end;
	uint32_t n_times, n_values, targets_expected, targets_answered;
	uint16_t reduce, zero;
	uint32_t zero2;
	double reduce_arg;
} input_record;

typedef struct {
	block_header head;
	uint32_t flags;
	uint64_t generation, previous;
	uint32_t n, n_strings, n_pairs, str_off, str_bytes, pairs, series_pairs, uid, remap, kind, n_bytes, zero;
} dictionary_header;

typedef struct { block_header head; uint32_t n; } params_header;
typedef struct { uint32_t name, name_len; uint8_t type, shape; uint16_t zero; uint32_t n, off; } param_record;

typedef struct { uint32_t at, n; } text_ref;

enum { PARAM_BOOL = 1, PARAM_INT, PARAM_FLOAT, PARAM_STRING, PARAM_DURATION };
enum { SCALAR, LIST, MAP }; // shapes

static tocsin_memory slots[4];
static const uint8_t *params, *series; // the blocks in use
static tocsin_window window;
static uint32_t n_series, n_waiting; // with something remembered; that were restored, see below
static int configured;

// whole tells whether a block is what it should be, and all there.
static int whole(const uint8_t *block, uint32_t n, char kind, uint32_t header) {
	const block_header *h = (const void *)block;
	return n >= header && h->magic == MAGIC(kind) && h->major == 1 && h->header_size >= header &&
		h->total_size >= h->header_size && h->total_size <= n;
}

// inside tells whether n elements lie in the block, aligned.
static int inside(const uint8_t *block, uint32_t off, uint32_t n, uint32_t width, uint32_t align) {
	return n == 0 || (off % align == 0 && (uint64_t)off + (uint64_t)n * width <= ((const block_header *)block)->total_size);
}

EXPORT(tocsin_abi_v1) void abi_v1(void) {}

EXPORT(tocsin_describe) int32_t describe(void) { return host_emit(EMIT_MANIFEST, rule_manifest, length(rule_manifest)); }

EXPORT(tocsin_buffer) void *buffer(uint32_t slot, uint32_t size) {
	return slot < 4 && tocsin_room(&slots[slot], size) ? slots[slot].at : 0;
}

// sound tells whether a parameter can be read. Maps are passed over.
static int sound(const param_record *p) {
	if (!inside(params, p->name, p->name_len, 1, 1) || p->shape > MAP || (p->shape == SCALAR && p->n != 1)) return 0;
	if (p->shape == MAP) return 1;
	if (p->type == PARAM_BOOL) return inside(params, p->off, p->n, 1, 1);
	if (p->type != PARAM_STRING) return p->type <= PARAM_DURATION && inside(params, p->off, p->n, 8, 8);
	const text_ref *text = (const void *)(params + p->off);
	if (!inside(params, p->off, p->n, sizeof *text, 4)) return 0;
	for (uint32_t i = 0; i < p->n; i++)
		if (!inside(params, text[i].at, text[i].n, 1, 1)) return 0;
	return 1;
}

EXPORT(tocsin_configure) int32_t configure(int32_t rule, const uint8_t *block, uint32_t n) {
	(void)rule; // always 0: the module is not shared
	const params_header *h = (const void *)block;
	if (!whole(block, n, 'P', sizeof *h) || !inside(block, h->head.header_size, h->n, sizeof(param_record), 4))
		return tocsin_fail(TOCSIN_BAD_CONFIG, "malformed parameters");
	params = block;
	series = 0;
	n_series = n_waiting = 0;
	const param_record *p = (const void *)(block + h->head.header_size);
	for (uint32_t i = 0; i < h->n; i++)
		if (!sound(&p[i])) return tocsin_fail(TOCSIN_BAD_CONFIG, "malformed parameter");
	int32_t status = rule_configure();
	configured = status == TOCSIN_OK;
	return status;
}

static int equal(const void *at, uint32_t n, const char *name) {
	const char *s = at;
	for (uint32_t i = 0; i < n; i++)
		if (!name[i] || s[i] != name[i]) return 0;
	return !name[n];
}

static const param_record *param(const char *name) {
	const params_header *h = (const void *)params;
	const param_record *p = (const void *)(params + h->head.header_size);
	for (uint32_t i = 0; i < h->n; i++)
		if (equal(params + p[i].name, p[i].name_len, name)) return &p[i];
	return 0;
}

// scalar is where the value of a parameter stands, 0 where it was not given or is of another type.
static const void *scalar(const char *name, int type, int other) {
	const param_record *p = param(name);
	return p && p->shape == SCALAR && (p->type == type || p->type == other) ? params + p->off : 0;
}

double tocsin_param_float(const char *name, double otherwise) {
	const double *v = scalar(name, PARAM_FLOAT, PARAM_FLOAT);
	return v ? *v : otherwise;
}

int64_t tocsin_param_int(const char *name, int64_t otherwise) {
	const int64_t *v = scalar(name, PARAM_INT, PARAM_DURATION);
	return v ? *v : otherwise;
}

int tocsin_param_bool(const char *name, int otherwise) {
	const uint8_t *v = scalar(name, PARAM_BOOL, PARAM_BOOL);
	return v ? *v != 0 : otherwise;
}

const char *tocsin_param_text(const char *name, uint32_t i, uint32_t *n) {
	const param_record *p = param(name);
	*n = 0;
	if (!p || p->shape == MAP || p->type != PARAM_STRING || i >= p->n) return 0;
	const text_ref text = ((const text_ref *)(params + p->off))[i];
	*n = text.n;
	return (const char *)params + text.at;
}

// ---- what is remembered of each series ---------------------------------------------------------------------------------

// The state is a record for each series of which anything is remembered: its fingerprint, and its element of each column.
// What was restored waits until its series appears, as the target of one may answer later than that of another.
static tocsin_memory waiting, places, saved;
static uint32_t mask; // of places

static uint32_t record_size(void) {
	uint32_t size = sizeof(uint64_t);
	for (tocsin_column *const *c = rule_columns; *c; c++) size += (*c)->width;
	return size;
}

static uint64_t uid_of(const uint8_t *record) {
	const uint32_t *half = (const void *)record; // at a multiple of 4
	return half[0] | (uint64_t)half[1] << 32;
}

// place is where the number of the record of a series stands, plus one, or where it belongs: open addressing.
static uint32_t *place(uint64_t uid) {
	uint32_t *at = (uint32_t *)places.at, i = (uint32_t)uid & mask;
	while (at[i] && uid_of(waiting.at + (at[i] - 1) * record_size()) != uid) i = (i + 1) & mask;
	return &at[i];
}

// recall fills the elements of a series that is new from its record, once.
static void recall(uint64_t uid, uint32_t i) {
	const uint32_t number = n_waiting ? *place(uid) : 0;
	if (!number) return;
	uint8_t *from = waiting.at + (number - 1) * record_size() + sizeof uid;
	for (tocsin_column *const *c = rule_columns; *c; c++) {
		const uint32_t width = (*c)->width;
		__builtin_memcpy((*c)->now.at + i * width, from, width);
		__builtin_memset(from, 0, width);
		from += width;
	}
}

// move_columns takes what is remembered along to the places of another dictionary.
static int move_columns(const tocsin_dictionary *d) {
	const uint32_t before = n_series;
	n_series = 0; // nothing is remembered if this fails
	for (tocsin_column *const *c = rule_columns; *c; c++) {
		const uint32_t width = (*c)->width;
		if ((uint64_t)d->n * width > 1u << 31 || !tocsin_room(&(*c)->before, d->n * width)) return 0;
		for (uint32_t i = 0; i < d->n; i++) {
			uint8_t *to = (*c)->before.at + i * width;
			if (d->remap[i] < before) __builtin_memcpy(to, (*c)->now.at + d->remap[i] * width, width);
			else __builtin_memset(to, 0, width);
		}
		const tocsin_memory swap = (*c)->now;
		(*c)->now = (*c)->before, (*c)->before = swap;
	}
	for (uint32_t i = 0; i < d->n; i++)
		if (d->remap[i] >= before) recall(d->uid[i], i);
	n_series = d->n;
	return 1;
}

EXPORT(tocsin_snapshot) int32_t snapshot(int32_t rule) {
	(void)rule;
	const uint32_t size = record_size();
	if (!series) return n_waiting ? host_emit(EMIT_STATE, waiting.at, n_waiting * size) : TOCSIN_OK;
	const uint64_t *uid = (const uint64_t *)(series + ((const dictionary_header *)series)->uid);
	uint32_t n = 0;
	for (uint32_t i = 0; i < n_series; i++) {
		if (!tocsin_room(&saved, (n + 1) * size)) return tocsin_fail(TOCSIN_OUT_OF_MEMORY, "no memory for the state");
		uint8_t *to = saved.at + n * size, some = 0;
		__builtin_memcpy(to, &uid[i], sizeof *uid);
		to += sizeof *uid;
		for (tocsin_column *const *c = rule_columns; *c; to += (*c)->width, c++) {
			__builtin_memcpy(to, (*c)->now.at + i * (*c)->width, (*c)->width);
			for (uint32_t k = 0; k < (*c)->width; k++) some |= to[k];
		}
		n += some != 0;
	}
	return n ? host_emit(EMIT_STATE, saved.at, n * size) : TOCSIN_OK;
}

EXPORT(tocsin_restore) int32_t restore(int32_t rule, const uint8_t *block, uint32_t n) {
	(void)rule;
	const uint32_t size = record_size();
	if (!configured || n % size) return tocsin_fail(TOCSIN_BAD_INPUT, "malformed state");
	for (mask = 63; mask < 2 * (n / size); mask = 2 * mask + 1) {}
	if (!tocsin_room(&waiting, n) || !tocsin_room(&places, 4 * (mask + 1))) return tocsin_fail(TOCSIN_OUT_OF_MEMORY, "no memory for the state");
	__builtin_memcpy(waiting.at, block, n);
	__builtin_memset(places.at, 0, places.size);
	for (n_waiting = 0; n_waiting < n / size; n_waiting++) {
		uint32_t *at = place(uid_of(waiting.at + n_waiting * size));
		if (*at) return n_waiting = 0, tocsin_fail(TOCSIN_BAD_INPUT, "a series stands in the state twice");
		*at = n_waiting + 1;
	}
	return TOCSIN_OK;
}

// The dictionary stays in its slot until the next one comes: nothing is copied, and no string is looked at before it is
// asked for.
EXPORT(tocsin_series) int32_t take_series(int32_t rule, const uint8_t *block, uint32_t n) {
	(void)rule;
	series = 0;
	const dictionary_header *h = (const void *)block;
	if (!configured || !whole(block, n, 'D', sizeof *h) || h->n >= 1u << 28 ||
		!inside(block, h->uid, h->n, 8, 8) || !inside(block, h->remap, h->n, 4, 4) ||
		!inside(block, h->series_pairs, h->n + 1, 4, 4) || !inside(block, h->pairs, h->n_pairs, 8, 4) ||
		!inside(block, h->str_off, h->n_strings, 4, 4) || !inside(block, h->str_bytes, h->n_bytes, 1, 1))
		return tocsin_fail(TOCSIN_BAD_INPUT, "malformed series");
	series = block;
	const tocsin_dictionary d = {h->n, (const uint64_t *)(block + h->uid), (const uint32_t *)(block + h->remap)};
	if (!move_columns(&d)) {
		series = 0;
		return tocsin_fail(TOCSIN_OUT_OF_MEMORY, "no memory for what is remembered");
	}
	return rule_series(&d);
}

__attribute__((weak)) int32_t rule_series(const tocsin_dictionary *d) { return (void)d, TOCSIN_OK; }

const char *tocsin_series_label(uint32_t i, const char *name, uint32_t *n) {
	const dictionary_header *h = (const void *)series;
	const uint32_t *offsets = (const uint32_t *)(series + h->str_off), *pairs = (const uint32_t *)(series + h->pairs);
	const uint32_t *of = (const uint32_t *)(series + h->series_pairs);
	for (uint32_t p = of[i]; p < of[i + 1] && p < h->n_pairs; p++) {
		const uint32_t words[] = {pairs[2 * p], pairs[2 * p + 1]};
		const char *text[2];
		uint32_t size[2];
		for (int k = 0; k < 2; k++) {
			if (words[k] >= h->n_strings || offsets[words[k]] > offsets[words[k] + 1] || offsets[words[k] + 1] > h->n_bytes) break;
			text[k] = (const char *)series + h->str_bytes + offsets[words[k]];
			size[k] = offsets[words[k] + 1] - offsets[words[k]];
			if (k == 0 && !equal(text[0], size[0], name)) break;
			if (k == 1) return *n = size[1], text[1];
		}
	}
	return *n = 0, (const char *)0;
}

// columns makes an input of its record. Spans and references are checked here, so that no rule needs to.
static int columns(const uint8_t *block, const input_record *r, tocsin_input *in) {
	const uint32_t n = r->n, n_series = ((const dictionary_header *)series)->n;
	if (n >= 1u << 28 || !inside(block, r->series, n, 4, 4) || !inside(block, r->spans, n, 8, 4) ||
		!inside(block, r->time_refs, n, 4, 4) || !inside(block, r->flags, n, 1, 1) ||
		!inside(block, r->times, r->n_times, 8, 8) || !inside(block, r->values, r->n_values, 8, 8))
		return 0;
	*in = (tocsin_input){
		n, (const uint32_t *)(block + r->series), (const tocsin_span *)(block + r->spans), (const uint32_t *)(block + r->time_refs),
		(const int64_t *)(block + r->times), (const double *)(block + r->values), block + r->flags,
		r->start, r->end, r->targets_expected, r->targets_answered,
	};
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t count = in->spans[i].count;
		if (in->series[i] >= n_series || in->spans[i].start + count > r->n_values) return 0;
		if (r->reduce == 0 && count && in->time_refs[i] + count > r->n_times) return 0;
	}
	return 1;
}

int tocsin_last(const tocsin_input *in, uint32_t i, double *value) {
	if (!in->spans[i].count) return 0;
	*value = in->values[in->spans[i].start + in->spans[i].count - 1];
	return 1;
}

// ---- what the rule says ------------------------------------------------------------------------------------------------

typedef struct { uint32_t magic, n, records, n_labels, labels, text, text_len, zero; } result_header;

typedef struct {
	uint32_t series;
	uint8_t verdict, severity;
	uint16_t flags;
	double value, threshold;
	uint64_t key;
	uint32_t label_start, label_count, text, text_len;
} verdict_record;

typedef struct { uint32_t name, name_len, value, value_len; } label_record;

// Three parts that grow; offsets into the text count from its start until the result is complete.
static struct {
	tocsin_memory records, labels, text;
	uint32_t n, n_labels, text_len;
	int full; // there was no memory for all of it
} out;

static verdict_record *last(void) { return (verdict_record *)out.records.at + (out.n - 1); }

// say appends text and returns where it begins.
static uint32_t say(const char *s, uint32_t n) {
	const uint32_t at = out.text_len;
	if (!tocsin_room(&out.text, at + n)) return out.full = 1, at;
	__builtin_memcpy(out.text.at + at, s, n);
	out.text_len += n;
	return at;
}

void tocsin_verdict(uint32_t of, int verdict, double value) {
	if (!tocsin_room(&out.records, (out.n + 1) * sizeof(verdict_record))) {
		out.full = 1;
		return;
	}
	out.n++;
	*last() = (verdict_record){.series = of, .verdict = (uint8_t)verdict, .value = value, .threshold = __builtin_nan(""), .label_start = out.n_labels};
}

void tocsin_threshold(double threshold) { if (out.n) last()->threshold = threshold; }

void tocsin_label(const char *name, const char *value, uint32_t n) {
	if (!out.n || !tocsin_room(&out.labels, (out.n_labels + 1) * sizeof(label_record))) {
		out.full = 1;
		return;
	}
	const uint32_t a = say(name, length(name)), b = say(value, n);
	((label_record *)out.labels.at)[out.n_labels++] = (label_record){a, length(name), b, n};
	last()->label_count++;
}

void tocsin_text_bytes(const char *s, uint32_t n) {
	if (!out.n) return;
	const uint32_t at = say(s, n);
	if (!last()->text_len) last()->text = at;
	last()->text_len += n;
}

void tocsin_text(const char *s) { tocsin_text_bytes(s, length(s)); }

void tocsin_text_number(uint64_t number) {
	char digits[20];
	uint32_t at = sizeof digits;
	do digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	tocsin_text_bytes(digits + at, sizeof digits - at);
}

static int32_t emit_result(void) {
	const uint32_t labels = sizeof(result_header) + out.n * sizeof(verdict_record);
	const uint32_t text = labels + out.n_labels * sizeof(label_record);
	if (out.full) return tocsin_fail(TOCSIN_OUT_OF_MEMORY, "no memory for the result");
	if (out.n > host_info(INFO_MAX_ALERTS) || text + out.text_len > host_info(INFO_MAX_EMIT))
		return tocsin_fail(TOCSIN_INTERNAL, "more verdicts than the engine takes");
	for (uint32_t i = 0; i < out.n; i++) ((verdict_record *)out.records.at)[i].text += text;
	for (uint32_t i = 0; i < out.n_labels; i++) {
		((label_record *)out.labels.at)[i].name += text;
		((label_record *)out.labels.at)[i].value += text;
	}
	const result_header h = {MAGIC('R'), out.n, sizeof h, out.n_labels, labels, text, out.text_len, 0};
	if (host_emit(EMIT_RESULT, &h, sizeof h) || host_emit(EMIT_RESULT, out.records.at, labels - sizeof h) ||
		host_emit(EMIT_RESULT, out.labels.at, text - labels) || host_emit(EMIT_RESULT, out.text.at, out.text_len))
		return tocsin_fail(TOCSIN_INTERNAL, "the result was refused");
	return TOCSIN_OK;
}

EXPORT(tocsin_eval) int32_t eval(int32_t rule, const uint8_t *block, uint32_t n) {
	(void)rule;
	const window_header *h = (const void *)block;
	if (!whole(block, n, 'W', sizeof *h) || h->n_inputs > TOCSIN_MAX_INPUTS || h->input_size < sizeof(input_record) ||
		h->n_inputs != rule_inputs || !inside(block, h->off_inputs, h->n_inputs, h->input_size, 8))
		return tocsin_fail(TOCSIN_BAD_INPUT, "malformed window");
	if (!series || ((const dictionary_header *)series)->generation != h->generation)
		return tocsin_fail(TOCSIN_BAD_INPUT, "a window over series that were not given");
	window.flags = h->flags;
	window.time_ms = h->time_ms;
	window.interval_ms = h->interval_ms;
	window.n_inputs = h->n_inputs;
	for (uint32_t i = 0; i < h->n_inputs; i++)
		if (!columns(block, (const void *)(block + h->off_inputs + i * h->input_size), &window.inputs[i]))
			return tocsin_fail(TOCSIN_BAD_INPUT, "malformed input");
	out.n = out.n_labels = out.text_len = 0;
	out.full = 0;
	const int32_t status = rule_eval(&window);
	return status == TOCSIN_OK ? emit_result() : status;
}

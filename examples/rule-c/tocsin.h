// tocsin.h: rule modules for Tocsin in C, without a C library. Take this file and tocsin.c into your rule.
//
// A rule is four things that you write: rule_manifest, rule_columns, rule_configure and rule_eval. Each rule of the
// configuration gets an instance of the module to itself, so that plain globals are its memory; after a failure or a
// restart they are as new, apart from what the columns remember of each series.
#ifndef TOCSIN_H
#define TOCSIN_H

#include <stdint.h>

// What a function of a rule returns: zero or one, or an error below zero, best with tocsin_fail.
enum {
	TOCSIN_OK = 0,
	TOCSIN_NO_VERDICT = 1, // from rule_eval: insufficient data, all instances stay as they are
	TOCSIN_BAD_CONFIG = -1,
	TOCSIN_INTERNAL = -2,
	TOCSIN_OUT_OF_MEMORY = -4,
	TOCSIN_BAD_INPUT = -5,
};

enum { TOCSIN_HEALTHY, TOCSIN_ACTIVE, TOCSIN_UNKNOWN }; // what a verdict says

// Bits of tocsin_input.flags, of each series.
enum {
	TOCSIN_NEW = 1,       // was not in the window before
	TOCSIN_ENDED = 2,     // its target no longer has it
	TOCSIN_COUNTER = 4,
	TOCSIN_RESET = 8,     // fell inside the window
	TOCSIN_TRUNCATED = 16,
	TOCSIN_MISSING = 32,  // its target did not answer this time
	TOCSIN_BORN = 64,     // began inside the window: counts from 0
};

// Bits of tocsin_window.flags.
enum { TOCSIN_FIRST = 1, TOCSIN_SERIES_CHANGED = 2, TOCSIN_REPLAY = 4, TOCSIN_SOME_MISSING = 8 };

#define TOCSIN_NONE 0xffffffffu // no series; not in the generation before

typedef struct { uint32_t start, count; } tocsin_span;

// One input of the window, in the order of the manifest: columns of n elements, one for each series. The samples of
// series i are values[spans[i].start] and the spans[i].count-1 after it; the time of the k-th, in Unix milliseconds, is
// times[time_refs[i] + k]. A reduced input has one value or none and no times.
typedef struct {
	uint32_t n;
	const uint32_t *series; // index into the dictionary
	const tocsin_span *spans;
	const uint32_t *time_refs;
	const int64_t *times;
	const double *values;
	const uint8_t *flags;
	int64_t start, end; // of the window, Unix milliseconds, (start, end]
	uint32_t targets_expected, targets_answered;
} tocsin_input;

#define TOCSIN_MAX_INPUTS 64

typedef struct {
	uint32_t flags;
	int64_t time_ms;
	uint32_t interval_ms;
	uint32_t n_inputs;
	tocsin_input inputs[TOCSIN_MAX_INPUTS];
} tocsin_window;

// All series that windows name, until rule_series is called with others.
typedef struct {
	uint32_t n;
	const uint64_t *uid;   // hash of the labels, the same after a restart
	const uint32_t *remap; // index in the dictionary before this one, or TOCSIN_NONE
} tocsin_dictionary;

// Memory that grows. tocsin_room makes it at least size bytes large and keeps what it holds; new bytes are 0.
typedef struct { uint8_t *at; uint32_t size; } tocsin_memory;
int tocsin_room(tocsin_memory *m, uint32_t size); // 0 when there is none

// What is remembered of each series: an element of width bytes, a multiple of 4, in now.at by the index of the series. It
// is 0 of a series that is new, moves with its series, and outlives a restart where the manifest has a state version.
typedef struct { uint32_t width; tocsin_memory now, before; } tocsin_column;

// What you write. The manifest is JSON; inputs, parameters and the version of the state stand in it.
extern const char rule_manifest[];
extern const uint32_t rule_inputs;          // how many the manifest has
extern tocsin_column *const rule_columns[]; // 0 is the last one
int32_t rule_configure(void);                    // once: read parameters
int32_t rule_series(const tocsin_dictionary *d); // if there is one: first, and when series came or went
int32_t rule_eval(const tocsin_window *w);       // each evaluation: give verdicts

// For rule_configure: a parameter, or otherwise where it was not given. Copy what you keep: it is gone afterwards.
double tocsin_param_float(const char *name, double otherwise);
int64_t tocsin_param_int(const char *name, int64_t otherwise); // durations too, in nanoseconds
int tocsin_param_bool(const char *name, int otherwise);
// Element i of a list of strings, or a string as its element 0: n bytes that do not end with 0. 0 where there is none.
const char *tocsin_param_text(const char *name, uint32_t i, uint32_t *n);

// For rule_eval: whether series i has a value, which is its last sample.
int tocsin_last(const tocsin_input *in, uint32_t i, double *value);

// For rule_eval: a verdict about a series of the dictionary, or about TOCSIN_NONE and what labels name.
void tocsin_verdict(uint32_t series, int verdict, double value);
// Adds to the last verdict what its value was compared with, a label of its identity, or words.
void tocsin_threshold(double threshold);
void tocsin_label(const char *name, const char *value, uint32_t n); // of n bytes
void tocsin_text(const char *words);
void tocsin_text_bytes(const char *words, uint32_t n);
void tocsin_text_number(uint64_t number); // after words

// The label of a series, as n bytes that do not end with 0; no bytes where it has none of that name.
const char *tocsin_series_label(uint32_t series, const char *name, uint32_t *n);

// Says why, and returns code.
int32_t tocsin_fail(int32_t code, const char *message);

#endif

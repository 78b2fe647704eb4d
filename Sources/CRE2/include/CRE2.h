// RE2 behind C: linear-time regular expressions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A compiled pattern; immutable, so any thread may match with it.
typedef struct cre2_regex cre2_regex;

/// Where a group matched, as byte offsets into the text; start is -1 when the group took no part.
typedef struct {
    intptr_t start;
    intptr_t end;
} cre2_range;

/// Compiles a pattern. `memory_bytes` bounds what the compiled program and its automata may use.
/// On failure returns null and writes a message, cut to `message_capacity` bytes with its NUL, to `message`.
cre2_regex *cre2_compile(
    const char *pattern, size_t count, int64_t memory_bytes, char *message, size_t message_capacity);

void cre2_free(cre2_regex *regex);

/// The number of instructions of the compiled program, which bounds the time per byte of text.
int cre2_program_size(const cre2_regex *regex);

/// The number of capturing groups, without group 0.
int cre2_group_count(const cre2_regex *regex);

/// Whether the whole text matches. Does not allocate once the automaton's cache is warm.
int cre2_full_match(const cre2_regex *regex, const char *text, size_t count);

/// Whether any part of the text matches.
int cre2_partial_match(const cre2_regex *regex, const char *text, size_t count);

/// Finds the first match at or after `from`; writes `range_count` ranges, group 0 first. Returns 0 when there is none.
int cre2_find(
    const cre2_regex *regex, const char *text, size_t count, size_t from, cre2_range *ranges, int range_count);

/// Whether `rewrite` (with \0 to \9) uses only groups that the pattern has; else writes why to `message`.
int cre2_check_rewrite(
    const cre2_regex *regex, const char *rewrite, size_t count, char *message, size_t message_capacity);

#ifdef __cplusplus
}
#endif

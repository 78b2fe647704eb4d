// RE2 behind C: linear-time regular expressions.
#include "CRE2.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

struct cre2_regex {
    RE2 re2;
    cre2_regex(const re2::StringPiece &pattern, const RE2::Options &options) : re2(pattern, options) {}
};

namespace {

void write_message(const std::string &text, char *message, size_t capacity) {
    if (message == nullptr || capacity == 0) return;
    size_t count = std::min(text.size(), capacity - 1);
    std::memcpy(message, text.data(), count);
    message[count] = '\0';
}

constexpr int most_ranges = 17;

}  // namespace

cre2_regex *cre2_compile(
    const char *pattern, size_t count, int64_t memory_bytes, char *message, size_t message_capacity) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(memory_bytes);
    auto *regex = new (std::nothrow) cre2_regex(re2::StringPiece(pattern, count), options);
    if (regex == nullptr) {
        write_message("out of memory", message, message_capacity);
        return nullptr;
    }
    if (!regex->re2.ok()) {
        write_message(regex->re2.error(), message, message_capacity);
        delete regex;
        return nullptr;
    }
    return regex;
}

void cre2_free(cre2_regex *regex) { delete regex; }

int cre2_program_size(const cre2_regex *regex) { return regex->re2.ProgramSize(); }

int cre2_group_count(const cre2_regex *regex) { return regex->re2.NumberOfCapturingGroups(); }

int cre2_full_match(const cre2_regex *regex, const char *text, size_t count) {
    return regex->re2.Match(re2::StringPiece(text, count), 0, count, RE2::ANCHOR_BOTH, nullptr, 0) ? 1 : 0;
}

int cre2_partial_match(const cre2_regex *regex, const char *text, size_t count) {
    return regex->re2.Match(re2::StringPiece(text, count), 0, count, RE2::UNANCHORED, nullptr, 0) ? 1 : 0;
}

int cre2_find(
    const cre2_regex *regex, const char *text, size_t count, size_t from, cre2_range *ranges, int range_count) {
    re2::StringPiece groups[most_ranges];
    int wanted = std::min({range_count, most_ranges, 1 + regex->re2.NumberOfCapturingGroups()});
    if (from > count) return 0;
    if (!regex->re2.Match(re2::StringPiece(text, count), from, count, RE2::UNANCHORED, groups, wanted)) return 0;
    for (int i = 0; i < range_count; i++) {
        if (i < wanted && groups[i].data() != nullptr) {
            ranges[i].start = groups[i].data() - text;
            ranges[i].end = ranges[i].start + static_cast<intptr_t>(groups[i].size());
        } else {
            ranges[i].start = -1;
            ranges[i].end = -1;
        }
    }
    return 1;
}

int cre2_check_rewrite(
    const cre2_regex *regex, const char *rewrite, size_t count, char *message, size_t message_capacity) {
    std::string error;
    if (regex->re2.CheckRewriteString(re2::StringPiece(rewrite, count), &error)) return 1;
    write_message(error, message, message_capacity);
    return 0;
}

// The entry into libFuzzer for programs that bring their own main.
#ifndef OUTRIDER_CFUZZER_H
#define OUTRIDER_CFUZZER_H

#include <stddef.h>
#include <stdint.h>

/// Runs `target` on every input of the command line, or on generated ones for ever. In libFuzzer.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*target)(const uint8_t *data, size_t size));

#endif

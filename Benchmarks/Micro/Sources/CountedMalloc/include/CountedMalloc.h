// Counts what the program takes from the heap.
#ifndef COUNTED_MALLOC_H
#define COUNTED_MALLOC_H

/// Blocks that were taken so far, by any thread.
unsigned long counted_allocations(void);

#endif

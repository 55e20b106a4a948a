// The kernel's random bytes, which the Glibc module does not export.
#pragma once
#include <stddef.h>
#include <sys/types.h>
#if defined(__linux__)
#include <sys/random.h>
static inline ssize_t closeroll_getrandom(void *bytes, size_t count) { return getrandom(bytes, count, 0); }
#else
static inline ssize_t closeroll_getrandom(void *bytes, size_t count) {
  (void)bytes;
  (void)count;
  return -1;
}
#endif

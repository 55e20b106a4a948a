// What the Glibc module does not export, as static inline functions: GNU calls and hardware CRC-32C.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/// The text of an error number, written to `buffer`; thread-safe on every libc.
static inline void closeroll_error_text(int code, char *buffer, size_t size) {
#ifdef __GLIBC__
  snprintf(buffer, size, "%s", strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error");
#else
  if (strerror_r(code, buffer, size) != 0) snprintf(buffer, size, "error %d", code);
#endif
}

#include "CPlatformCRC32C.h"
#include "CPlatformFiles.h"
#include "CPlatformRandom.h"

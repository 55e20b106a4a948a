// System calls that the Glibc module does not export.
//
// They are compiled apart, and no system header with structures is included here: with `_GNU_SOURCE` some of those
// (`fd_set`) look different from the Glibc module's, and Swift refuses a module that disagrees with another.
#pragma once

/// Takes an open-file-description write lock on the whole file, without waiting.
/// Returns 1 when taken, 0 when another open file holds it, -1 and `errno` otherwise.
int closeroll_try_lock(int descriptor);

/// Gives the lock of this open file description back. A child process that was forked and has not reached `exec` yet shares
/// the description, and would keep the lock beyond a mere close.
void closeroll_unlock(int descriptor);

/// Asks whether another open file description holds a lock on the file. Returns 1 or 0, or -1 and `errno`.
int closeroll_is_locked_by_another(int descriptor);

/// `getrandom` without flags: waits for the generator only while the machine boots.
/// Returns the number of bytes written, which may be less than asked for, or -1 and `errno`.
ptrdiff_t closeroll_random(void *buffer, size_t size);

/// A non-blocking inotify descriptor, closed on `exec`, that watches one path for writes to it and for its end.
/// Returns the descriptor, or -1 and `errno`.
int closeroll_watch(const char *path);

/// Waits until the watch has something to report, at most `milliseconds` (-1: no limit), and takes all reports.
/// Returns 1 when the file was touched, 2 when the path no longer names the watched file, 0 when the time was up,
/// -1 and `errno` otherwise.
int closeroll_watch_wait(int descriptor, int milliseconds);

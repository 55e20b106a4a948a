#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <unistd.h>

#include "CPlatformFiles.h"

static struct flock whole_file(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
  return lock;
}

int closeroll_try_lock(int descriptor) {
  struct flock lock = whole_file();
  if (fcntl(descriptor, F_OFD_SETLK, &lock) == 0) return 1;
  return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

void closeroll_unlock(int descriptor) {
  struct flock lock = whole_file();
  lock.l_type = F_UNLCK;
  (void)fcntl(descriptor, F_OFD_SETLK, &lock);
}

int closeroll_is_locked_by_another(int descriptor) {
  struct flock lock = whole_file();
  if (fcntl(descriptor, F_OFD_GETLK, &lock) != 0) return -1;
  return lock.l_type == F_UNLCK ? 0 : 1;
}

ptrdiff_t closeroll_random(void *buffer, size_t size) { return getrandom(buffer, size, 0); }

int closeroll_watch(const char *path) {
  int descriptor = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (descriptor < 0) return -1;
  if (inotify_add_watch(descriptor, path, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF) < 0) {
    int code = errno;
    close(descriptor);
    errno = code;
    return -1;
  }
  return descriptor;
}

int closeroll_watch_wait(int descriptor, int milliseconds) {
  struct pollfd request = {.fd = descriptor, .events = POLLIN, .revents = 0};
  int ready = poll(&request, 1, milliseconds);
  if (ready <= 0) return ready;

  int result = 1;
  // Large enough for many events, and aligned for the first; a watch on one file reports no names.
  _Alignas(struct inotify_event) char buffer[4096];
  for (;;) {
    ssize_t count = read(descriptor, buffer, sizeof buffer);
    if (count < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? result : -1;
    }
    if (count == 0) return result;
    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= count;) {
      const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
      if (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_IGNORED)) result = 2;
      at += (ssize_t)sizeof(struct inotify_event) + (ssize_t)event->len;
    }
  }
}

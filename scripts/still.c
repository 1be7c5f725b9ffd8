/*
 * A clock that stands still and a die that always falls the same, for a compiler that asks both: preloaded, it makes two
 * builds of one handler the same bytes. Everybody else in the process gets the true time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static const time_t NOW = 1000000000;

static int is_compiler(void *caller) {
  Dl_info found;
  return dladdr(caller, &found) != 0 && found.dli_fname != NULL && strstr(found.dli_fname, "componentize-qjs") != NULL;
}

int clock_gettime(clockid_t id, struct timespec *to) {
  if (!is_compiler(__builtin_return_address(0))) return (int)syscall(SYS_clock_gettime, id, to);
  to->tv_sec = NOW;
  to->tv_nsec = 0;
  return 0;
}

ssize_t getrandom(void *to, size_t size, unsigned flags) {
  if (!is_compiler(__builtin_return_address(0))) return syscall(SYS_getrandom, to, size, flags);
  memset(to, 7, size);
  return (ssize_t)size;
}

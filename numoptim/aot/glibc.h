/*
 * Names that glibc gave new versions when it took in libpthread and libdl (2.34), bound to the first ones, which every
 * glibc still has: an extension built against a new glibc then loads with an old one, where Python brings both libraries.
 */
#define _GNU_SOURCE 1                /* as Python.h, which comes later, has it */
#include <features.h>
#if defined(__GLIBC__) && defined(__x86_64__)
#define FIRST(name, version) __asm__(".symver " #name ", " #name "@GLIBC_" version);
#elif defined(__GLIBC__) && defined(__aarch64__)
#define FIRST(name, version) __asm__(".symver " #name ", " #name "@GLIBC_2.17");
#else
#define FIRST(name, version)
#endif

FIRST(dlopen, "2.2.5")
FIRST(dlsym, "2.2.5")
FIRST(pthread_create, "2.2.5")
FIRST(pthread_detach, "2.2.5")
FIRST(pthread_once, "2.2.5")
FIRST(pthread_setname_np, "2.12")
FIRST(pthread_sigmask, "2.2.5")

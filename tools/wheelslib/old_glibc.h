/* Included first in every file, so that what is built with a new glibc runs with an old one.
   Ubuntu 22.04, of which JetPack 6 is made, has 2.35.

   From glibc 2.38 on its headers have strtol and others as C23 wants them, by new names, and
   fmod has a second version, which sets no errno. */
#include <features.h>
#undef __GLIBC_USE_C2X_STRTOL
#define __GLIBC_USE_C2X_STRTOL 0
#undef __GLIBC_USE_C23_STRTOL
#define __GLIBC_USE_C23_STRTOL 0

#if defined(__x86_64__)
__asm__(".symver fmod, fmod@GLIBC_2.2.5\n.symver fmodf, fmodf@GLIBC_2.2.5");
#elif defined(__aarch64__)
__asm__(".symver fmod, fmod@GLIBC_2.17\n.symver fmodf, fmodf@GLIBC_2.17");
#endif

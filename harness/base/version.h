/* Version, commit and compiler of this build. Only version.c gets them from the Makefile, so that a
 * new commit rebuilds one object. */
#ifndef TM_HARNESS_BASE_VERSION_H
#define TM_HARNESS_BASE_VERSION_H

const char *tm_version(void);      /* "0.2.0" */
const char *tm_version_date(void); /* of its release: "2026-11-30" */
const char *tm_commit(void);       /* ends in "-dirty" if files were changed; or "unknown" */
const char *tm_compiler(void);     /* the first line of its --version */

/* "release", "asan", "ubsan", "tsan" or "fuzz": only the first may be timed. */
const char *tm_build_mode(void);

#endif

/* core/base/version.h: the version of the program, its library and its packages. It stands here
 * alone; packages read it from this file. */
#ifndef PS_CORE_BASE_VERSION_H
#define PS_CORE_BASE_VERSION_H

#define PS_VERSION "0.1.0"
#define PS_VERSION_DATE "2026-11-30" /* of the man pages, so that each build makes the same */

#endif

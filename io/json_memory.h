/* io/json_memory.h: whether jansson ever lacked memory.
 *
 * jansson says NULL both for bad input and for no memory, and an unchecked NULL leaves a key out of
 * an object without a word. So a program calls ps_json_memory_watch first. Once an allocation of
 * jansson has failed, no output of the program gets its final name any more (ps_temporary_keep),
 * and the program ends with exit 5. */
#ifndef PS_IO_JSON_MEMORY_H
#define PS_IO_JSON_MEMORY_H

#include "core/base/error.h"

/* Watches jansson's allocations from now on. Call it before other threads run. */
void ps_json_memory_watch(void);
/* PS_EBUDGET if an allocation has failed since ps_json_memory_watch. Thread-safe. */
int ps_json_memory_check(ps_diag *diag) PS_MUST_USE;

#endif

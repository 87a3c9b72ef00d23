/* core/base/json_memory.h: whether jansson ever lacked memory, and its parser without any.
 *
 * jansson says NULL both for bad input and for no memory, and an unchecked NULL leaves a key out of
 * an object without a word. So a program calls ps_json_memory_watch first. Once an allocation of
 * jansson has failed, no output of the program gets its final name any more (ps_temporary_keep),
 * and the program ends with exit 5. */
#ifndef PS_CORE_BASE_JSON_MEMORY_H
#define PS_CORE_BASE_JSON_MEMORY_H

#include "core/base/error.h"
#include "core/base/json.h"

/* Watches jansson's allocations from now on; failures before it are forgotten. Call it before other
 * threads run. */
void ps_json_memory_watch(void);
/* PS_EBUDGET if an allocation has failed since ps_json_memory_watch. Thread-safe. */
int ps_json_memory_check(ps_diag *diag) PS_MUST_USE;

/* json_loadb with JSON_REJECT_DUPLICATES. jansson's parser does not look at every allocation: with
 * a byte lost it asserts, or reads beyond its buffer. So an allocation that fails leaves the parser
 * at once, if the program watches: the result is NULL and the error's code
 * json_error_out_of_memory. What the parser held is then lost, because the program ends for it. */
json_t *ps_json_load(const char *text, size_t length, json_error_t *error) PS_MUST_USE;

#endif

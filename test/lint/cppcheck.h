/* test/lint/cppcheck.h: macros of libraries that cppcheck has to know as loops. It reads no headers
 * of the system. */
#define json_object_foreach(object, key, value) for (;;)
#define json_object_foreach_safe(object, next, key, value) for (;;)
#define json_array_foreach(array, index, value) for (;;)

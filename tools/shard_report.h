/* tools/shard_report.h: what files and folders hold, and whether it is whole, as JSON.
 *
 * {files: [{path, kind, bytes, tensors: [{name, dtype, shape}], ok, ...}], folders: [{path, kind, complete, ...}]}
 *   kind        of our metadata; "safetensors" for other tools' files, "file" for what else a manifest names
 *   metadata    our metadata without the checksums; statistics: tools/shard_stats.h
 *   checksums   "right", "wrong", "none" (another tool's file), "not read" (without verify)
 *   problems    [{what, block (-1: header), offset}]: block and offset where there is one */
#ifndef PS_TOOLS_SHARD_REPORT_H
#define PS_TOOLS_SHARD_REPORT_H

#include <jansson.h>
#include <stdbool.h>

/* Adds what path holds to report (an object; its lists are made when they are not there). verify: every
 * checksum is read. True when all is well. */
bool ps_shard_report(json_t *report, const char *path, bool verify);

#endif

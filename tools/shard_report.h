/* tools/shard_report.h: what files and folders hold, and whether they are whole, as JSON.
 *
 * {files: [{path, kind, bytes, tensors: [{name, dtype, shape}], ok, ...}],
 *  folders: [{path, kind, complete, ...}]}
 *   kind        that of our metadata; "safetensors" for a file of another tool; "npz" for a NumPy
 *               archive (shard_npz.h); "file" for any other file that a manifest names; "record"
 *               and "results" for JSON files of a study
 *   metadata    our metadata without the checksums
 *   statistics  see tools/shard_stats.h
 *   checksums   "right", "wrong", "none" (a file of another tool) or "not read" (without verify)
 *   problems    [{what, block, offset}]: block (-1: the header) and offset if there are any */
#ifndef PS_TOOLS_SHARD_REPORT_H
#define PS_TOOLS_SHARD_REPORT_H

#include <stdbool.h>

#include "core/base/json.h"

/* A study is a folder with runs/ and with results.json or times.jsonl. Every .json file below its
 * runs/ that no manifest names is a record. With verify it is compared with its place and with the
 * files that it names (tools/shard_record.h). A file that is given by its own name is compared with
 * the manifest of its folder, if that names it.
 *
 * Adds the contents of path to report, an object whose lists are made if they are missing. verify:
 * every checksum is read. Returns true if all is well. */
bool ps_shard_report(json_t *report, const char *path, bool verify);

#endif

/* tools/run/version.h: what this program is: its version, the commit that it was built from, the
 * libraries that it was built with, and the matrix kernels of this CPU. */
#ifndef PS_TOOLS_RUN_VERSION_H
#define PS_TOOLS_RUN_VERSION_H

#include "core/base/json.h"
#include "core/base/version.h"

/* {precision: name of the matrix kernel that this CPU gets}. NULL: no memory. After
 * ps_kernel_prepare. */
json_t *ps_kernels_json(void);

/* {version, commit, libraries {name: version}, kernels {precision: name}}. commit is null where the
 * program was not built in a git repository. NULL: no memory. After ps_kernel_prepare. */
json_t *ps_version_json(void);

#endif

#include "tools/run/version.h"

#include <stdio.h>
#include <string.h>

#include "core/model/kernel.h"

/* The Makefile gives both: the commit's hash, and "liburing 2.3, jansson 2.14". Tools that look at
 * this file alone do not have them. */
#ifndef PS_BUILT_COMMIT
#define PS_BUILT_COMMIT ""
#endif
#ifndef PS_BUILT_LIBRARIES
#define PS_BUILT_LIBRARIES ""
#endif

/* {"liburing": "2.3"} from "liburing 2.3, " and so on. */
static json_t *libraries_json(const char *text)
{
	json_t *libraries = json_pack("{s:s}", "blis", ps_blis_version());

	while (*text && libraries) {
		char name[48], version[48];
		int length = 0;

		if (sscanf(text, "%47[^ ] %47[^,]%n", name, version, &length) != 2 ||
		    json_object_set_new(libraries, name, json_string(version))) {
			json_decref(libraries);
			return NULL;
		}
		text += length;
		text += strspn(text, ", ");
	}
	return libraries;
}

json_t *ps_kernels_json(void)
{
	json_t *kernels = json_object();

	for (ps_precision p = PS_PRECISION_F32; p < PS_PRECISIONS && kernels; p++) {
		const ps_kernel kernel = ps_kernel_choose(p);

		if (json_object_set_new(kernels, ps_precision_name(p), json_string(kernel.name))) {
			json_decref(kernels);
			kernels = NULL;
		}
	}
	return kernels;
}

json_t *ps_version_json(void)
{
	return json_pack("{s:s, s:s?, s:o, s:o}", "version", PS_VERSION, "commit",
			 *PS_BUILT_COMMIT ? PS_BUILT_COMMIT : NULL, "libraries",
			 libraries_json(PS_BUILT_LIBRARIES), "kernels", ps_kernels_json());
}

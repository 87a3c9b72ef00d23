#include "tools/study/recording.h"

#include <string.h>

#include "core/model/kernel.h"
#include "tools/study/outputs.h"

/* The matrix kernels that made the caches which the node has read: sorted, each once. */
static json_t *cache_kernels(const ps_graph *g, const ps_node *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->after_count; i++) {
		const ps_node *cache = &g->nodes[n->after[i]];
		size_t at = 0;

		if (!cache->kind->transient || !cache->kernel)
			continue;
		while (at < json_array_size(list) &&
		       strcmp(json_string_value(json_array_get(list, at)), cache->kernel) < 0)
			at++;
		if (at < json_array_size(list) &&
		    !strcmp(json_string_value(json_array_get(list, at)), cache->kernel))
			continue;
		if (json_array_insert_new(list, at, json_string(cache->kernel))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* The records that a summary was made from. */
static json_t *records_read(const ps_graph *g, const ps_node *n)
{
	json_t *records = json_object();

	for (size_t i = 0; i < n->after_count && !n->kind->arguments; i++) {
		const ps_node *input = &g->nodes[n->after[i]];

		if (json_object_set_new(records, input->id, json_string(input->checksum))) {
			json_decref(records);
			return NULL;
		}
	}
	return records;
}

int ps_recording_write(ps_graph *g, const ps_node *n, json_t *result)
{
	const ps_kernel kernel = ps_kernel_of_bits(ps_step_uses_precision(n) ? g->session->precision
									     : PS_PRECISION_F32);
	ps_record r = {.id = n->id,
		       .command = n->kind->command,
		       .kernel = ps_step_uses_kernel(n) ? kernel.name : PS_NO_KERNEL,
		       .inputs = n->inputs,
		       .cache_kernels = cache_kernels(g, n),
		       .records = records_read(g, n),
		       .result = result};
	int rc = ps_outputs_list(g, n, &r.outputs);

	memcpy(r.key, n->key, sizeof r.key);
	if (!rc)
		rc = ps_record_write(&r, n->record, &g->session->diag);
	json_decref(r.cache_kernels);
	json_decref(r.records);
	json_decref(r.outputs);
	return rc;
}

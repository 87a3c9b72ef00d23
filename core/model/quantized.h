/* core/model/quantized.h: whether config.json says that the weights are quantized.
 *
 * A quantized checkpoint is not supported. But an entry quantization_config alone does not mean
 * one: pruning tools leave an entry that only describes sparsity, with the weights stored as they
 * are ("dense"). Such an entry is a remark. The weights themselves are checked in any case: they
 * must be BF16, F16 or F32 of the right shape, without tensors of scales beside them. */
#ifndef PS_CORE_MODEL_QUANTIZED_H
#define PS_CORE_MODEL_QUANTIZED_H

#include "core/base/error.h"
#include "core/base/json.h"

/* entry: the value of the key `key` of the config at path; NULL or null: there is none. PS_EINPUT
 * if it means quantized or compressed weights; the message names the method or the format. */
int ps_quantized_refuse(const json_t *entry, const char *key, const char *path,
			ps_diag *diag) PS_MUST_USE;

#endif

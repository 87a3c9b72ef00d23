/* tools/train/sae_keys.h: the keys of an SAE's cfg.json that say nothing about how it encodes.
 *
 * SAELens writes the options of a training run into cfg.json, in some versions all of them. The
 * reader of cfg.json (sae_config.h) uses some keys, passes over those listed here, and refuses all
 * others by name. So a key of a later version cannot change an SAE unnoticed. */
#ifndef PS_TOOLS_TRAIN_SAE_KEYS_H
#define PS_TOOLS_TRAIN_SAE_KEYS_H

#include <stdbool.h>

/* Whether a version of SAELens writes this key, and no version lets it change what an SAE that is
 * trained computes. */
bool ps_sae_key_is_idle(const char *key);

#endif

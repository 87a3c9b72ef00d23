/* io/gguf_config.h: the metadata of a GGUF file as the config.json of transformers.
 *
 * The text goes through ps_config_parse as any config.json does. So both formats are checked in one
 * place, and `export` has a config.json to write. What the metadata do not say is what llama.cpp
 * assumes for it:
 * - vocab_size is the number of rows of token_embd.weight;
 * - the head is tied unless there is an output.weight;
 * - the attention's scale is head_width^-0.5; for the 27B models of Gemma, (D / H)^-0.5;
 * - Gemma 2: every second layer slides, and the soft caps are 50 and 30; Gemma 3: five of six
 *   layers slide, with a rope of base 10,000;
 * - Llama 3's rope is known by its tensor of factors, rope_freqs.weight.
 *
 * PS_EINPUT naming file, key and offset: another architecture than llama, gemma2 and gemma3; a key
 * of the architecture that is not known in it, because it may change what the model computes; a
 * value of the wrong type or out of range; experts, other ropes, rotary tables of other
 * parameters. */
#ifndef PS_IO_GGUF_CONFIG_H
#define PS_IO_GGUF_CONFIG_H

#include "io/gguf.h"

/* *text: config.json, malloc'ed, *length bytes and a NUL. */
int ps_gguf_config(const ps_gguf *gguf, char **text, size_t *length, ps_diag *diag) PS_MUST_USE;

/* The same of the file at path. */
int ps_gguf_config_of_file(const ps_sys *sys, const char *path, char **text, size_t *length,
			   ps_diag *diag) PS_MUST_USE;

#endif

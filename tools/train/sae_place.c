#include "tools/train/sae_place.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* layer_17_width_16k: 17. -1: the part says no layer. */
static int layer_of(const char *part)
{
	static const char word[] = "layer_";
	const size_t length = strlen(word);
	char *end;
	long number;

	if (strncmp(part, word, length) != 0 || !isdigit((unsigned char)part[length]))
		return -1;
	number = strtol(part + length, &end, 10);
	return number > INT_MAX || (*end && *end != '_') ? -1 : (int)number;
}

/* gemma-scope-2b-pt-res: "2b" and "pt-res". gemma-scope-2-1b-pt: "1b" and "pt", of Gemma 3. */
static void read_gemma(const char *part, ps_sae_place *place)
{
	static const char scope[] = "gemma-scope-";
	const char *at = strstr(part, scope), *suffix;
	char size[8], kind[8];
	int used = 0, generation = 2;

	if (!at)
		return;
	at += strlen(scope);
	if (!strncmp(at, "2-", 2)) {
		generation = 3;
		at += 2;
	}
	if (sscanf(at, "%7[0-9bm]-%2[a-z]%n", size, kind, &used) != 2 ||
	    (strcmp(kind, "pt") != 0 && strcmp(kind, "it") != 0))
		return;
	/* The hub gives some plain models no suffix. */
	suffix = !strcmp(kind, "it")                            ? "-it"
		 : generation == 3 && strcmp(size, "270m") != 0 ? "-pt"
								: "";
	snprintf(place->model, sizeof place->model, "google/gemma-%d-%s%s", generation, size,
		 suffix);
	at += used;
	if (!strncmp(at, "-res", 4))
		place->site = PS_SITE_STREAM;
	else if (!strncmp(at, "-mlp", 4))
		place->site = PS_SITE_MLP;
	else if (!strncmp(at, "-att", 4))
		place->site = PS_SITE_ATTENTION;
	else if (!strncmp(at, "-transcoders", 12))
		place->site = PS_SITE_TRANSCODER;
}

static void read_part(const char *part, ps_sae_place *place)
{
	static const struct {
		const char *begin;
		ps_sae_site site;
	} sites[] = {{"resid_post", PS_SITE_STREAM},     {"mlp_out", PS_SITE_MLP},
		     {"attn_out", PS_SITE_ATTENTION},    {"embedding", PS_SITE_EMBEDDING},
		     {"transcoder", PS_SITE_TRANSCODER}, {"clt", PS_SITE_TRANSCODER},
		     {"crosscoder", PS_SITE_TRANSCODER}};

	const int layer = layer_of(part);

	read_gemma(part, place);
	if (layer >= 0)
		place->layer = layer;
	for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
		const size_t length = strlen(sites[i].begin);

		if (!strncmp(part, sites[i].begin, length) &&
		    (!part[length] || part[length] == '_'))
			place->site = sites[i].site;
	}
	if (strstr(part, "Llama3_1-8B-Base-L"))
		snprintf(place->model, sizeof place->model, "Llama-3.1-8B");
}

int ps_sae_place_of(const char *path, ps_sae_place *place, ps_diag *diag)
{
	char real[PATH_MAX], *rest = real;

	*place = (ps_sae_place){.layer = -1};
	if (!realpath(path, real))
		return ps_fail_input(diag, errno, "%s", path);
	for (const char *part; (part = strsep(&rest, "/"));) {
		snprintf(place->folder, sizeof place->folder, "%s", part);
		read_part(part, place);
	}
	return 0;
}

void ps_sae_place_hook(const ps_sae_place *place, char *name, size_t size)
{
	static const char *const hooks[] = {[PS_SITE_UNSAID] = "hook_resid_post",
					    [PS_SITE_STREAM] = "hook_resid_post",
					    [PS_SITE_MLP] = "hook_mlp_out",
					    [PS_SITE_ATTENTION] = "attn.hook_z"};

	*name = 0;
	if (place->site == PS_SITE_EMBEDDING)
		snprintf(name, size, "hook_embed");
	else if (place->layer >= 0 && place->site != PS_SITE_TRANSCODER)
		snprintf(name, size, "blocks.%d.%s", place->layer, hooks[place->site]);
}

#include "tools/study/study_lines.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

enum { DEPTH_MAX = 8, KEY_MAX = 64 };

/* The parser's place: for each mapping around it, the key whose value is being read. */
struct place {
	char key[DEPTH_MAX][KEY_MAX];
	bool mapping[DEPTH_MAX],
		value[DEPTH_MAX]; /* value: the next scalar is a value, not a key */
	int depth;
};

static void join(const struct place *p, char *out, size_t size)
{
	out[0] = 0;
	for (int i = 0; i < p->depth; i++)
		if (p->mapping[i] && p->key[i][0])
			snprintf(out + strlen(out), size - strlen(out), "%s%s", out[0] ? "." : "",
				 p->key[i]);
}

/* A value has ended. In the mapping around it a key follows. */
static void end_value(struct place *p)
{
	if (p->depth && p->mapping[p->depth - 1])
		p->value[p->depth - 1] = false;
}

static bool push(struct place *p, bool mapping)
{
	if (p->depth == DEPTH_MAX)
		return false;
	p->key[p->depth][0] = 0;
	p->mapping[p->depth] = mapping;
	p->value[p->depth++] = false;
	return true;
}

/* Takes one event. Returns the line if the event is the wanted key, -1 at the end, else 0. */
static int take(struct place *p, const yaml_event_t *event, const char *wanted)
{
	char here[DEPTH_MAX * KEY_MAX];

	switch (event->type) {
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		return push(p, event->type == YAML_MAPPING_START_EVENT) ? 0 : -1;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		p->depth -= p->depth > 0;
		end_value(p);
		return 0;
	case YAML_SCALAR_EVENT:
		if (!p->depth || !p->mapping[p->depth - 1] || p->value[p->depth - 1]) {
			end_value(p);
			return 0;
		}
		snprintf(p->key[p->depth - 1], KEY_MAX, "%s",
			 (const char *)event->data.scalar.value);
		p->value[p->depth - 1] = true;
		join(p, here, sizeof here);
		return strcmp(here, wanted) ? 0 : (int)event->start_mark.line + 1;
	case YAML_STREAM_END_EVENT:
		return -1;
	default:
		return 0;
	}
}

int ps_study_line(const char *path, const char *key)
{
	struct place place = {.depth = 0};
	FILE *file = fopen(path, "r");
	yaml_parser_t parser;
	int line = 0;

	if (!file || !yaml_parser_initialize(&parser)) {
		if (file)
			fclose(file);
		return 0;
	}
	yaml_parser_set_input_file(&parser, file);
	while (!line) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event))
			break;
		line = take(&place, &event, key);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	fclose(file);
	return line > 0 ? line : 0;
}

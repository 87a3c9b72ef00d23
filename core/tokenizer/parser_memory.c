#include "core/tokenizer/parser_memory.h"

#include <stddef.h>
#include <stdlib.h>

/* A block of the list, before the bytes that yajl sees. */
struct ps_parser_block {
	struct ps_parser_block *next, *previous;
	max_align_t bytes[];
};

typedef struct ps_parser_block block;

static block *block_of(void *bytes)
{
	return (block *)((char *)bytes - offsetof(block, bytes));
}

static void enter(ps_parser_memory *memory, block *b)
{
	b->previous = NULL;
	b->next = memory->first;
	if (b->next)
		b->next->previous = b;
	memory->first = b;
}

static void leave(ps_parser_memory *memory, block *b)
{
	if (b->next)
		b->next->previous = b->previous;
	if (b->previous)
		b->previous->next = b->next;
	else
		memory->first = b->next;
}

static void *take(void *context, size_t bytes)
{
	ps_parser_memory *memory = context;
	block *b = malloc(sizeof *b + bytes);

	if (!b)
		longjmp(memory->failed, 1);
	enter(memory, b);
	return b->bytes;
}

static void *move(void *context, void *old, size_t bytes)
{
	ps_parser_memory *memory = context;
	block *b = old ? block_of(old) : NULL, *moved;

	if (!b)
		return take(context, bytes);
	leave(memory, b);
	moved = realloc(b, sizeof *b + bytes);
	if (!moved) {
		enter(memory, b);
		longjmp(memory->failed, 1);
	}
	enter(memory, moved);
	return moved->bytes;
}

static void give_back(void *context, void *bytes)
{
	if (!bytes)
		return;
	leave(context, block_of(bytes));
	free(block_of(bytes));
}

void ps_parser_memory_open(ps_parser_memory *memory)
{
	memory->first = NULL;
	memory->functions = (yajl_alloc_funcs){
		.malloc = take, .realloc = move, .free = give_back, .ctx = memory};
}

void ps_parser_memory_close(ps_parser_memory *memory)
{
	for (block *b = memory->first, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	memory->first = NULL;
}

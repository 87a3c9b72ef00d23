/* io/chunk_file.h: an unnamed file of chunks of one size, which are written and read back once.
 *
 * Chunks are kept in chains. `append` writes a chunk at the end of a chain, `take` reads the first
 * one and frees its place. A chunk is compared with the digest that it was written with. The file
 * has no name, so that nothing is left of it when its process ends in whatever way. It is written
 * and read past the page cache if the file system allows it. One thread uses it at a time.
 * Functions return 0 or -errno. */
#ifndef PS_IO_CHUNK_FILE_H
#define PS_IO_CHUNK_FILE_H

#include <stdint.h>

#include "core/base/arena.h"
#include "io/sys.h"

#define PS_CHUNK_ALIGNMENT 4096 /* bytes: of a chunk's size and of the memory that it is moved to */
#define PS_NO_CHUNK UINT32_MAX

typedef struct ps_chunk_chain {
	uint32_t first, last; /* PS_NO_CHUNK: the chain is empty */
} ps_chunk_chain;

typedef struct ps_chunk_file {
	const ps_sys *sys;
	int fd;
	size_t chunk_bytes, count;
	uint32_t free; /* the first of the chunks that are free */
	size_t free_count;
	uint32_t *next;   /* (count): the next chunk of the same chain, or the next free one */
	uint64_t *digest; /* (count) */
} ps_chunk_file;

/* Lists the memory of a file of file->count chunks. */
void ps_chunk_file_lay_out(ps_chunk_file *file, ps_layout *layout);

/* Makes the file in a folder, with all chunks free. sys, chunk_bytes and count are set and its
 * memory is laid out. The file takes at most half of the space that is free in the folder's file
 * system, and gets it at once where the file system can do that. PS_EOUTPUT saying why: too little
 * space, a file system in memory, or one without unnamed files. */
int ps_chunk_file_open(ps_chunk_file *file, const char *folder, ps_diag *diag) PS_MUST_USE;

/* Writes the first `bytes` (a multiple of PS_CHUNK_ALIGNMENT, at most a chunk) of data. There must
 * be a free chunk. */
int ps_chunk_file_append(ps_chunk_file *file, ps_chunk_chain *chain, const void *data,
			 size_t bytes) PS_MUST_USE;
/* Reads the first chunk of the chain, of so many bytes, into out. -EBADMSG: it is not what was
 * written. */
int ps_chunk_file_take(ps_chunk_file *file, ps_chunk_chain *chain, void *out,
		       size_t bytes) PS_MUST_USE;
/* Frees a chain's chunks. */
void ps_chunk_file_drop(ps_chunk_file *file, ps_chunk_chain *chain);

/* The disk space is free again. A file that is not open is allowed, with fd -1. */
void ps_chunk_file_close(ps_chunk_file *file);

#endif

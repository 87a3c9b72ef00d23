/* core/base/blocks.h: the quantised types of GGUF files, widened to f32.
 *
 * A block holds 32 or 256 weights of a row, as small integers q with scales d and offsets m:
 *
 *   type   weights  bytes  a weight
 *   Q4_0   32       18     d (q - 8)               q: 4 bits
 *   Q4_1   32       20     d q + m                 q: 4 bits
 *   Q5_0   32       22     d (q - 16)              q: 5 bits
 *   Q5_1   32       24     d q + m                 q: 5 bits
 *   Q8_0   32       34     d q                     q: 8 bits with sign
 *   Q2_K   256      84     (d s) q - (dmin n)      q: 2 bits; s, n: 4 bits, for 16 weights
 *   Q3_K   256      110    (d (s - 32)) (q - 4)    q: 3 bits; s: 6 bits, for 16 weights
 *   Q4_K   256      144    (d s) q - (dmin n)      q: 4 bits; s, n: 6 bits, for 32 weights
 *   Q5_K   256      176    (d s) q - (dmin n)      q: 5 bits; s, n: 6 bits, for 32 weights
 *   Q6_K   256      210    (d s) (q - 32)          q: 6 bits; s: 8 bits with sign, for 16 weights
 *
 * d, m and dmin are f16. A product has at most 11 + 7 + 5 bits and is exact, so only the last sum
 * is rounded, fused with its product or not. The bits are those of the Python package gguf (0.19,
 * quants.py), which is also the source of the layouts. A scale that is not finite gives weights
 * that are not. */
#ifndef PS_CORE_BASE_BLOCKS_H
#define PS_CORE_BASE_BLOCKS_H

#include <stddef.h>

/* Each widens whole blocks of `count` weights at src, of any alignment, to dst, which does not
 * overlap them. They are called through ps_widen (core/base/dtype.h). */
void ps_widen_q4_0(const void *src, size_t count, float *dst);
void ps_widen_q4_1(const void *src, size_t count, float *dst);
void ps_widen_q5_0(const void *src, size_t count, float *dst);
void ps_widen_q5_1(const void *src, size_t count, float *dst);
void ps_widen_q8_0(const void *src, size_t count, float *dst);
void ps_widen_q2_k(const void *src, size_t count, float *dst);
void ps_widen_q3_k(const void *src, size_t count, float *dst);
void ps_widen_q4_k(const void *src, size_t count, float *dst);
void ps_widen_q5_k(const void *src, size_t count, float *dst);
void ps_widen_q6_k(const void *src, size_t count, float *dst);

#endif

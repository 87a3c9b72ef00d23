/* core/base/half.h: f16 (IEEE 754 binary16) as bit patterns, to f32 and back. */
#ifndef PS_CORE_BASE_HALF_H
#define PS_CORE_BASE_HALF_H

#include <stdint.h>

/* The f32 of an f16; exact. */
float ps_f16_to_f32(uint16_t bits);

/* The nearest f16 of an f32. Beyond the largest f16, 65,504, and half a step: an infinity. */
uint16_t ps_f32_to_f16(float value);

#endif

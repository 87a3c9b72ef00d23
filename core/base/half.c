#include "core/base/half.h"

#include <string.h>

float ps_f16_to_f32(uint16_t bits)
{
	uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31,
		 fraction = bits & 0x3ff, wide;
	float value;

	if (exponent == 31) {
		wide = sign | 0x7f800000u | fraction << 13;
	} else if (exponent) {
		wide = sign | (exponent + 112) << 23 | fraction << 13;
	} else {
		value = (float)fraction * 0x1p-24f;
		return sign ? -value : value;
	}
	memcpy(&value, &wide, sizeof value);
	return value;
}

/* A number below 2^-14 is a multiple of 2^-24, of which an f32 addition finds the nearest. */
uint16_t ps_f32_to_f16(float value)
{
	uint32_t bits, sign, magnitude, near;

	memcpy(&bits, &value, sizeof bits);
	sign = bits >> 16 & 0x8000;
	magnitude = bits & 0x7fffffffu;
	if (magnitude > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00);
	if (magnitude >= 0x477ff000u) /* 65,520 and more */
		return (uint16_t)(sign | 0x7c00);
	if (magnitude < 0x38800000u) { /* 2^-14 */
		float small;

		memcpy(&small, &magnitude, sizeof small);
		small += 0.5f;
		memcpy(&near, &small, sizeof near);
		return (uint16_t)(sign | (near - 0x3f000000u));
	}
	near = magnitude + 0xfff + (magnitude >> 13 & 1);
	return (uint16_t)(sign | (near - 0x38000000u) >> 13);
}

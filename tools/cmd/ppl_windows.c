#include "tools/cmd/ppl_windows.h"

#include "core/base/checked.h"

size_t ps_ppl_windows(size_t ids, size_t window, size_t stride, ps_ppl_window *out)
{
	size_t count = 0, scored = 0;

	for (size_t begin = 0; scored < ids; begin += stride) {
		const size_t end = ps_min_size(begin + window, ids);

		if (out)
			out[count] = (ps_ppl_window){begin, scored, end};
		count++;
		scored = end;
	}
	return count;
}

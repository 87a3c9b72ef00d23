/* tools/study/texts.h: looks at a study's texts before anything runs. */
#ifndef PS_TOOLS_STUDY_TEXTS_H
#define PS_TOOLS_STUDY_TEXTS_H

#include "tools/study/graph.h"

/* Says on stderr if the perplexity text is also a training text. Then counts the tokens of the
 * texts as far as the steps that are to run need them, with each model's tokenizer. PS_EINPUT: a
 * text has fewer than the study asks for, unless it allows fewer; the message names file, line, key
 * and both counts. With fewer allowed they are said on stderr. The states of the nodes must be
 * known.
 *
 * Cost: a tokenizer is loaded, and at most as much text tokenized as the steps will take. Of a text
 * with many more bytes than tokens are asked for, one window is tokenized: whether the tokenizer is
 * supported and the text is UTF-8 shows then. */
int ps_study_check_texts(ps_graph *graph) PS_MUST_USE;

#endif

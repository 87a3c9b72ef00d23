/* Which drawings may stand in a report: well-formed XML that draws and does nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/report/svg_check.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"no\"?>\n"
#define SVG "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\">"

static void takes(const char *svg)
{
	ps_diag diag = {{0}};

	if (ps_svg_check(svg, strlen(svg), &diag))
		fail_msg("%s: %s", svg, diag.text);
}

static void refuses(const char *svg, const char *why)
{
	ps_diag diag = {{0}};

	assert_int_equal(ps_svg_check(svg, strlen(svg), &diag), PS_EFAILED);
	if (!strstr(diag.text, why))
		fail_msg("%s: not '%s' but '%s'", svg, why, diag.text);
}

static void plain_drawings_are_taken(void **state)
{
	(void)state;
	takes(HEAD SVG "<line/></svg>\n");
	takes(SVG "<!-- a - b --><g fill='none' stroke=\"#fff\"><path d='M0,0 L1,1'/></g></svg>");
	takes(SVG "<defs><circle id='c' r='1'/></defs><use xlink:href='#c' x='2'/></svg>");
	takes(SVG "<text xml:space=\"preserve\">a &lt;b> &amp; ]] &#38; &#x1F600; \xc3\xa9</text>"
		  "</svg>");
	takes(SVG "<style>text { font: 9px serif }</style><text>a</text></svg>");
	takes(SVG "<rect fill='url(#c)' clip-path='url( \"#d\" )'/></svg>");
	takes("<svg xmlns='http://www.w3.org/2000/svg' "
	      "xmlns:xlink=\"http://www.w3.org/1999/xlink\">"
	      "<path\n/></svg >");
}

static void what_draws_nothing_is_refused(void **state)
{
	(void)state;
	refuses("<svg></svg>", "no drawing");
	refuses(SVG "</svg>", "no drawing");
	refuses(SVG "<title>path</title><g><defs/></g></svg>", "no drawing");
	refuses("<svg><path d='M0,0 L1,1'/></svg>", "name space");
	refuses("<svg><path xmlns='http://www.w3.org/2000/svg'/></svg>", "name space");
}

static void what_is_not_well_formed_is_refused(void **state)
{
	(void)state;
	refuses("", "no drawing");
	refuses("   \n", "no drawing");
	refuses("<svg/>", "no drawing");
	refuses("the output of something </svg>", "line 1: text outside");
	refuses(SVG, "without its end: svg");
	refuses(SVG "<g></svg>", "closes nothing");
	refuses(SVG "</svg></g>", "closes nothing");
	refuses(SVG "</svg><svg></svg>", "a second element");
	refuses(SVG "</svg>x", "text outside");
	refuses("<g></g>", "not one svg");
	refuses(SVG "<svg></svg></svg>", "not one svg");
	refuses(SVG "<text>a ]]> b</text></svg>", "']]>'");
	refuses(SVG "<text>a & b</text></svg>", "entity");
	refuses(SVG "<text>&nbsp;</text></svg>", "entity");
	refuses(SVG "<text>&#0;</text></svg>", "forbids");
	refuses(SVG "<text>&#xFFFF;</text></svg>", "forbids");
	refuses(SVG "<text>&#12a;</text></svg>", "damaged");
	refuses(SVG "<text>\x01</text></svg>", "forbids");
	refuses(SVG "<text>\xef\xbf\xbf</text></svg>", "forbids");
	refuses(SVG "<text>\n\n\xc3(</text></svg>", "line 3: not UTF-8");
	refuses(SVG "<g a=b/></svg>", "without quotes");
	refuses(SVG "<g a='1' a='2'/></svg>", "twice: a");
	refuses(SVG "<g a='1'b='2'/></svg>", "damaged tag");
	refuses(SVG "<g a/></svg>", "without a value");
	refuses(SVG "<g a='<'/></svg>", "'<'");
	refuses(SVG "<g a='", "without its end");
	refuses(SVG "<g", "without its end");
	refuses(SVG "< g/></svg>", "opens no tag");
	refuses(SVG "<!-- a -- b --></svg>", "comment");
	refuses(SVG "<!-- a", "comment");
	refuses("<?xml version='1.0' encoding='latin1'?>" SVG "</svg>", "encoding");
}

static void what_runs_or_fetches_is_refused(void **state)
{
	(void)state;
	refuses(SVG "<script>alert(1)</script></svg>", "element");
	refuses(SVG "<SCRIPT/></svg>", "element");
	refuses(SVG "<svg:script/></svg>", "element");
	refuses(SVG "<foreignObject/></svg>", "foreignObject");
	refuses(SVG "<image href='#a'/></svg>", "image");
	refuses(SVG "<a href='#b'/></svg>", "element");
	refuses(SVG "<animate/></svg>", "animate");
	refuses(SVG "<set/></svg>", "element");
	refuses("<svg onload='x()'></svg>", "event");
	refuses(SVG "<g ONCLICK=\"x()\"/></svg>", "event");
	refuses(SVG "<use href='http://a/b'/></svg>", "leaves the file");
	refuses(SVG "<use xlink:href='b.svg#c'/></svg>", "leaves the file");
	refuses(SVG "<use y:href='#c'/></svg>", "prefix");
	refuses(SVG "<g xmlns:y='http://a'/></svg>", "prefix");
	refuses("<svg xmlns='http://a'></svg>", "name space");
	refuses(SVG "<g fill='url(http://a)'/></svg>", "leaves the file");
	refuses(SVG "<g fill='URL( \"//a\")'/></svg>", "leaves the file");
	refuses(SVG "<g fill='&#117;rl(//a)'/></svg>", "hides");
	refuses(SVG "<g fill='u\\72l(//a)'/></svg>", "leaves the file");
	refuses(SVG "<style>@import 'a'</style></svg>", "style");
	refuses(SVG "<style>g { fill: url(a) }</style></svg>", "style");
	refuses(SVG "<style>g { fill: &#117;rl(a) }</style></svg>", "style");
	refuses("<!DOCTYPE svg [<!ENTITY a 'b'>]>" SVG "</svg>", "document type");
	refuses(SVG "<![CDATA[<script/>]]></svg>", "CDATA");
	refuses("<?xml-stylesheet href='a'?>" SVG "</svg>", "instruction");
}

static void depth_and_length_have_limits(void **state)
{
	static char deep[4096];
	ps_diag diag = {{0}};

	(void)state;
	strcpy(deep, SVG);
	for (int i = 0; i < 100; i++)
		strcat(deep, "<g>");
	refuses(deep, "too deep");
	/* Every beginning of a whole drawing lacks its end, and nothing behind it is read. */
	for (size_t length = 0; length < strlen(HEAD SVG "<g a='&lt;'/>x</svg>"); length++) {
		char *part = malloc(length + 1);

		memcpy(part, HEAD SVG "<g a='&lt;'/>x</svg>", length);
		part = realloc(part, length ? length : 1);
		diag.text[0] = 0;
		assert_int_equal(ps_svg_check(part, length, &diag), PS_EFAILED);
		free(part);
	}
}

static void what_gnuplot_leaves_is_mended(void **state)
{
	static const char text[] = SVG "<text>a\"b&lt;c>&amp;]]>]]></text></svg>";
	size_t length = strlen(text);
	char *svg = strdup(text);
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_svg_mend(&svg, &length, &diag), 0);
	assert_int_equal(length, strlen(svg));
	assert_string_equal(svg, SVG "<text>a\"b&lt;c>&amp;]]&gt;]]&gt;</text></svg>");
	takes(svg);
	assert_int_equal(ps_svg_mend(&svg, &length, &diag), 0);
	takes(svg);
	free(svg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_drawings_are_taken),
		cmocka_unit_test(what_draws_nothing_is_refused),
		cmocka_unit_test(what_is_not_well_formed_is_refused),
		cmocka_unit_test(what_runs_or_fetches_is_refused),
		cmocka_unit_test(depth_and_length_have_limits),
		cmocka_unit_test(what_gnuplot_leaves_is_mended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

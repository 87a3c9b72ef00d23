#include "analysis/report/figure_canvas.h"

#include <math.h>
#include <string.h>

#include "analysis/report/report_text.h"
#include "core/base/checked.h"

/* Pixels of the SVG; TITLE_MAX: characters. */
enum { RIGHT = 14, TOP = 30, BOTTOM = 56, LEGEND_ROW = 24, TITLE_MAX = 34 };

const ps_colour ps_colour_ink = {"#222222", "#dcdcdc"}, ps_colour_muted = {"#767676", "#9a9a9a"},
		ps_colour_grid = {"#e4e4e4", "#3a3a3a"};

const ps_colour ps_colour_method[6] = {
	{"#d55e00", "#f0803c"}, {"#0072b2", "#56b4e9"}, {"#009e73", "#2fc49a"},
	{"#cc79a7", "#e39cc4"}, {"#b07d00", "#e6b325"}, {"#555599", "#a3a3e0"},
};

const ps_colour ps_colour_scale[8] = {
	{"#6ccd5a", "#31688e"}, {"#35b779", "#26828e"}, {"#1f9e89", "#1f9e8a"},
	{"#26828f", "#35b77a"}, {"#31688f", "#6ece58"}, {"#3e4989", "#a5db36"},
	{"#482878", "#d2e21b"}, {"#440154", "#fde725"},
};

size_t ps_method_slot(const char *method, size_t index)
{
	if (!strcmp(method, "magnitude"))
		return 0;
	if (!strcmp(method, "wanda"))
		return 1;
	return 2 + index % (PS_COLOUR_METHODS - 2);
}

int ps_method_point(size_t slot)
{
	static const int filled[] = {5, 7, 9, 13, 11, 15};

	return filled[slot];
}

const ps_colour *ps_scale_colour(size_t index, size_t count)
{
	return &ps_colour_scale[count > 1 ? index * (PS_COLOUR_STEPS - 1) / (count - 1)
					  : PS_COLOUR_STEPS / 2];
}

/* percent: what each '%' becomes. */
static void write_text(FILE *out, const char *text, size_t most, const char *percent)
{
	size_t length = 0;

	fputc('\'', out);
	for (; *text; text++) {
		const char *instead;

		if (((unsigned char)*text & 0xc0) != 0x80 && most && ++length > most) {
			fputs("…", out);
			break;
		}
		instead = ps_report_substitute(&text);
		if (*text == '\'')
			instead = "''";
		else if (*text == '%')
			instead = percent;
		if (instead)
			fputs(instead, out);
		else
			fputc(*text, out);
	}
	fputc('\'', out);
}

void ps_gnuplot_text(FILE *out, const char *text, size_t most)
{
	write_text(out, text, most, "%");
}

void ps_gnuplot_tic(FILE *out, const char *text, size_t most)
{
	write_text(out, text, most, "%%");
}

void ps_gnuplot_number(FILE *out, double value)
{
	if (isfinite(value))
		fprintf(out, " %.9g", value);
	else
		fputs(" NaN", out);
}

void ps_canvas_legend(ps_canvas *canvas, const char *text, const ps_colour *colour, int point)
{
	ps_legend *entry;
	size_t length = 0;

	if (canvas->legend_count == PS_LEGEND_MAX)
		return;
	entry = &canvas->legend[canvas->legend_count++];
	while (text[length] && length + 4 < sizeof entry->text)
		length++;
	while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	snprintf(entry->text, sizeof entry->text, "%.*s", (int)length, text);
	entry->colour = colour;
	entry->point = point;
}

/* Width of an entry in pixels: its mark, and about 6.6 pixels a letter. */
static int legend_width(const ps_legend *entry)
{
	int letters = 0;

	for (const char *c = entry->text; *c; c++)
		letters += ((unsigned char)*c & 0xc0) != 0x80;
	return 46 + letters * 33 / 5;
}

/* Lays the legend's entries out in rows and writes them. out NULL: writes nothing. Returns the
 * legend's height in pixels. */
static int walk_legend(const ps_canvas *c, FILE *out)
{
	int x = 14, y = 14;

	for (size_t i = 0; i < c->legend_count; i++) {
		const ps_legend *entry = &c->legend[i];
		double down;

		if (x > 14 && x + legend_width(entry) > c->width) {
			x = 14;
			y += LEGEND_ROW;
		}
		down = 1 - (double)y / c->height;
		if (out && entry->point > 0)
			fprintf(out,
				"set label %zu '' at screen %.6f,%.6f point pt %d ps 0.7 lw 1.4 lc "
				"rgb '%s'\n",
				100 + 2 * i, (x + 8.0) / c->width, down, entry->point,
				entry->colour->light);
		else if (out)
			fprintf(out,
				"set arrow %zu from screen %.6f,%.6f to screen %.6f,%.6f nohead lw "
				"%s lc rgb '%s'\n",
				100 + i, (double)x / c->width, down, (x + 16.0) / c->width, down,
				entry->point == PS_LEGEND_DASHED ? "1.5 dt 2" : "2",
				entry->colour->light);
		if (out) {
			fprintf(out, "set label %zu ", 101 + 2 * i);
			ps_gnuplot_text(out, entry->text, 0);
			fprintf(out, " at screen %.6f,%.6f left tc rgb '%s'\n",
				(x + 22.0) / c->width, down, ps_colour_ink.light);
		}
		x += legend_width(entry);
	}
	return c->legend_count ? y + 12 : 0;
}

void ps_canvas_begin(ps_canvas *c, const char *name)
{
	size_t rows;

	if (c->narrow)
		c->per_row = 1;
	if (c->per_row > c->panels)
		c->per_row = c->panels;
	rows = ps_div_up(c->panels, c->per_row);
	c->panel_width = c->narrow        ? 360
			 : c->panel_width ? c->panel_width
					  : (c->per_row == 1   ? 560
					     : c->per_row == 2 ? 460
							       : 320);
	c->panel_height = c->panel_height ? c->panel_height : 270;
	c->left = c->left ? c->left : 66;
	c->width = (int)c->per_row * c->panel_width;
	c->legend_height = walk_legend(c, NULL);
	c->height = c->legend_height + (int)rows * c->panel_height;
	fprintf(c->out,
		"set terminal svg size %d,%d noenhanced font 'Helvetica,12' background '#ffffff' "
		"name '%s%s'\n"
		"set encoding utf8\nset minussign\nset multiplot\n"
		"set border 3 lw 0.8 lc rgb '%s'\nset tics nomirror out scale 0.5 textcolor rgb "
		"'%s'\n"
		"set grid ytics lt 1 lw 0.7 lc rgb '%s'\nset format '%%g'\nset key off\n",
		c->width, c->height, name, c->narrow ? "_narrow" : "", ps_colour_ink.light,
		ps_colour_ink.light, ps_colour_grid.light);
}

void ps_canvas_panel(const ps_canvas *c, size_t index, const char *title, const char *x,
		     const char *y)
{
	const size_t row = index / c->per_row, column = index % c->per_row;
	double left = (double)column * c->panel_width,
	       top = c->legend_height + (double)row * c->panel_height;

	fputs("unset label\nunset arrow\nunset object\n", c->out);
	if (index == 0)
		walk_legend(c, c->out);
	fprintf(c->out,
		"set lmargin at screen %.6f\nset rmargin at screen %.6f\nset tmargin at screen "
		"%.6f\nset bmargin at screen %.6f\n",
		(left + c->left) / c->width, (left + c->panel_width - RIGHT) / c->width,
		1 - (top + TOP) / c->height, 1 - (top + c->panel_height - BOTTOM) / c->height);
	fputs("set title ", c->out);
	ps_gnuplot_text(c->out, title, TITLE_MAX);
	fprintf(c->out, " noenhanced offset 0,-0.4 textcolor rgb '%s'\nset xlabel ",
		ps_colour_ink.light);
	ps_gnuplot_text(c->out, x, 0);
	fprintf(c->out, " offset 0,0.3 textcolor rgb '%s'\nset ylabel ", ps_colour_ink.light);
	ps_gnuplot_text(c->out, index % c->per_row == 0 ? y : "", 0);
	fprintf(c->out, " offset 0.6,0 textcolor rgb '%s'\n", ps_colour_ink.light);
}

void ps_canvas_subtitle(const ps_canvas *c, const char *what, const char *name)
{
	fputs("set title ", c->out);
	ps_gnuplot_text(c->out, what, TITLE_MAX / 2);
	fputs(" . ': ' . ", c->out);
	ps_gnuplot_text(c->out, name, TITLE_MAX - 10);
	fputc('\n', c->out);
}

void ps_canvas_empty(const ps_canvas *c)
{
	fprintf(c->out,
		"set label 'not measured' at graph 0.5,0.5 center textcolor rgb '%s'\nplot NaN "
		"notitle\n",
		ps_colour_muted.light);
}

void ps_canvas_end(const ps_canvas *c)
{
	fputs("unset multiplot\n", c->out);
}

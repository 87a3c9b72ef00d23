/* analysis/report/figure_canvas.h: a gnuplot script of panels in a grid, under a legend.
 *
 * Sizes are pixels of the SVG; ps_canvas_begin turns them into the script's screen coordinates.
 * Nothing in a script depends on the date, the host or the user's settings of gnuplot. Texts of the
 * user, such as names of models, go through ps_gnuplot_text: within single quotes gnuplot neither
 * expands nor runs anything.
 *
 * Order of calls: fields and legend of the canvas, begin, then for each panel ps_canvas_panel and
 * the panel's own commands, end. */
#ifndef PS_ANALYSIS_REPORT_FIGURE_CANVAS_H
#define PS_ANALYSIS_REPORT_FIGURE_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { PS_LEGEND_MAX = 16 };

/* A colour, and what stands for it on a dark page (report_style.c). Methods have the colours of
 * Okabe and Ito, which colour-blind readers can tell apart. Sparsities have a scale whose contrast
 * with the page grows. */
typedef struct ps_colour {
	const char *light, *dark; /* "#rrggbb" */
} ps_colour;
extern const ps_colour ps_colour_ink, ps_colour_muted, ps_colour_grid;
extern const ps_colour ps_colour_method[6], ps_colour_scale[8];
#define PS_COLOUR_METHODS (sizeof ps_colour_method / sizeof *ps_colour_method)
#define PS_COLOUR_STEPS (sizeof ps_colour_scale / sizeof *ps_colour_scale)

/* Place in ps_colour_method of the index-th method; magnitude and wanda always have the same. The
 * point type of such a place. */
size_t ps_method_slot(const char *method, size_t index);
int ps_method_point(size_t slot);
/* The colour of the index-th of `count` sparsities. */
const ps_colour *ps_scale_colour(size_t index, size_t count);

/* What stands in place of a point type in an entry of the legend. */
enum { PS_LEGEND_LINE = 0, PS_LEGEND_DASHED = -1 };

typedef struct ps_legend {
	char text[40];
	const ps_colour *colour;
	int point; /* gnuplot's point type, or PS_LEGEND_... */
} ps_legend;

typedef struct ps_canvas {
	FILE *out;
	bool narrow; /* for a phone: one panel in a row */
	size_t panels, per_row;
	int panel_width, panel_height, left, width, height, legend_height;
	ps_legend legend[PS_LEGEND_MAX];
	size_t legend_count;
} ps_canvas;

/* Writes the terminal, size and style. Set before: out, narrow, panels, per_row and the legend.
 * panel_width, panel_height and left may be set; 0 is the usual size. */
void ps_canvas_begin(ps_canvas *canvas, const char *name);
/* Adds an entry to the legend, before ps_canvas_begin. An entry beyond
 * PS_LEGEND_MAX is left out, and a long text is cut. */
void ps_canvas_legend(ps_canvas *canvas, const char *text, const ps_colour *colour, int point);
/* Starts the index-th panel: margins, title and names of the axes. Labels, arrows and objects of
 * the panel before are removed. */
void ps_canvas_panel(const ps_canvas *canvas, size_t index, const char *title, const char *x,
		     const char *y);
/* Replaces the panel's title by "what: name". */
void ps_canvas_subtitle(const ps_canvas *canvas, const char *what, const char *name);
/* Writes "not measured" in place of a plot. */
void ps_canvas_empty(const ps_canvas *canvas);
/* Ends the last panel and the script. */
void ps_canvas_end(const ps_canvas *canvas);

/* Writes text within single quotes, safe to run. It is cut to `most` characters and an ellipsis; 0:
 * not cut. */
void ps_gnuplot_text(FILE *out, const char *text, size_t most);
/* The same for the text of a tic, in which gnuplot takes a '%' for a number's format. */
void ps_gnuplot_tic(FILE *out, const char *text, size_t most);
/* Writes a space and a number of a data block; NaN if it is not finite. */
void ps_gnuplot_number(FILE *out, double value);

#endif

/* analysis/report/figure_canvas.h: a gnuplot script of panels in a grid, under a legend.
 *
 * Sizes are pixels of the SVG, which begin turns into the script's screen coordinates; nothing in a
 * script depends on the date, the host or the user's gnuplot settings. Texts of the user (names of
 * models) go through ps_gnuplot_text: single quotes, in which gnuplot neither expands nor runs
 * anything. */
#ifndef PS_ANALYSIS_REPORT_FIGURE_CANVAS_H
#define PS_ANALYSIS_REPORT_FIGURE_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PS_LEGEND_MAX 16

/* Colours, each with its stand-in on a dark page (report_style.c). Okabe and Ito's for methods,
 * which stay apart for colour-blind readers; a scale of growing contrast with the page for
 * sparsities. */
typedef struct ps_colour {
	const char *light, *dark; /* "#rrggbb" */
} ps_colour;
extern const ps_colour ps_colour_ink, ps_colour_muted, ps_colour_grid;
extern const ps_colour ps_colour_method[6], ps_colour_scale[8];
#define PS_COLOUR_METHODS (sizeof ps_colour_method / sizeof *ps_colour_method)
#define PS_COLOUR_STEPS (sizeof ps_colour_scale / sizeof *ps_colour_scale)

/* Colour and point type of the index-th method; magnitude and wanda always have the same. */
size_t ps_method_slot(const char *method, size_t index);
int ps_method_point(size_t slot);
/* Colour of the index-th of count sparsities. */
const ps_colour *ps_scale_colour(size_t index, size_t count);

typedef struct ps_legend {
	char text[40];
	const ps_colour *colour;
	int point; /* gnuplot's point type; 0: a line */
} ps_legend;

typedef struct ps_canvas {
	FILE *out;
	bool narrow; /* for a phone: one panel a row */
	size_t panels, per_row;
	int panel_width, panel_height, left, width, height, legend_height;
	ps_legend legend[PS_LEGEND_MAX];
	size_t legend_count;
} ps_canvas;

/* out, narrow, panels, per_row and the legend are set; panel_width, panel_height and left may be
 * (0: the usual). */
void ps_canvas_begin(ps_canvas *canvas, const char *name);
void ps_canvas_legend(ps_canvas *canvas, const char *text, const ps_colour *colour, int point);
/* Margins, title and axes' names of a panel; labels, arrows and objects of the one before are
 * gone. */
void ps_canvas_panel(const ps_canvas *canvas, size_t index, const char *title, const char *x,
		     const char *y);
/* Title "what: name" instead of the panel's. */
void ps_canvas_subtitle(const ps_canvas *canvas, const char *what, const char *name);
/* Instead of a plot where there is nothing to show. */
void ps_canvas_empty(const ps_canvas *canvas);
void ps_canvas_end(const ps_canvas *canvas);

/* 'text', safe; cut to most characters and an ellipsis (0: whole). */
void ps_gnuplot_text(FILE *out, const char *text, size_t most);
/* A number of a data block: NaN where there is none. */
void ps_gnuplot_number(FILE *out, double value);

#endif

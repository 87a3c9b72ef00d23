#include "tools/train/train_log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/report/svg_check.h"
#include "core/base/checked.h"
#include "io/file.h"
#include "tools/run/output_path.h"
#include "tools/run/text_stream.h"
#include "tools/train/gnuplot.h"

#define LINES 1000
#define LINE_BYTES 512
static const char header[] = "step,tokens,lr,loss,fvu,l0,dead_fraction,tokens_per_s,held_out_fvu\n";

static void path_of(const ps_train_log *log, const char *suffix, char *out, size_t size)
{
	snprintf(out, size, "%s.%s", log->prefix, suffix);
}

static int complain(const ps_train_log *log, const char *suffix, ps_diag *diag)
{
	return ps_fail_errno(diag, errno ? errno : EIO, "%s.%s: cannot be written", log->prefix,
			     suffix);
}

/* The step of a line. UINT64_MAX for the header, 0 for a line that is not ours. */
static uint64_t step_of(const char *line)
{
	uint64_t step;

	if (!strcmp(line, header))
		return UINT64_MAX;
	return sscanf(line, "%" SCNu64 ",", &step) == 1 ||
			       sscanf(line, "{\"step\": %" SCNu64, &step) == 1
		       ? step
		       : 0;
}

/* Opens a file for appending. It is cut before the first line that is half written, not ours, or of
 * a step after `done`; *tokens receives those of the last line left. */
static FILE *open_part(const ps_train_log *log, const char *suffix, uint64_t done, uint64_t *tokens)
{
	char path[sizeof log->prefix + 8], line[LINE_BYTES];
	FILE *file;
	long end = 0;

	path_of(log, suffix, path, sizeof path);
	file = fopen(path, done ? "a+" : "w+");
	if (!file)
		return NULL;
	rewind(file);
	while (fgets(line, sizeof line, file) && strchr(line, '\n')) {
		const uint64_t step = step_of(line);

		if (!step || (step > done && step != UINT64_MAX))
			break;
		if (step != UINT64_MAX)
			sscanf(line, "%*u,%" SCNu64, tokens);
		end = ftell(file);
	}
	if (ferror(file) || ftruncate(fileno(file), end) || fseek(file, 0, SEEK_END)) {
		fclose(file);
		return NULL;
	}
	return file;
}

/* *own: whether a file is empty or begins with a line of a log. PS_EINPUT: it cannot be read. */
static int look_for_log(const char *path, bool *own, ps_diag *diag)
{
	char line[LINE_BYTES];
	FILE *file = fopen(path, "r");

	if (!file)
		return ps_fail_input(diag, errno, "%s", path);
	*own = !fgets(line, sizeof line, file) || step_of(line);
	fclose(file);
	return 0;
}

int ps_train_log_check(const char *prefix, const ps_text_list *inputs, bool replace, ps_diag *diag)
{
	static const char *const suffixes[] = {"csv", "jsonl", "svg"};
	bool own = false;
	int rc = 0;

	for (size_t i = 0; prefix && i < sizeof suffixes / sizeof *suffixes && !rc; i++) {
		char path[PATH_MAX];
		ps_output output;
		struct stat st;

		if (snprintf(path, sizeof path, "%s.%s", prefix, suffixes[i]) >= PATH_MAX)
			return ps_fail_errno(diag, ENAMETOOLONG, "--log %.60s...", prefix);
		/* The folder of a new file may be the SAE's, which is not there yet. */
		if (lstat(path, &st))
			continue;
		rc = ps_output_open(&output, path, "log", replace, diag);
		if (!rc)
			rc = ps_output_keep_off_all(&output, inputs, diag);
		/* Curves belong to the lines beside them. */
		if (!rc && i < 2)
			rc = look_for_log(path, &own, diag);
		if (!rc)
			rc = ps_output_check(&output, own, diag);
	}
	return rc;
}

int ps_train_log_open(ps_train_log *log, const char *prefix, uint64_t done, uint64_t steps,
		      ps_diag *diag)
{
	uint64_t ignored;

	*log = (ps_train_log){.every = ps_div_up(steps, LINES)};
	if (!prefix)
		return 0;
	if (snprintf(log->prefix, sizeof log->prefix, "%s", prefix) >= (int)sizeof log->prefix)
		return ps_fail(diag, PS_EUSAGE, "--log: the path is too long");
	errno = 0;
	log->csv = open_part(log, "csv", done, &log->tokens);
	if (!log->csv)
		return complain(log, "csv", diag);
	log->jsonl = open_part(log, "jsonl", done, &ignored);
	if (!log->jsonl)
		return complain(log, "jsonl", diag);
	if (!ftell(log->csv))
		fputs(header, log->csv);
	return fflush(log->csv) ? complain(log, "csv", diag) : 0;
}

bool ps_train_log_takes(const ps_train_log *log, uint64_t step)
{
	return log->csv && step % log->every == 0;
}

int ps_train_log_add(ps_train_log *log, const ps_train_step *s, double held_out_fvu, double seconds,
		     ps_diag *diag)
{
	/* There is no rate before the run's second line. */
	const double rate =
		log->seconds > 0 ? (double)(s->tokens - log->tokens) / (seconds - log->seconds) : 0;

	if (!ps_train_log_takes(log, s->step))
		return 0;
	errno = 0;
	fprintf(log->csv, "%" PRIu64 ",%" PRIu64 ",%.9g,%.9g,%.9g,%.9g,%.9g,%.0f,", s->step,
		s->tokens, s->lr, s->loss, s->fvu, s->l0, s->dead_fraction, rate);
	fprintf(log->jsonl,
		"{\"step\": %" PRIu64 ", \"tokens\": %" PRIu64
		", \"lr\": %.9g, \"loss\": %.9g, \"fvu\": %.9g, \"l0\": %.9g, "
		"\"dead_fraction\": %.9g, \"tokens_per_s\": %.0f",
		s->step, s->tokens, s->lr, s->loss, s->fvu, s->l0, s->dead_fraction, rate);
	if (!isnan(held_out_fvu)) {
		fprintf(log->csv, "%.9g", held_out_fvu);
		fprintf(log->jsonl, ", \"held_out_fvu\": %.9g", held_out_fvu);
	}
	fputs("\n", log->csv);
	fputs("}\n", log->jsonl);
	log->tokens = s->tokens;
	log->seconds = seconds;
	if (fflush(log->csv))
		return complain(log, "csv", diag);
	return fflush(log->jsonl) ? complain(log, "jsonl", diag) : 0;
}

/* A panel for each measure. The CSV's lines stand in the script itself, so that no file name has to
 * be quoted. */
static void write_script(const ps_train_log *log, FILE *out)
{
	static const struct {
		const char *title, *column, *beside;
	} panels[] = {
		{"loss", "4", ""},
		{"FVU (points: of rows held out)", "5",
		 ", $d using 2:9 with points pt 7 ps 0.4 lc rgb '#d55e00'"},
		{"L0", "6", ""},
		{"share of dead latents", "7", ""},
		{"tokens a second", "8", ""},
		{"learning rate", "3", ""},
	};
	char line[LINE_BYTES];

	fputs("set terminal svg size 960,560 font 'sans-serif,12' background '#ffffff'\nset "
	      "datafile separator ','\nset key off\n"
	      "set border 3\nset tics nomirror\nset grid ytics lc rgb '#dddddd'\nset format x "
	      "'%.1s%c'\nset multiplot layout 2,3\n$d << EOD\n",
	      out);
	rewind(log->csv);
	for (bool first = true; fgets(line, sizeof line, log->csv); first = false)
		if (!first)
			fputs(line, out);
	fprintf(out, "EOD\nset xtics 0, %" PRIu64 "\n", log->tokens / 4 ? log->tokens / 4 : 1);
	for (size_t i = 0; i < sizeof panels / sizeof *panels; i++)
		fprintf(out,
			"set title '%s'\nset yrange [0:*]\nset xlabel 'tokens'\nplot $d using 2:%s "
			"with lines lw 1.5 lc rgb '#0072b2'%s\n",
			panels[i].title, panels[i].column, panels[i].beside);
	fputs("unset multiplot\n", out);
}

/* Curves of an earlier log do not stay beside lines that they do not show. */
static int remove_old(const char *path, ps_diag *diag)
{
	return unlink(path) && errno != ENOENT
		       ? ps_fail_errno(diag, errno, "%s: cannot be removed", path)
		       : 0;
}

int ps_train_log_draw(ps_train_log *log, const ps_context *context, bool *drawn, ps_diag *why)
{
	const ps_context quiet = {.progress = context->progress, .diag = why};
	char path[sizeof log->prefix + 8], *svg = NULL;
	ps_text_stream script;
	size_t length = 0;
	int rc;

	*drawn = true;
	if (!log->csv)
		return 0;
	rc = ps_text_stream_open(&script, context->diag);
	if (rc)
		return rc;
	write_script(log, script.out);
	rc = ps_text_stream_close(&script, context->diag);
	if (rc)
		return rc;
	rc = ps_gnuplot_draw(script.text, script.length, &quiet, &svg, &length);
	if (!rc && ps_svg_check(svg, length, why))
		rc = PS_EFAILED;
	free(script.text);
	*drawn = !rc;
	path_of(log, "svg", path, sizeof path);
	if (!rc)
		rc = ps_file_replace(&ps_sys_linux, path, svg, length, context->diag);
	else if (rc == PS_GNUPLOT_MISSING || rc == PS_EFAILED)
		rc = remove_old(path, context->diag);
	else
		rc = ps_fail(context->diag, rc, "%s", why->text);
	free(svg);
	return rc;
}

void ps_train_log_close(ps_train_log *log)
{
	if (log->csv)
		fclose(log->csv);
	if (log->jsonl)
		fclose(log->jsonl);
	log->csv = log->jsonl = NULL;
}

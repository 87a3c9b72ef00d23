#include "analysis/report/report_style.h"

#include "analysis/report/figure_canvas.h"

static const char style[] =
	":root{color-scheme:light dark;--page:#fff;--ink:#1d1d1f;--soft:#5d5d63;"
	"--line:#d9d9de;--faint:#f4f4f6;--mark:#0b63a5;}\n@media "
	"(prefers-color-scheme:dark){:root{--page:#151618;--ink:#e4e4e6;--soft:#a0a0a8;"
	"--line:#37383d;--faint:#1f2024;--mark:#7ab8ea;}}\n*{box-sizing:border-box}"
	"\nhtml{-webkit-text-size-adjust:100%;text-size-adjust:100%}\nbody{margin:0;"
	"background:var(--page);color:var(--ink);font:1.0625rem/1.6 Charter,'Bitstream "
	"Charter','Source Serif 4',Cambria,Georgia,serif;font-kerning:normal;"
	"text-rendering:optimizeLegibility}\nmain{max-width:62rem;margin:0 auto;"
	"padding:2.5rem 1.25rem 5rem}\nh1,h2,h3,table,figcaption,nav,.kicker,.tag,svg "
	"text,details summary{font-family:'Helvetica Neue',Helvetica,Arial,'Liberation "
	"Sans',sans-serif}\nh1{font-size:clamp(1.6rem,4.5vw,2.3rem);line-height:1.18;"
	"font-weight:600;letter-spacing:-.012em;margin:.2rem 0 1rem;overflow-wrap:anywhere}"
	"\nh2{font-size:1.35rem;line-height:1.3;font-weight:600;margin:3.6rem 0 .3rem;"
	"padding-top:1.1rem;border-top:1px solid var(--line)}\nh3{font-size:1rem;"
	"font-weight:600;margin:1.8rem 0 .3rem}\np,ul,dl{max-width:44rem;margin:.7rem 0}"
	"\nli{margin:.35rem 0}\na{color:var(--mark);text-underline-offset:.15em}"
	"\n.kicker{font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;"
	"color:var(--soft);margin:0}\n.findings{list-style:none;padding:0;margin:1rem 0}"
	".findings li{padding-left:1rem;border-left:2px solid var(--line);margin:.55rem 0}"
	"\n.findings a{font-family:'Helvetica Neue',Helvetica,Arial,'Liberation "
	"Sans',sans-serif;font-size:.88em;font-weight:600;text-decoration:none;"
	"margin-right:.2em}\n.question{font-style:italic;color:var(--soft);margin-top:0}"
	"\n.lead{font-size:1.14rem;line-height:1.55}\n.definition{border-left:2px solid "
	"var(--line);padding-left:1rem;color:var(--soft);font-size:.97rem}"
	"\n.finding{border-left:2px solid var(--mark);padding-left:1rem}"
	"\nnav{font-size:.88rem;color:var(--soft);margin:1.4rem 0 0;max-width:44rem}\nnav "
	"a{white-space:nowrap;margin-right:1rem;text-decoration:none}\nnav "
	"a:hover{text-decoration:underline}\nfigure{margin:1.8rem 0}\nfigure "
	"svg{display:block;width:100%;height:auto}\nfigure svg>g>rect:first-child{fill:none}"
	"\n.narrow{display:none}\n@media (max-width:43rem){.wide{display:none}"
	".narrow{display:block}main{padding-top:1.5rem}body{font-size:1rem}}"
	"\nfigcaption{font-size:.86rem;line-height:1.5;color:var(--soft);max-width:46rem;"
	"margin-top:.5rem;overflow-wrap:anywhere}\nfigcaption b{color:var(--ink);"
	"font-weight:600}\n.scroll{overflow-x:auto;margin:.7rem 0 1.4rem;"
	"-webkit-overflow-scrolling:touch;"
	/* A shadow at the right edge where a table goes on: the first gradient scrolls with the
	 * table, and covers the second one at its end. */
	"background:linear-gradient(270deg,var(--page) 40%,transparent) right/3rem 100% "
	"no-repeat local,linear-gradient(270deg,var(--line),transparent) right/1.2rem 100% "
	"no-repeat scroll}\ntable{border-collapse:collapse;font-size:.82rem;"
	"line-height:1.35;font-variant-numeric:tabular-nums lining-nums;}"
	"\nth,td{padding:.28rem 1.3rem .28rem 0;text-align:left;vertical-align:baseline;"
	"white-space:nowrap}\nth:last-child,td:last-child{padding-right:0}"
	"\nth:first-child,td:first-child{position:sticky;left:0;background:var(--page)}"
	"\n.n{text-align:right}\nthead th{font-weight:500;color:var(--soft);"
	"vertical-align:bottom;border-top:1.5px solid var(--ink);border-bottom:1px solid "
	"var(--ink);padding-top:.4rem;padding-bottom:.4rem}\n.settings "
	"td:last-child{white-space:normal;overflow-wrap:anywhere}\ntbody:last-child "
	"tr:last-child>*{border-bottom:1.5px solid var(--ink);padding-bottom:.45rem}"
	"\n.group>*{padding-top:.75rem}\n.group th{font-weight:600;white-space:normal;"
	"overflow-wrap:anywhere;min-width:6rem}\n.text{white-space:normal;min-width:16rem}"
	"\n.ends,.none{color:var(--soft)}\n.tag{font-size:.72rem;color:var(--soft);"
	"border:1px solid var(--line);border-radius:3px;padding:0 .3rem;white-space:nowrap}"
	"\ncode{font:.86em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans "
	"Mono',monospace}\ndetails{margin:1.2rem 0}\nsummary{cursor:pointer;font-size:.9rem;"
	"color:var(--mark)}\nfooter{margin-top:4rem;border-top:1px solid var(--line);"
	"padding-top:1rem;color:var(--soft);font-size:.88rem}\n.words,.next{max-width:44rem}"
	".words{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;"
	"font-size:.95rem;margin:1.2rem 0}\n.words dt{font-weight:600}.words dd{margin:0;"
	"color:var(--soft)}\n.next dt{margin-top:.8rem}.next dd{margin:.2rem 0;"
	"overflow-wrap:anywhere}\n.links{white-space:nowrap;margin-left:.3em}"
	"\n.control>*{font-style:italic}\nthead button{all:unset;cursor:pointer;"
	"white-space:inherit}thead button:focus-visible{outline:2px solid var(--mark)}"
	"\nth[aria-sort=ascending] button::after{content:' \\2191'}th[aria-sort=descending] "
	"button::after{content:' \\2193'}\ninput[type=search]{font:inherit;font-size:.82rem;"
	"color:inherit;background:var(--faint);border:1px solid var(--line);"
	"border-radius:3px;padding:.2rem .5rem;width:14rem;max-width:100%;margin-top:.6rem}"
	"\n@media (max-width:43rem){.words{display:block}.words dd{margin:0 0 .5rem}td "
	".ends{display:block}thead th{white-space:normal;min-width:4.2rem}"
	"th,td{padding-right:.9rem}.cards,.cards tbody{display:block}.cards "
	"thead{display:none}.cards tr{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;"
	"padding:.45rem 0;border-bottom:1px solid var(--line)}.cards tr>*{display:block;"
	"text-align:left;padding:0;border:0}.cards tr>:first-child{flex-basis:100%;"
	"font-weight:600;position:static}.cards td:empty{display:none}.cards "
	"td[data-h]::before{content:attr(data-h);display:block;color:var(--soft);"
	"font-size:.72rem}.cards tr[hidden]{display:none}.cards tbody:last-child "
	"tr:last-child>*{border:0;padding:0}}\n@page{margin:14mm}\n@media "
	"print{nav,summary,input,.links{display:none}body{font-size:10pt}main{max-width:none;"
	"padding:0}h2,.question,.kicker,.table figcaption{break-after:avoid}h2{margin-top:1.6rem}"
	"figcaption{max-width:none}.finding,.definition,li,tr,tbody,figcaption,figure:not(.table){"
	"break-inside:avoid}thead{display:table-header-group}thead button{display:contents}"
	"th:first-child,td:first-child{position:static}.scroll{overflow:visible;background:none}"
	"table{font-size:"
	"7pt}"
	"th,td{padding-right:.6rem}thead th{white-space:normal}td .ends{display:block}"
	"p,ul,dl{max-width:none}}\n";

/* Of feature cards (cards_card.h) and their table. */
static const char cards_style[] =
	":root{--heat:#f28c28;--on:#1d1d1f}\n"
	"@media (prefers-color-scheme:dark){:root{--heat:#ffa64d}}\n"
	".card{border:1px solid var(--line);border-radius:4px;padding:.9rem 1.1rem;margin:1rem 0 "
	"1.6rem}\n"
	".card h3{margin:0}\n"
	".card p{margin:.35rem 0;max-width:none;font-size:.95rem}\n"
	".card h4{font-size:.86rem;font-weight:600;margin:.9rem 0 .2rem;font-family:'Helvetica "
	"Neue',Helvetica,Arial,'Liberation Sans',sans-serif}\n"
	".card .meaning,.card .at{color:var(--soft)}\n"
	".facts{display:flex;flex-wrap:wrap;gap:.6rem 2.5rem;align-items:flex-start;margin:.6rem "
	"0}\n"
	".facts table{flex:0 1 auto}\n"
	".facts th{font-weight:400;color:var(--soft);position:static}\n"
	".facts figure{flex:1 1 15rem;max-width:26rem;margin:0}\n"
	".facts svg text{font-size:11px;fill:var(--soft)}\n"
	".h0{fill:var(--heat);fill-opacity:.45}\n"
	".h1{fill:none;stroke:var(--ink);stroke-width:1.2;stroke-dasharray:4 2.5}\n"
	".context{display:grid;grid-template-columns:7rem minmax(0,1fr) minmax(0,1fr);gap:0 "
	"1.2rem;border-top:1px solid var(--line);padding:.25rem 0;break-inside:avoid}\n"
	".context "
	"p{min-width:0;overflow-wrap:anywhere;white-space:pre-wrap;font-size:.86rem;line-height:1."
	"55;margin:0}\n"
	".context .at{font-size:.74rem;line-height:1.3;padding-top:.15rem;white-space:normal}\n"
	".context span{color:var(--soft);font-size:.78rem;font-variant-numeric:tabular-nums}\n"
	".heads{border:0;padding-bottom:0}.heads p{font-weight:600}.heads "
	"p:first-child{grid-column:2}\n"
	".context i{font-style:normal;text-decoration:underline dotted "
	"1px;text-underline-offset:.22em}\n"
	".context b{font-weight:600;outline:1.5px solid var(--ink);outline-offset:-1px}\n"
	".context i,.context "
	"b{border-radius:2px;-webkit-box-decoration-break:clone;box-decoration-break:clone;print-"
	"color-adjust:exact;-webkit-print-color-adjust:exact}\n"
	".a1{background:color-mix(in srgb,var(--heat) 9%,transparent)}.a2{background:color-mix(in "
	"srgb,var(--heat) 17%,transparent)}\n"
	".a3{background:color-mix(in srgb,var(--heat) 25%,transparent)}.a4{background:color-mix(in "
	"srgb,var(--heat) 34%,transparent)}\n"
	".a5{background:color-mix(in srgb,var(--heat) "
	"43%,transparent)}.a6,.a7,.a8,.a9{color:var(--on)}\n"
	".a6{background:color-mix(in srgb,var(--heat) 72%,transparent)}.a7{background:color-mix(in "
	"srgb,var(--heat) 81%,transparent)}\n"
	".a8{background:color-mix(in srgb,var(--heat) "
	"90%,transparent)}.a9{background:var(--heat)}\n"
	".tokens{line-height:1.9}.tokens b{font-weight:600;margin-right:.4rem}.tokens "
	"i{font-style:normal;white-space:nowrap}\n"
	".tokens span{display:inline-block;max-width:100%;line-height:1.4;border:1px solid "
	"var(--line);border-radius:3px;padding:.05rem "
	".25rem;margin-left:.5rem;white-space:pre-wrap;overflow-wrap:anywhere;background:var(--"
	"faint)}\n"
	".latents td{text-align:right}.latents td:nth-child(1),.latents "
	"td:nth-child(2){text-align:left}\n"
	".latents tbody tr{border-bottom:1px solid var(--faint)}\n"
	"#table .scroll{max-height:36rem;overflow:auto}\n"
	"#table thead th{position:sticky;top:0;background:var(--page);z-index:1}\n"
	"#table thead th:first-child{z-index:2}\n"
	".print{display:none}\n"
	"@media (max-width:43rem){.context{grid-template-columns:minmax(0,1fr)}.context "
	".s0::before{content:'dense: ';color:var(--soft)}\n"
	".context .s1::before{content:'pruned: "
	"';color:var(--soft)}.heads{display:none}.card{padding:.7rem .7rem}}\n"
	"@media print{.print{display:inline}.latents tbody tr:nth-child(n+101){display:none}#table "
	".scroll{max-height:none;overflow:visible}\n"
	"#table thead th{position:static}.card{break-inside:avoid;padding:.5rem .7rem}.card "
	"p,.context p{font-size:8.5pt;line-height:1.35}\n"
	".context{padding:.1rem 0}.context .at,.context span{font-size:7pt}.facts{margin:.2rem "
	"0}.facts figure{max-width:7cm}.facts figcaption{font-size:7pt;line-height:1.3}\n"
	".facts td,.facts th{padding-top:.08rem;padding-bottom:.08rem}.card h4{margin:.4rem 0 "
	".1rem;font-size:8.5pt}.tokens{line-height:1.7}.words{font-size:9pt}}\n";

/* Rules that turn a colour into its dark stand-in, for every way in which gnuplot writes
 * colours. */
static void write_dark(FILE *out, const ps_colour *colour)
{
	static const char *const attributes[] = {"stroke", "fill", "color"};
	unsigned r, g, b;

	if (sscanf(colour->light, "#%02x%02x%02x", &r, &g, &b) != 3)
		return;
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
		fprintf(out, "svg [%s='rgb(%3u, %3u, %3u)'],svg [%s='rgb(%u,%u,%u)']{%s:%s}\n",
			attributes[i], r, g, b, attributes[i], r, g, b, attributes[i],
			colour->dark);
}

void ps_report_style(FILE *out)
{
	fputs(style, out);
	fputs(cards_style, out);
	fputs("@media screen and (prefers-color-scheme:dark){\n", out);
	write_dark(out, &ps_colour_ink);
	write_dark(out, &ps_colour_muted);
	write_dark(out, &ps_colour_grid);
	for (size_t i = 0; i < PS_COLOUR_METHODS; i++)
		write_dark(out, &ps_colour_method[i]);
	for (size_t i = 0; i < PS_COLOUR_STEPS; i++)
		write_dark(out, &ps_colour_scale[i]);
	fputs("}\n", out);
}

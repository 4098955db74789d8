/**
 * Self-contained HTML reports: an escaping template tag, the page frame with its style sheet, and accessible tables.
 *
 * A report opens from disk with no network and no script (the page's own Content-Security-Policy forbids both). Everything interpolated
 * is escaped; `raw` is for markup made here. Colours are CSS variables with a light and a dark value, each ≥ 4.5 : 1 for text and
 * ≥ 3 : 1 for marks against the page.
 */

/** Markup that is already safe. Only `html`, `raw` and the chart functions make it. */
export interface Html {
  readonly markup: string
}

type Value = Html | string | number | null | undefined | false | readonly Value[]

/** Marks a string that is known to be safe markup. */
export function raw(markup: string): Html {
  return { markup }
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

function render(value: Value): string {
  if (value === null || value === undefined || value === false) return ''
  if (typeof value === 'string') return escapeHtml(value)
  if (typeof value === 'number') return String(value)
  if ('markup' in value) return value.markup
  return value.map(render).join('')
}

/** Template tag: html`<p>${anything}</p>` with every interpolation escaped unless it is Html itself. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return raw(strings.reduce((out, part, i) => out + part + (i < values.length ? render(values[i]) : ''), ''))
}

/**
 * A number for people: at most `digits` significant places after the point, "∞" for infinity, "–" for a value that does not apply.
 */
export function formatNumber(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–'
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞'
  return value.toFixed(digits).replace('-', '−')
}

export interface TableColumn {
  readonly label: string
  /** Numbers are set right-aligned. */
  readonly numeric?: boolean
}

/**
 * A data table with a caption, a header row, and the first column as row headers. Scrolls sideways inside its own focusable region when
 * the page is narrow.
 */
export function table(
  caption: string,
  columns: readonly TableColumn[],
  rows: readonly (readonly (string | number | null | Html)[])[],
): Html {
  const cell = (value: string | number | null | Html, column: number) => {
    const numeric = columns[column]?.numeric ? raw(' class="number"') : ''
    const content = typeof value === 'number' ? formatNumber(value) : value === null ? '–' : value
    return column === 0 ? html`<th scope="row"${numeric}>${content}</th>` : html`<td${numeric}>${content}</td>`
  }
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope="col"${column.numeric ? raw(' class="number"') : ''}>${column.label}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody></table></div>`
}

/**
 * The whole document.
 * @param page.banner a warning above everything, e.g. "seeded run: not for release"
 */
export function page({ title, lead, banner, body }: { title: string; lead: string; banner?: string; body: readonly Html[] }): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${raw(styleSheet)}</style>
</head>
<body>
<main>
<header><h1>${title}</h1>
<p class="lead">${lead}</p>
${banner ? html`<p class="banner" role="note">${banner}</p>` : ''}</header>
${body}
</main>
</body>
</html>
`.markup
}

const styleSheet = `
:root { color-scheme: light dark; --page: #ffffff; --text: #1b1f24; --muted: #57606a; --line: #d0d7de; --panel: #f6f8fa; --grid: #dfe4ea; --warn-bg: #fff4d6; --warn-text: #5c3d00; --link: #0550ae;
  --c0: #0b62c4; --c1: #b4430a; --c2: #18794e; --c3: #8a3ab8; --c4: #6b5d00; --c5: #ad1457; --c6: #3f4d5a; --c7: #00707a; }
@media (prefers-color-scheme: dark) { :root { --page: #11151a; --text: #e8ebef; --muted: #a5b0bc; --line: #3b4552; --panel: #1a2027; --grid: #2b343f; --warn-bg: #3d2f05; --warn-text: #ffe2a0; --link: #79b8ff;
  --c0: #6cb2ff; --c1: #ff9d66; --c2: #56d39a; --c3: #d3a1ff; --c4: #e0cc4d; --c5: #ff8ab8; --c6: #b7c3cf; --c7: #4fd0da; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; } h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p, ul, ol { max-width: 46rem; } a { color: var(--link); } code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
.lead { color: var(--muted); font-size: 1.05rem; } .banner { background: var(--warn-bg); color: var(--warn-text); padding: .6rem .9rem; border-radius: .4rem; }
figure { margin: 1.5rem 0; } figcaption { color: var(--text); font-weight: 600; margin-bottom: .4rem; }
svg { display: block; max-width: 100%; height: auto; font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; }
svg.narrow { display: none; } @media (max-width: 640px) { svg.wide { display: none; } svg.narrow { display: block; } }
svg text { fill: var(--text); } svg .tick { fill: var(--muted); } svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--muted); }
svg .box { fill: var(--panel); stroke: var(--muted); } svg .arrow { stroke: var(--muted); fill: none; } svg .arrow-head { fill: var(--muted); }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--link); padding: .25rem 0; }
.scroll { overflow-x: auto; margin: .75rem 0; } .scroll:focus-visible, summary:focus-visible { outline: 3px solid var(--c0); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .92rem; } caption { text-align: left; color: var(--muted); padding-bottom: .3rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; } thead th { border-bottom: 2px solid var(--line); }
th[scope="row"] { font-weight: 500; } .number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--panel); padding: .8rem; overflow-x: auto; border-radius: .4rem; white-space: pre-wrap; }
@media print { details > * { display: block; } }
`

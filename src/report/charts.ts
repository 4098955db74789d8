/**
 * Charts as static SVG: lines with spread, grouped bars, box plots, and box-and-arrow diagrams. Each is drawn twice, for wide and for narrow
 * pages, so that text keeps its size on a phone; each has a text alternative and its numbers in a table below. Scales and paths are d3's.
 *
 * Series differ by marker and dash as well as by colour. No script, no interaction: people who want the numbers open the table.
 */
import { scaleBand, scaleLinear, scaleLog } from 'd3-scale'
import { line as pathLine } from 'd3-shape'
import { escapeHtml, formatNumber, type Html, html, raw, table } from './html.ts'

export interface Point {
  readonly x: number
  readonly y: number
  /** Half-height of the whisker, e.g. one standard deviation. */
  readonly spread?: number
}

export interface Series {
  readonly label: string
  readonly points: readonly Point[]
}

export interface ReferenceLine {
  readonly label: string
  readonly y: number
}

interface Frame {
  readonly title: string
  /** What the reader should see in it, for people who cannot: the text alternative. */
  readonly summary: string
  readonly xLabel: string
  readonly yLabel: string
}

const dashes = ['', '6 3', '2 3', '8 3 2 3', '1 4', '10 4', '4 2', '12 3 3 3']
const colour = (index: number) => `var(--c${index % 8})`

function marker(index: number, x: number, y: number): string {
  const at = `fill="${colour(index)}"`
  switch (index % 5) {
    case 0:
      return `<circle cx="${x}" cy="${y}" r="4" ${at}/>`
    case 1:
      return `<rect x="${x - 3.7}" y="${y - 3.7}" width="7.4" height="7.4" ${at}/>`
    case 2:
      return `<path d="M${x} ${y - 5}L${x + 4.7} ${y + 3.6}H${x - 4.7}Z" ${at}/>`
    case 3:
      return `<path d="M${x} ${y - 5.2}L${x + 5.2} ${y}L${x} ${y + 5.2}L${x - 5.2} ${y}Z" ${at}/>`
    default:
      return `<path d="M${x} ${y + 5}L${x + 4.7} ${y - 3.6}H${x - 4.7}Z" ${at}/>`
  }
}

const round = (value: number) => Math.round(value * 10) / 10

/** Wraps the wide and the narrow drawing, the caption and the table into one figure. */
function figure(frame: Frame, draw: (width: number) => { height: number; body: string }, data: Html): Html {
  const drawing = (name: 'wide' | 'narrow', width: number) => {
    const { height, body } = draw(width)
    return raw(
      `<svg class="${name}" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-label="${escapeHtml(`${frame.title}. ${frame.summary}`)}">${body}</svg>`,
    )
  }
  return html`<figure><figcaption>${frame.title}</figcaption>${drawing('wide', 760)}${drawing('narrow', 350)}<p class="lead">${frame.summary}</p><details><summary>Numbers behind “${frame.title}”</summary>${data}</details></figure>\n`
}

/** Legend entries laid out left to right, wrapped at `width`; returns markup and its height. */
function legend(
  labels: readonly string[],
  width: number,
  symbol: (index: number, x: number, y: number) => string,
): { height: number; body: string } {
  let x = 0
  let y = 12
  let body = ''
  labels.forEach((label, index) => {
    const entryWidth = 48 + label.length * 7.2
    if (x > 0 && x + entryWidth > width) {
      x = 0
      y += 20
    }
    body += `${symbol(index, x, y)}<text x="${x + 28}" y="${y + 4}">${escapeHtml(label)}</text>`
    x += entryWidth
  })
  return { height: y + 14, body }
}

interface YAxis {
  (value: number): number
  ticks(count: number): number[]
}

function yGrid(y: YAxis, left: number, right: number, digits: number): string {
  return y
    .ticks(6)
    .map(
      (tick) =>
        `<line class="grid" x1="${left}" x2="${right}" y1="${round(y(tick))}" y2="${round(y(tick))}"/><text class="tick" text-anchor="end" x="${left - 6}" y="${round(y(tick)) + 4}">${formatNumber(tick, digits)}</text>`,
    )
    .join('')
}

function extent(values: readonly number[], padding = 0.08): [number, number] {
  const low = Math.min(...values)
  const high = Math.max(...values)
  const room = (high - low || Math.abs(high) || 1) * padding
  return [low - room, high + room]
}

const digitsFor = (range: readonly [number, number]) => Math.min(4, Math.max(0, Math.ceil(-Math.log10((range[1] - range[0]) / 6 || 1))))

/** Lines over x with optional whiskers and horizontal reference lines. `xScale: 'log'` needs x > 0. */
export function lineChart(
  options: Frame & {
    readonly series: readonly Series[]
    readonly references?: readonly ReferenceLine[]
    readonly xScale: 'linear' | 'log'
  },
): Html {
  const { series, references = [], xScale } = options
  const points = series.flatMap((one) => one.points)
  const yRange = extent([...points.flatMap(({ y, spread = 0 }) => [y - spread, y + spread]), ...references.map(({ y }) => y)])
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b)
  const xRange: [number, number] = [xs[0] ?? 0, xs.at(-1) ?? 1]
  const labels = [...series.map(({ label }) => label), ...references.map(({ label }) => label)]

  const draw = (width: number) => {
    const left = 54
    const right = width - 14
    const keys = legend(labels, width - 8, (index, x, y) =>
      index < series.length
        ? `<line x1="${x}" x2="${x + 22}" y1="${y}" y2="${y}" stroke="${colour(index)}" stroke-width="2" stroke-dasharray="${dashes[index % 8]}"/>${marker(index, x + 11, y)}`
        : `<line x1="${x}" x2="${x + 22}" y1="${y}" y2="${y}" stroke="${colour(index)}" stroke-width="1.5" stroke-dasharray="${dashes[index % 8] || '3 3'}"/>`,
    )
    const top = keys.height + 20
    const bottom = top + (width > 500 ? 300 : 240)
    const x = (xScale === 'log' ? scaleLog() : scaleLinear()).domain(xRange).range([left + 14, right - 14])
    const y = scaleLinear().domain(yRange).range([bottom, top])
    let lastTick = Number.NEGATIVE_INFINITY
    const ticks = xs
      .map((tick) => {
        const at = round(x(tick))
        if (at - lastTick < 34) return ''
        lastTick = at
        return `<text class="tick" text-anchor="middle" x="${at}" y="${bottom + 18}">${+tick.toPrecision(3)}</text>`
      })
      .join('')
    const references_ = references
      .map(({ y: value }, i) => {
        const index = series.length + i
        return `<line x1="${left}" x2="${right}" y1="${round(y(value))}" y2="${round(y(value))}" stroke="${colour(index)}" stroke-width="1.5" stroke-dasharray="${dashes[index % 8] || '3 3'}"/>`
      })
      .join('')
    const curves = series
      .map(({ points: own }, index) => {
        const sorted = [...own].sort((a, b) => a.x - b.x)
        const path = pathLine<Point>(
          (point) => round(x(point.x)),
          (point) => round(y(point.y)),
        )(sorted)
        const whiskers = sorted
          .filter(({ spread }) => spread)
          .map((point) => {
            const at = round(x(point.x))
            return `<line x1="${at}" x2="${at}" y1="${round(y(point.y - (point.spread ?? 0)))}" y2="${round(y(point.y + (point.spread ?? 0)))}" stroke="${colour(index)}" stroke-width="1.5"/>`
          })
          .join('')
        return `<path d="${path ?? ''}" fill="none" stroke="${colour(index)}" stroke-width="2" stroke-dasharray="${dashes[index % 8]}"/>${whiskers}${sorted.map((point) => marker(index, round(x(point.x)), round(y(point.y)))).join('')}`
      })
      .join('')
    return {
      height: bottom + 44,
      body:
        keys.body +
        frameAxes(options, { left, right, top, bottom, width }) +
        yGrid(y, left, right, digitsFor(yRange)) +
        ticks +
        references_ +
        curves,
    }
  }
  const data = table(
    options.title,
    [
      { label: 'series' },
      { label: options.xLabel, numeric: true },
      { label: options.yLabel, numeric: true },
      { label: '±', numeric: true },
    ],
    [
      ...series.flatMap(({ label, points: own }) =>
        own.map((point) => [label, String(+point.x.toPrecision(6)), point.y, point.spread ?? null]),
      ),
      ...references.map(({ label, y }) => [label, 'any', y, null]),
    ],
  )
  return figure(options, draw, data)
}

function frameAxes(
  frame: Frame,
  { left, right, top, bottom, width }: { left: number; right: number; top: number; bottom: number; width: number },
): string {
  return `<text x="${left}" y="${top - 4}" font-size="12" class="tick">${escapeHtml(frame.yLabel)}</text><line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/><text class="tick" text-anchor="middle" x="${width / 2}" y="${bottom + 38}">${escapeHtml(frame.xLabel)}</text>`
}

/** Grouped bars: one group a category, one bar a series. The y axis starts at `from` (said in the label when it is not 0). */
export function barChart(
  options: Frame & {
    readonly categories: readonly string[]
    readonly series: readonly { readonly label: string; readonly values: readonly number[] }[]
    readonly from?: number
  },
): Html {
  const { categories, series, from = 0 } = options
  const top_ = Math.max(...series.flatMap(({ values }) => values)) || 1
  const draw = (width: number) => {
    const left = 54
    const right = width - 14
    const keys = legend(
      series.map(({ label }) => label),
      width - 8,
      (index, x, y) => `<rect x="${x + 4}" y="${y - 7}" width="16" height="14" fill="${colour(index)}"/>`,
    )
    const top = keys.height + 20
    const bottom = top + (width > 500 ? 280 : 230)
    const y = scaleLinear()
      .domain([from, top_ * 1.04])
      .range([bottom, top])
    const x = scaleBand()
      .domain([...categories])
      .range([left, right])
      .paddingInner(0.3)
      .paddingOuter(0.15)
    const inner = scaleBand<number>()
      .domain(series.map((_, index) => index))
      .range([0, x.bandwidth()])
      .paddingInner(0.08)
    const bars = series
      .map(({ values }, index) =>
        values
          .map((value, c) => {
            const at = y(Math.max(value, from))
            return `<rect x="${round((x(categories[c] as string) ?? 0) + (inner(index) ?? 0))}" y="${round(at)}" width="${round(inner.bandwidth())}" height="${round(bottom - at)}" fill="${colour(index)}"/>`
          })
          .join(''),
      )
      .join('')
    const ticks = categories
      .map(
        (name) =>
          `<text class="tick" text-anchor="middle" x="${round((x(name) ?? 0) + x.bandwidth() / 2)}" y="${bottom + 18}">${escapeHtml(name)}</text>`,
      )
      .join('')
    return {
      height: bottom + 44,
      body:
        keys.body + frameAxes(options, { left, right, top, bottom, width }) + yGrid(y, left, right, digitsFor([from, top_])) + bars + ticks,
    }
  }
  const data = table(
    options.title,
    [{ label: options.xLabel }, ...series.map(({ label }) => ({ label, numeric: true }))],
    categories.map((name, c) => [name, ...series.map(({ values }) => values[c] ?? null)]),
  )
  return figure(options, draw, data)
}

/** Quartiles by linear interpolation (type 7). */
export function quartiles(values: readonly number[]): [number, number, number, number, number] {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (p: number) => {
    const position = p * (sorted.length - 1)
    const below = Math.floor(position)
    const low = sorted[below] as number
    return low + (position - below) * ((sorted[below + 1] ?? low) - low)
  }
  return [at(0), at(0.25), at(0.5), at(0.75), at(1)]
}

/** Box plots: whiskers at minimum and maximum, every value as a dot beside its box. */
export function boxPlot(
  options: Frame & { readonly groups: readonly { readonly label: string; readonly values: readonly number[] }[] },
): Html {
  const { groups } = options
  const range = extent(groups.flatMap(({ values }) => values))
  const draw = (width: number) => {
    const left = 60
    const right = width - 14
    const top = 24
    const bottom = top + (width > 500 ? 280 : 230)
    const y = scaleLinear().domain(range).range([bottom, top])
    const x = scaleBand()
      .domain(groups.map(({ label }) => label))
      .range([left, right])
      .padding(0.4)
    const half = Math.min(30, x.bandwidth() / 2)
    const boxes = groups
      .map(({ label, values }, index) => {
        const middle = round((x(label) ?? 0) + x.bandwidth() / 2)
        const [low, q1, median, q3, high] = quartiles(values).map((value) => round(y(value))) as [number, number, number, number, number]
        const stroke = `stroke="${colour(index)}" stroke-width="2"`
        const dots = values
          .map((value) => `<circle cx="${middle + half + 8}" cy="${round(y(value))}" r="2.5" fill="${colour(index)}"/>`)
          .join('')
        return `<line x1="${middle}" x2="${middle}" y1="${low}" y2="${high}" ${stroke}/><rect x="${middle - half}" y="${q3}" width="${half * 2}" height="${Math.max(1, q1 - q3)}" fill="var(--page)" ${stroke}/><line x1="${middle - half}" x2="${middle + half}" y1="${median}" y2="${median}" ${stroke}/>${dots}<text class="tick" text-anchor="middle" x="${middle}" y="${bottom + 18}">${escapeHtml(label)}</text>`
      })
      .join('')
    return {
      height: bottom + 44,
      body: frameAxes(options, { left, right, top, bottom, width }) + yGrid(y, left, right, digitsFor(range)) + boxes,
    }
  }
  const data = table(
    options.title,
    [
      { label: options.xLabel },
      ...['minimum', 'lower quartile', 'median', 'upper quartile', 'maximum'].map((label) => ({ label, numeric: true })),
      { label: 'runs', numeric: true },
    ],
    groups.map(({ label, values }) => [label, ...quartiles(values), String(values.length)]),
  )
  return figure(options, draw, data)
}

export interface DiagramNode {
  readonly id: string
  readonly label: string
  readonly detail?: string
  /** Layer from left (wide) or top (narrow), and place within it. */
  readonly layer: number
}

/** Boxes in layers joined by arrows: left to right on a wide page, top to bottom on a narrow one. */
export function diagram(options: {
  readonly title: string
  readonly summary: string
  readonly nodes: readonly DiagramNode[]
  readonly arrows: readonly (readonly [from: string, to: string])[]
}): Html {
  const { nodes, arrows } = options
  const layers = Math.max(...nodes.map(({ layer }) => layer)) + 1
  const members = (layer: number) => nodes.filter((node) => node.layer === layer)
  const deepest = Math.max(...Array.from({ length: layers }, (_, layer) => members(layer).length))
  const wrap = (text: string, columns: number) => {
    const lines: string[] = []
    for (const word of text.split(' ')) {
      const last = lines.at(-1)
      if (last !== undefined && `${last} ${word}`.length <= columns) lines[lines.length - 1] = `${last} ${word}`
      else lines.push(word)
    }
    return lines
  }
  const draw = (width: number) => {
    const horizontal = width > 500 && layers <= 6
    const gap = 26
    const besides = horizontal ? gap : 8
    /** Side by side, all boxes are as wide as the layers allow; one above another, each layer shares the width among its own. */
    const boxWidthOf = (layer: number) => {
      const perRow = horizontal ? layers : members(layer).length
      return Math.min(190, (width - besides * (perRow - 1) - 4) / perRow)
    }
    const textOf = (node: DiagramNode) => {
      const boxWidth = boxWidthOf(node.layer)
      const fontSize = boxWidth < 90 ? 11 : 13
      const columns = Math.max(6, Math.floor((boxWidth - 4) / (fontSize * 0.56)))
      const label = wrap(node.label, columns)
      return { boxWidth, fontSize, labelLines: label.length, lines: [...label, ...(node.detail ? wrap(node.detail, columns) : [])] }
    }
    const boxHeight = Math.max(...nodes.map((node) => textOf(node).lines.length)) * 16 + 14
    const height = horizontal ? deepest * (boxHeight + 18) + 8 : layers * (boxHeight + gap) + 8
    const place = new Map<string, { x: number; y: number; boxWidth: number }>()
    for (let layer = 0; layer < layers; layer++) {
      const inside = members(layer)
      const boxWidth = boxWidthOf(layer)
      inside.forEach((node, i) => {
        if (horizontal)
          place.set(node.id, { x: 2 + layer * (boxWidth + gap), y: (height * (i + 0.5)) / inside.length - boxHeight / 2, boxWidth })
        else place.set(node.id, { x: (width * (i + 0.5)) / inside.length - boxWidth / 2, y: 4 + layer * (boxHeight + gap), boxWidth })
      })
    }
    const boxes = nodes
      .map((node) => {
        const { x, y } = place.get(node.id) as { x: number; y: number }
        const { boxWidth, fontSize, labelLines, lines: text } = textOf(node)
        const start = y + boxHeight / 2 - (text.length - 1) * 8 + 4
        return `<rect class="box" x="${round(x)}" y="${round(y)}" width="${round(boxWidth)}" height="${boxHeight}" rx="5"/>${text
          .map(
            (part, i) =>
              `<text text-anchor="middle"${i < labelLines ? '' : ' class="tick"'} font-size="${i < labelLines ? fontSize : fontSize - 1}" x="${round(x + boxWidth / 2)}" y="${round(start + i * 16)}">${escapeHtml(part)}</text>`,
          )
          .join('')}`
      })
      .join('')
    const lines_ = arrows
      .map(([from, to]) => {
        const a = place.get(from)
        const b = place.get(to)
        if (!a || !b) throw new RangeError(`diagram arrow ${from} → ${to} names a box that is not there`)
        const [x1, y1, x2, y2] = horizontal
          ? [a.x + a.boxWidth, a.y + boxHeight / 2, b.x - 6, b.y + boxHeight / 2]
          : [a.x + a.boxWidth / 2, a.y + boxHeight, b.x + b.boxWidth / 2, b.y - 6]
        const head = horizontal ? `M${round(x2)} ${round(y2 - 4)}l6 4l-6 4Z` : `M${round(x2 - 4)} ${round(y2)}l4 6l4 -6Z`
        return `<path class="arrow" d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}"/><path class="arrow-head" d="${head}"/>`
      })
      .join('')
    return { height, body: lines_ + boxes }
  }
  const names = new Map(nodes.map((node) => [node.id, node.label]))
  const data = table(
    options.title,
    [{ label: 'from' }, { label: 'to' }],
    arrows.map(([from, to]) => [names.get(from) ?? from, names.get(to) ?? to]),
  )
  return figure({ ...options, xLabel: '', yLabel: '' }, draw, data)
}

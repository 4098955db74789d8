import { describe, expect, test } from 'vitest'
import { barChart, boxPlot, diagram, lineChart, quartiles } from './charts.ts'
import { formatNumber, html, page, raw, table } from './html.ts'

describe('html', () => {
  test('escapes every interpolation, nested ones too, and leaves raw markup alone', () => {
    const nasty = `<img src=x onerror="alert('1')">`
    const out = html`<p title="${nasty}">${[nasty, html`<b>${nasty}</b>`, raw('<i></i>')]}</p>`.markup
    expect(out).not.toContain('<img')
    expect(out).toContain('<i></i>')
    expect(out.match(/&#60;img/g)).toHaveLength(3)
  })

  test('a page forbids scripts and network by its own policy, and repeats no unescaped title', () => {
    const out = page({ title: '<script>', lead: 'a & b', body: [] })
    expect(out).toContain(`default-src 'none'`)
    expect(out).not.toContain('<script>')
    expect(out).not.toMatch(/https?:\/\//)
  })

  test('numbers for people: infinity, absence and minus', () => {
    expect([
      formatNumber(1.23456, 2),
      formatNumber(Number.POSITIVE_INFINITY),
      formatNumber(null),
      formatNumber(Number.NaN),
      formatNumber(-1, 0),
    ]).toEqual(['1.23', '∞', '–', '–', '−1'])
  })

  test('a table names itself, its columns and its rows', () => {
    const out = table('Errors', [{ label: 'model' }, { label: 'RMSE', numeric: true }], [['a', 0.5]]).markup
    expect(out).toContain('<caption>Errors</caption>')
    expect(out).toContain('<th scope="row">a</th><td class="number">0.5000</td>')
  })
})

describe('charts', () => {
  const frame = { title: 'T', summary: 'S', xLabel: 'x', yLabel: 'y' }
  const charts = {
    line: lineChart({
      ...frame,
      xScale: 'log',
      series: [
        {
          label: 'a <b>',
          points: [
            { x: 0.1, y: 1, spread: 0.1 },
            { x: 10, y: 2 },
          ],
        },
      ],
      references: [{ label: 'constant', y: 1.5 }],
    }),
    bars: barChart({ ...frame, categories: ['1', '2'], series: [{ label: 'rmse', values: [1, 2] }] }),
    boxes: boxPlot({ ...frame, groups: [{ label: '∞', values: [1, 2, 3, 4, 5] }] }),
    diagram: diagram({
      title: 'D',
      summary: 'S',
      nodes: [
        { id: 'a', label: 'in', layer: 0 },
        { id: 'b', label: 'out', layer: 1 },
      ],
      arrows: [['a', 'b']],
    }),
  }
  test.each(Object.entries(charts))('a %s is drawn wide and narrow, with a text alternative, a table and no NaN', (_, chart) => {
    expect(chart.markup.match(/<svg /g)).toHaveLength(2)
    expect(chart.markup.match(/role="img"/g)).toHaveLength(2)
    expect(chart.markup).toContain('<table>')
    expect(chart.markup).not.toMatch(/NaN|undefined|Infinity|<b>/)
  })

  test('quartiles interpolate linearly', () => {
    expect(quartiles([4, 1, 3, 2])).toEqual([1, 1.75, 2.5, 3.25, 4])
  })

  test('an arrow to a missing box is an error', () => {
    expect(() => diagram({ title: 'D', summary: 'S', nodes: [{ id: 'a', label: 'a', layer: 0 }], arrows: [['a', 'z']] })).toThrow(
      RangeError,
    )
  })
})

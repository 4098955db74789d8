/**
 * Reports in real Chromium: a study's and a run's. No script, no request, no console message; WCAG 2.2 AA by axe in light and dark, on a phone
 * and on a desk; figures that can be read and have words beside them; everything reachable by keyboard.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { syntheticInteractions, toNdjson } from '../../src/data/index.ts'
import { train, trainRanking } from '../../src/runs/index.node.ts'
import { runComparison, runStudy } from '../../src/studies/index.node.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const work = mkdtempSync(join(tmpdir(), 'tacet-browser-'))
const reports = { study: '', 'private run': '', 'run without privacy': '', comparison: '', 'private ranking run': '' }
let browser: Browser

/** CHROMIUM_PATH, or where systems put it. A browser test without a browser is a failure, not a skip. */
function chromiumPath(): string {
  const places = [
    process.env.CHROMIUM_PATH,
    process.env.CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ]
  const found = places.find((place) => place !== undefined && existsSync(place))
  if (found === undefined) throw new Error('no Chromium found: install it, or set CHROMIUM_PATH to its program')
  return found
}

beforeAll(async () => {
  const dataPath = join(work, 'invented.ndjson')
  // Names that would break out of markup if anything forgot to escape them.
  const { data } = syntheticInteractions({ users: 200, items: 100, interactions: 4000, seed: 7, name: 'invented <b>&"' })
  writeFileSync(dataPath, [...toNdjson(data)].join(''))
  const study = await runStudy('wide-and-deep-dp', { dataPath, out: join(work, 'study'), seeds: 1, quick: true, secondDataPath: dataPath })
  reports.study = study.report
  const common = { dataPath, seed: 1 }
  const private_ = await train({ ...common, model: 'bias-factors', epsilon: 1, out: join(work, 'private') })
  reports['private run'] = join(private_.run, 'report.html')
  const open = await train({ ...common, model: 'wide-and-deep', recipe: 'paper', noPrivacy: true, out: join(work, 'open') })
  reports['run without privacy'] = join(open.run, 'report.html')
  const compared = await runComparison({
    dataPath,
    models: ['dpals', 'item-gram', 'ease'],
    epsilons: [2, 8, Number.POSITIVE_INFINITY],
    seeds: 2,
    out: join(work, 'compared'),
  })
  reports.comparison = compared.report
  const lists = await trainRanking({ ...common, model: 'item-gram', epsilon: 2, minRating: 3, out: join(work, 'lists') })
  reports['private ranking run'] = join(lists.run, 'report.html')
  browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  })
}, 240_000)

afterAll(async () => {
  await browser?.close()
  rmSync(work, { recursive: true, force: true })
})

const names = Object.keys(reports) as (keyof typeof reports)[]
const views = [
  { scheme: 'light', width: 390 },
  { scheme: 'light', width: 1280 },
  { scheme: 'dark', width: 390 },
  { scheme: 'dark', width: 1280 },
] as const

async function withPage<Result>(
  name: keyof typeof reports,
  { scheme, width }: { scheme: 'light' | 'dark'; width: number },
  look: (page: Page, seen: { messages: string[]; requests: string[] }) => Promise<Result>,
): Promise<Result> {
  const context = await browser.newContext({ viewport: { width, height: 844 }, colorScheme: scheme })
  try {
    const page = await context.newPage()
    const seen = { messages: [] as string[], requests: [] as string[] }
    const url = pathToFileURL(reports[name]).href
    page.on('console', (message) => seen.messages.push(message.text()))
    page.on('pageerror', (error) => seen.messages.push(String(error)))
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:')) seen.requests.push(request.url())
    })
    await page.goto(url)
    return await look(page, seen)
  } finally {
    await context.close()
  }
}

/** Runs in the page. Kept as text: the test's compiler knows no DOM of the report. */
const inPage = <Result>(page: Page, source: string) => page.evaluate(`(() => { ${source} })()`) as Promise<Result>

describe.each(names)('the report of the %s', (name) => {
  test.each(views)('$scheme, $width px: silent, offline, accessible and inside the page', async (view) => {
    await withPage(name, view, async (page, seen) => {
      expect(await page.title()).not.toBe('')
      // All details open, so that what they hide is judged too.
      await inPage(page, `document.querySelectorAll('details').forEach((each) => { each.open = true })`)
      const widths = await inPage<number[]>(page, 'return [document.documentElement.scrollWidth, window.innerWidth]')
      expect(widths[0], 'the page scrolls sideways').toBeLessThanOrEqual(widths[1] as number)

      await page.evaluate(axe)
      const violations = (await page.evaluate(
        `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
          .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 120)).join(' | ')))`,
      )) as string[]
      expect(violations).toEqual([])
      expect(seen).toEqual({ messages: [], requests: [] })
    })
  })

  test.each(views.filter(({ scheme }) => scheme === 'light'))(
    '$width px: each figure has words, and text that fits and can be read',
    async (view) => {
      await withPage(name, view, async (page) => {
        const problems = await inPage<string[]>(
          page,
          `const problems = []
        for (const figure of document.querySelectorAll('figure')) {
          const name = figure.querySelector('figcaption')?.textContent?.trim()
          if (!name) problems.push('a figure without a caption')
          const shown = [...figure.querySelectorAll('svg')].filter((svg) => svg.getClientRects().length > 0)
          if (shown.length !== 1) problems.push(name + ': ' + shown.length + ' drawings shown')
          if (!figure.querySelector('details table')) problems.push(name + ': no table behind it')
          for (const svg of shown) {
            if (svg.getAttribute('role') !== 'img' || (svg.getAttribute('aria-label') ?? '').length < 20) problems.push(name + ': no text alternative')
            const box = svg.viewBox.baseVal
            const scale = svg.getBoundingClientRect().width / box.width
            for (const text of svg.querySelectorAll('text')) {
              const { x, y, width, height } = text.getBBox()
              const size = parseFloat(getComputedStyle(text).fontSize) * scale
              if (size < 10) problems.push(name + ': "' + text.textContent + '" is ' + size.toFixed(1) + ' px high')
              if (x < -1 || y < -1 || x + width > box.width + 1 || y + height > box.height + 1) problems.push(name + ': "' + text.textContent + '" is cut off')
            }
            for (const rect of svg.querySelectorAll('rect.box')) {
              const inside = rect.getBBox()
              for (const text of svg.querySelectorAll('text')) {
                const { x, y, width, height } = text.getBBox()
                const middle = x + width / 2
                const within = middle > inside.x && middle < inside.x + inside.width && y + height / 2 > inside.y && y + height / 2 < inside.y + inside.height
                if (within && (x < inside.x || x + width > inside.x + inside.width)) problems.push(name + ': "' + text.textContent + '" is wider than its box')
              }
            }
          }
        }
        return problems`,
        )
        expect(problems).toEqual([])
      })
    },
  )

  test('the keyboard reaches every disclosure and every table that scrolls, and shows where it is', async () => {
    await withPage(name, { scheme: 'light', width: 390 }, async (page) => {
      const wanted = await inPage<number>(
        page,
        `const wanted = [...document.querySelectorAll('summary, .scroll')].filter((each) => each.checkVisibility())
        wanted.forEach((each, i) => each.setAttribute('data-stop', String(i)))
        return wanted.length`,
      )
      const reached = new Set<string>()
      const invisible: string[] = []
      for (let press = 0; press < wanted + 20; press++) {
        await page.keyboard.press('Tab')
        const stop = await inPage<{ id: string | null; outline: string } | null>(
          page,
          `const at = document.activeElement
          return at && at !== document.body ? { id: at.getAttribute('data-stop'), outline: getComputedStyle(at).outlineStyle } : null`,
        )
        if (stop?.id != null) {
          reached.add(stop.id)
          if (stop.outline === 'none') invisible.push(stop.id)
        }
      }
      expect(reached.size).toBe(wanted)
      expect(invisible).toEqual([])
      if (name === 'study') {
        expect(wanted).toBeGreaterThan(15)
        await page.locator('summary').first().focus()
        await page.keyboard.press('Enter')
        expect(await inPage(page, `return document.querySelector('details').open`)).toBe(true)
      }
    })
  })
})

test('a page that breaks these rules is caught', async () => {
  const broken = join(work, 'broken.html')
  writeFileSync(
    broken,
    '<!doctype html><html><head><title>x</title></head><body><img src="missing.png"><p style="color:#ccc;background:#fff">faint</p></body></html>',
  )
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } })
  const page = await context.newPage()
  const requests: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  await page.goto(pathToFileURL(broken).href)
  await page.evaluate(axe)
  const ids = (await page.evaluate(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa'] }).then(({ violations }) => violations.map(({ id }) => id))`,
  )) as string[]
  expect(ids).toEqual(expect.arrayContaining(['color-contrast', 'html-has-lang', 'image-alt']))
  expect(requests.some((url) => url.endsWith('missing.png'))).toBe(true)
  await context.close()
})

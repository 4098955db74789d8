/** Figures 1 to 3 of the study, drawn from what was actually configured: the three networks, the private training step, the workflow. */

import type { WideAndDeepConfig } from '../models/index.ts'
import { type DiagramNode, diagram, type Html } from '../report/index.ts'

/** Figure 1: the network with only its wide part, only its deep part, and both. */
export function modelFigures(config: WideAndDeepConfig): Html[] {
  const titles = { wide: 'wide only', deep: 'deep only', joint: 'wide and deep together' } as const
  return (['wide', 'deep', 'joint'] as const).map((parts) => {
    const { nodes, arrows, summary } = networkDiagram(config, parts)
    return diagram({ title: `Figure 1, ${titles[parts]}`, summary, nodes, arrows })
  })
}

function networkDiagram(config: WideAndDeepConfig, parts: WideAndDeepConfig['parts']) {
  const nodes: DiagramNode[] = []
  const arrows: [string, string][] = []
  const tower = parts === 'wide' ? [] : config.hiddenLayers
  const deep = parts === 'wide' ? [] : config.categorical.filter(({ part }) => (part ?? 'deep') === 'deep')
  // Deep: inputs, embeddings, the tower, the output. Wide features sit in the two layers before the output, so that no arrow crosses a box.
  const outputLayer = deep.length > 0 ? 2 + tower.length : 2
  for (const { name, dimensions } of deep) {
    nodes.push(
      { id: `in-${name}`, label: name, layer: 0 },
      { id: `layer-${name}`, label: 'embedding', detail: `${dimensions} numbers`, layer: 1 },
    )
    arrows.push([`in-${name}`, `layer-${name}`], [`layer-${name}`, tower.length > 0 ? 'tower-0' : 'output'])
  }
  tower.forEach((units, i) => {
    nodes.push({ id: `tower-${i}`, label: `${units} units`, detail: 'ReLU', layer: 2 + i })
    arrows.push([`tower-${i}`, i + 1 < tower.length ? `tower-${i + 1}` : 'output'])
  })
  const wide =
    parts === 'deep'
      ? []
      : [
          ...config.categorical
            .filter(({ part }) => part === 'wide')
            .map(({ name, dimensions }) => ({ name, label: 'embedding', detail: `${dimensions} numbers` })),
          ...config.numeric.map(({ name, units }) => ({ name, label: `${units} units`, detail: 'ReLU' })),
        ]
  for (const { name, label, detail } of wide) {
    nodes.push({ id: `in-${name}`, label: name, layer: outputLayer - 2 }, { id: `layer-${name}`, label, detail, layer: outputLayer - 1 })
    arrows.push([`in-${name}`, `layer-${name}`], [`layer-${name}`, 'output'])
  }
  nodes.push({ id: 'output', label: 'rating', detail: 'linear', layer: outputLayer })
  const summary = [
    deep.length > 0 &&
      `${list(deep.map(({ name }) => name))} as embeddings${tower.length > 0 ? ` through ${tower.join(' and ')} ReLU units` : ''}`,
    wide.length > 0 && `${list(wide.map(({ name }) => name))} each through a small layer`,
  ]
    .filter(Boolean)
    .join('; ')
  return { nodes, arrows, summary: `${summary}; one linear output.` }
}

const list = (words: readonly string[]) => (words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`)

export interface PipelineSettings {
  readonly rows: number
  readonly sampleRate: number
  readonly steps: number
  readonly batchSize: number
  readonly maxGradNorm: number
  readonly learningRate: number
  readonly delta: number
}

/** Figure 2: one private step, and what is accounted for. */
export function pipelineFigure(settings: PipelineSettings): Html {
  const { rows, sampleRate, steps, batchSize, maxGradNorm, learningRate, delta } = settings
  return diagram({
    title: 'Figure 2, the private training step',
    summary: `Each of ${steps.toLocaleString('en-US')} steps samples ratings by chance, clips each rating's gradient, adds noise to the sum, and updates with Adam. The same numbers go to the accountants.`,
    nodes: [
      { id: 'rows', label: 'training ratings', detail: rows.toLocaleString('en-US'), layer: 0 },
      { id: 'plan', label: 'plan', detail: `σ, C = ${maxGradNorm}, ${steps.toLocaleString('en-US')} steps`, layer: 0 },
      { id: 'sample', label: 'Poisson sample', detail: `each with chance ${sampleRate.toPrecision(3)}`, layer: 1 },
      { id: 'clip', label: 'clip each gradient', detail: `norm ≤ ${maxGradNorm}`, layer: 2 },
      { id: 'noise', label: 'add noise', detail: `N(0, (σ·${maxGradNorm})²) on every parameter`, layer: 3 },
      { id: 'accountants', label: 'accountants', detail: `RDP and PLD, δ = ${delta}`, layer: 3 },
      { id: 'update', label: 'Adam step', detail: `÷ ${batchSize}, rate ${learningRate}`, layer: 4 },
      { id: 'epsilon', label: 'ε', detail: 'per rating and per person', layer: 4 },
    ],
    arrows: [
      ['rows', 'sample'],
      ['plan', 'sample'],
      ['sample', 'clip'],
      ['clip', 'noise'],
      ['clip', 'accountants'],
      ['noise', 'update'],
      ['accountants', 'epsilon'],
    ],
  })
}

/** Figure 3: from the data set to the table. */
export function workflowFigure(options: {
  readonly data: string
  readonly train: number
  readonly test: number
  readonly split: string
  readonly seeds: number
}): Html {
  const { data, train, test, split, seeds } = options
  return diagram({
    title: 'Figure 3, the workflow',
    summary: `One split of ${data}; every model is trained ${seeds === 1 ? 'once' : `${seeds} times`} on the same rows and measured on the same held-out rows.`,
    nodes: [
      { id: 'data', label: data, detail: `${(train + test).toLocaleString('en-US')} ratings`, layer: 0 },
      {
        id: 'split',
        label: `${split} split`,
        detail: `${train.toLocaleString('en-US')} train, ${test.toLocaleString('en-US')} test`,
        layer: 1,
      },
      { id: 'plain', label: 'no privacy', detail: 'Adam', layer: 2 },
      { id: 'paper', label: "paper's recipe", detail: 'DP-Adam, σ 1 … 5', layer: 2 },
      { id: 'repaired', label: 'repaired recipe', detail: 'at the same ε', layer: 2 },
      { id: 'biases', label: 'bias-factors', detail: 'at the same ε', layer: 2 },
      { id: 'measure', label: 'RMSE and MAE', detail: 'on the test ratings', layer: 3 },
      { id: 'report', label: 'table and verdicts', layer: 4 },
    ],
    arrows: [
      ['data', 'split'],
      ...(['plain', 'paper', 'repaired', 'biases'] as const).flatMap((id): [string, string][] => [
        ['split', id],
        [id, 'measure'],
      ]),
      ['measure', 'report'],
    ],
  })
}

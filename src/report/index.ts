/** Reports: escaping HTML templates, accessible tables, and static SVG charts. A leaf; knows nothing of models or privacy. */
export {
  barChart,
  boxPlot,
  type DiagramNode,
  diagram,
  lineChart,
  type Point,
  quartiles,
  type ReferenceLine,
  type Series,
} from './charts.ts'
export { escapeHtml, formatNumber, type Html, html, page, raw, type TableColumn, table } from './html.ts'

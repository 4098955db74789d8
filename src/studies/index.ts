/** Studies: declared experiments that become tables, figures and one HTML report. Running one needs files and threads: index.node.ts. */
export { type Book, type Cell, createBook } from './book.ts'
export { type Comparison, compare, type Summary, summarise } from './statistics.ts'
export type { DatasetFacts, FinishedJob, JobResult, StudyJob, StudyTask } from './study.ts'
export { type ClaimVerdict, judgeClaims, type VerdictWord } from './verdicts.ts'

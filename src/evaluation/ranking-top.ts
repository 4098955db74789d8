/**
 * The first ranks of one person's scores without sorting the catalogue: a heap of the best, and every item that ties with the last of them, so
 * that metrics can take their exact expectation over ties. Made once and used for person after person: nothing is allocated along the way.
 */

export interface FirstRanks {
  /** Items by descending score, equal scores by item; the first `length` count. */
  readonly items: Uint32Array
  /** Ranked items: min(depth, candidates), and whatever else ties with the last of these. */
  length: number
  /** Exclusive ends of the runs of equal scores; the first `runs` count; 0 runs: no two are equal. */
  readonly tieEnds: Uint32Array
  runs: number
}

/**
 * @param itemCount length of every row of scores
 * @param depth ranks wanted, ≥ 1
 * @returns a function that ranks a row, in which −Infinity marks what may not be listed and the rest is finite; what it returns is
 *   overwritten by the next call
 */
export function firstRanksOf(itemCount: number, depth: number): (scores: Float32Array) => FirstRanks {
  const size = Math.min(depth, itemCount)
  // Worst at the root: the lowest score, and of equal ones the highest item.
  const heapScores = new Float32Array(size)
  const heapItems = new Uint32Array(size)
  const out: FirstRanks = { items: new Uint32Array(itemCount), length: 0, tieEnds: new Uint32Array(itemCount), runs: 0 }

  const siftDown = (length: number, score: number, item: number): void => {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= length) break
      const right = child + 1
      if (
        right < length &&
        ((heapScores[right] as number) < (heapScores[child] as number) ||
          (heapScores[right] === heapScores[child] && (heapItems[right] as number) > (heapItems[child] as number)))
      )
        child = right
      const lower = heapScores[child] as number
      if (lower > score || (lower === score && (heapItems[child] as number) < item)) break
      heapScores[at] = lower
      heapItems[at] = heapItems[child] as number
      at = child
    }
    heapScores[at] = score
    heapItems[at] = item
  }

  return (scores) => {
    let filled = 0
    let item = 0
    for (; item < itemCount && filled < size; item++) {
      const score = scores[item] as number
      if (score === Number.NEGATIVE_INFINITY) continue
      let at = filled++
      while (at > 0) {
        const parent = (at - 1) >> 1
        const above = heapScores[parent] as number
        // Items come in ascending order: of equal scores the newcomer is the worse one, and rises past the others.
        if (above < score) break
        heapScores[at] = above
        heapItems[at] = heapItems[parent] as number
        at = parent
      }
      heapScores[at] = score
      heapItems[at] = item
    }
    // How many candidates with the root's score did not fit in.
    let turnedAway = 0
    let least = filled > 0 ? (heapScores[0] as number) : 0
    for (; item < itemCount; item++) {
      const score = scores[item] as number
      if (score < least) continue
      if (score === least) {
        turnedAway++
        continue
      }
      siftDown(filled, score, item)
      const next = heapScores[0] as number
      turnedAway = next === least ? turnedAway + 1 : 0
      least = next
    }
    let length = filled
    // Popping the worst first fills the ranking from its end.
    for (let rest = filled; rest > 0; rest--) {
      const score = heapScores[0] as number
      const worst = heapItems[0] as number
      if (rest > 1) siftDown(rest - 1, heapScores[rest - 1] as number, heapItems[rest - 1] as number)
      out.items[rest - 1] = worst
      heapScores[rest - 1] = score
    }
    if (turnedAway > 0) {
      length = 0
      while ((heapScores[length] as number) > least) length++
      for (let tied = 0; tied < itemCount; tied++) if (scores[tied] === least) out.items[length++] = tied
    }
    let runs = 0
    let anyTie = false
    for (let at = 1; at <= length; at++) {
      if (at < length && scores[out.items[at] as number] === scores[out.items[at - 1] as number]) {
        anyTie = true
        continue
      }
      out.tieEnds[runs++] = at
    }
    out.length = length
    out.runs = anyTie ? runs : 0
    return out
  }
}

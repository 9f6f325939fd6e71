import { readFileSync } from 'node:fs'
import type { Recorder } from '../sinks/delivery-double.ts'

/** The arrows of the drawing in shard-life.ts, each as `from → to`. */
export function drawnArrows(): string[] {
  const source = readFileSync(new URL('../../../src/consumer/shard-life.ts', import.meta.url), 'utf8')
  return source
    .split('\n')
    .flatMap((line) => (/^ \* {3}\w/.test(line) || /^ \* +\w.*⇄/.test(line) ? arrowsOf(line) : []))
}

/** `a, b → c ⇄ d` is `a → c`, `b → c`, `c → d` and `d → c`. */
function arrowsOf(line: string): string[] {
  const [first = '', ...rest] = line
    .slice(3)
    .trim()
    .split(/ (?=[→⇄] )/)
  let from = first.split(', ')
  return rest.flatMap((step) => {
    const to = step.slice(2).split(', ')
    const onward = from.flatMap((a) => to.map((b) => [`${a} → ${b}`, ...(step.startsWith('⇄') ? [`${b} → ${a}`] : [])]))
    from = to
    return onward.flat()
  })
}

/** The changes of phase that were reported, in their order, each as `from → to`. */
export function changesTold(recorder: Recorder): string[] {
  return recorder.of('shardPhase').map(({ args: [, from, to] }) => `${from} → ${to}`)
}

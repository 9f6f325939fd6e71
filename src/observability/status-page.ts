import { createHash } from 'node:crypto'
import { chart } from './chart.ts'
import { History } from './history.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'
import type { About, FaultShown, PauseShown, ShardShown, SinkShown, StatusSnapshot } from './status.ts'
import type { TopicShown } from './topics.ts'

/** Allows the page this style, this script, and requests to its own server. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src '${hashOf(style())}'`,
  `script-src '${hashOf(script())}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * The status page. It is complete without its script. The script keeps it live: it loads the same page again and replaces
 * <main>.
 */
export function statusPage(now: StatusSnapshot): string {
  const { about } = now
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${html`<title>${now.ready ? 'ready' : 'NOT READY'} – ${about.consumer}</title>`}
<style>${style()}</style>
</head>
<body>
<p id="silence" role="alert" hidden></p>
${html`<main>
<h1>${about.consumer}</h1>
<p class="quiet">${reads(about)}up ${duration(now.upSeconds)} · version ${about.version}</p>
${state(now)}
${now.pauses.map(pause)}
<section class="numbers">
${number('lag', seconds(now.lagSeconds), 'the largest of the shards held here')}
${number('events/s', rate(now.deliveredPerSecond), 'acknowledged by the SIEM, over the last minute')}
${number('in flight', bytes(now.inFlightBytes), 'pulled and not yet acknowledged')}
${number('dead letters', String(now.deadLettered), 'since the start; dead-letter list shows them')}
</section>
<h2>Delivered <span class="quiet">events per ten seconds over the last ${History.minutes} minutes, at most ${most(now.delivered)}</span></h2>
${chart(now.delivered, 'events delivered')}
${sinks(now.sinks)}
<h2>Shards</h2>
${shards(now)}
${topics(now)}
<h2>Recent faults</h2>
${faults(now.faults)}
</main>`}
<footer><a href="metrics">metrics</a> <a href="readyz">readyz</a> <a href="livez">livez</a> <a href="status.json">status.json</a>
This page updates every two seconds, shows one replica, and changes nothing.
The whole group: <code>sls-siem-bridge lag</code></footer>
<script>${script()}</script>
</body>
</html>
`
}

/** The logstores of each consumer group. */
function reads({ logstores }: About): Html[] {
  return [...Map.groupBy(logstores, ({ group }) => group)].map(
    ([group, own]) =>
      html`reads <b>${own.map(({ project, logstore }) => `${project}/${logstore}`).join(', ')}</b> in group <b>${group}</b> · `,
  )
}

function state({ ready, reasons, notes, pauses }: StatusSnapshot): Html {
  const noted = notes.map((note) => html`<p class="warning">${note}</p>`)
  if (ready) return html`<p class="state good">ready: logs flow, or would if there were any</p>${noted}`
  // The pauses follow below, with more room.
  const others = reasons.filter((reason) => !reason.startsWith('paused: '))
  const told = [...(pauses.length > 0 ? ['something is paused until somebody fixes it'] : []), ...others]
  return html`<p class="state bad">not ready: ${told.join('; ')}</p>${noted}`
}

function pause({ reason, scope, seconds: since, message, advice }: PauseShown): Html {
  return html`<section class="pause"><h2>Paused for ${duration(since)}: ${reason}, ${scope}</h2>
<p>${message}</p>
<p><b>What to do:</b> ${advice ?? 'see docs/operations.md, Paused'}</p>
<p class="quiet">Nothing is lost: the logs wait in Log Service. Work resumes by itself once this is fixed.</p></section>`
}

function rate(perSecond: number): string {
  return perSecond.toFixed(perSecond < 10 ? 1 : 0)
}

function number(label: string, value: string, meaning: string): Html {
  return html`<div title="${meaning}"><b>${value}</b> ${label}</div>`
}

/** One sink has the numbers above; how it confirms stands here. */
function sinks(all: readonly SinkShown[]): Html | undefined {
  const confirms = all.some(({ confirmedBy }) => confirmedBy !== undefined)
  if (all.length < 2 && !confirms) return undefined
  return html`<h2>Sinks</h2><table>
<thead><tr><th>sink<th>type<th>state${confirms ? html`<th>confirmation` : undefined}<th>events/s<th>dead letters</tr></thead>
<tbody>${all.map(
    ({
      name,
      type,
      confirmedBy,
      state,
      deliveredPerSecond,
      deadLettered,
    }) => html`<tr><td>${name}<td>${type}<td class="${state.startsWith('ok') ? 'good' : 'bad'}">${state}
${confirms ? html`<td>${confirmedBy ?? ''}` : undefined}<td class="time">${rate(deliveredPerSecond)}<td class="time">${String(deadLettered)}</tr>
`,
  )}</tbody>
</table>`
}

function shards({ about, shards: all, groupProblem }: StatusSnapshot): Html {
  const problem =
    groupProblem === null
      ? undefined
      : html`<p class="warning">The shards of other replicas are unknown. Asking Log Service failed: ${groupProblem}</p>`
  if (all.length === 0) return html`${problem}<p class="quiet">none known yet</p>`
  const several = about.logstores.length > 1
  return html`${problem}<table>
<thead><tr>${several ? html`<th>logstore` : undefined}<th>shard<th>read by<th>lag<th>last ${History.minutes} min<th>committed</tr></thead>
<tbody>${all.map((shown) => shardRow(shown, several ? placeOf(shown, about) : undefined))}</tbody>
</table>`
}

/** Two sources may read one logstore. */
function placeOf({ source, project, logstore }: ShardShown, { logstores }: About): string {
  const readers = logstores.filter((read) => read.project === project && read.logstore === logstore)
  return `${project}/${logstore}${readers.length > 1 ? ` (${source})` : ''}`
}

function shardRow(shown: ShardShown, place: string | undefined): Html {
  const { shard, held, status, lagSeconds, lag } = shown
  const trend = html`${chart(lag, `lag of shard ${shard}`)}<small class="quiet">at most ${seconds(most(lag))}</small>`
  return html`<tr class="${held ? 'held' : 'others'}">${place === undefined ? undefined : html`<td class="owner">${place}`}<td>${shard}${status === 'readonly' ? ' (read-only)' : ''}
<td class="owner">${owner(shown)}
<td class="time">${held ? seconds(lagSeconds) : '–'}
<td>${held ? trend : html`<span class="quiet">ask its reader</span>`}
<td class="time">${committed(shown)}</tr>
`
}

/** The service does not say which consumer holds a shard, only which one committed last. */
function owner({ held, consumer }: ShardShown): Html {
  if (held) return html`<b>this replica</b>`
  return consumer === null ? html`<span class="quiet">no consumer yet</span>` : html`${consumer}`
}

function committed({ checkpointAgeSeconds, committedSecondsAgo }: ShardShown): string {
  const age = checkpointAgeSeconds ?? committedSecondsAgo
  return age === null ? 'never' : `${duration(age)} ago`
}

/** A topic has another class where all of its logs are dropped. */
function topics({ about, topics: all }: StatusSnapshot): Html | undefined {
  if (all.length === 0) return undefined
  const several = new Set(about.logstores.map(({ source }) => source)).size > 1
  return html`<h2>Topics <span class="quiet">logs of the pulls that were looked at: about a megabyte a second of each logstore</span></h2><table>
<thead><tr>${several ? html`<th>source` : undefined}<th>topic<th>logs<th>wanted<th>dropped by topic, source or tags</tr></thead>
<tbody>${all.map((shown) => topicRow(shown, several))}</tbody>
</table>`
}

function topicRow({ source, topic, logs, wanted, dropped }: TopicShown, several: boolean): Html {
  const name = topic === null ? html`<span class="quiet">other</span>` : topic === '' ? '""' : topic
  return html`<tr${wanted === 0 ? html` class="others"` : undefined}>${several ? html`<td class="owner">${source}` : undefined}<td class="owner">${name}
<td class="time">${String(logs)}<td class="time">${String(wanted)}<td class="time">${String(dropped)}</tr>
`
}

function faults(all: readonly FaultShown[]): Html {
  if (all.length === 0) return html`<p class="quiet">none since the start</p>`
  return html`<ol class="faults">${all.map(
    ({ what, at, secondsAgo, times, code, message, advice }) => html`<li>
<time datetime="${at}">${duration(secondsAgo)} ago</time> <b>${what}</b>${code === null ? '' : ` (${code})`}${times > 1 ? ` × ${times}` : ''}
${message === null ? undefined : html`<br>${message}`}
${advice === null ? undefined : html`<br>→ ${advice}`}</li>
`,
  )}</ol>`
}

function most(values: ReadonlyArray<number | null>): number {
  return Math.max(0, ...values.map((value) => value ?? 0))
}

function seconds(value: number | null): string {
  return value === null ? '?' : duration(value)
}

function duration(total: number): string {
  const whole = Math.round(total)
  if (whole < 120) return `${whole} s`
  if (whole < 7200) return `${Math.floor(whole / 60)} min`
  return whole < 172_800 ? `${Math.floor(whole / 3600)} h` : `${Math.floor(whole / 86_400)} d`
}

function bytes(value: number): string {
  return value < 1_000_000 ? `${Math.round(value / 1000)} kB` : `${(value / 1_000_000).toFixed(1)} MB`
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

function style(): string {
  return `
:root { color-scheme: light dark; --line: #0969da; --edge: #d0d7de; --quiet: #57606a; --good: #1a7f37; --bad: #cf222e }
@media (prefers-color-scheme: dark) {
  :root { --line: #58a6ff; --edge: #30363d; --quiet: #8b949e; --good: #3fb950; --bad: #ff7b72 }
}
* { box-sizing: border-box }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1rem; margin: 1.5rem 0 .4rem } h2 span { font-weight: 400 }
small { font-size: .8rem }
p { margin: .3rem 0 } .quiet, footer { color: var(--quiet) } footer { margin-top: 2rem; font-size: .85rem }
.state { font-weight: 600 } .good { color: var(--good) } .bad { color: var(--bad) }
.warning { color: var(--bad) }
.pause, #silence { border: 2px solid var(--bad); border-radius: 6px; padding: .6rem .8rem; margin: .8rem 0 }
.pause h2 { margin: 0; color: var(--bad) }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .6rem; margin: 1rem 0 }
.numbers div { border: 1px solid var(--edge); border-radius: 6px; padding: .5rem .7rem; color: var(--quiet) }
.numbers b { display: block; font-size: 1.4rem; color: CanvasText }
.chart { display: block; width: 100%; height: 3rem; border-bottom: 1px solid var(--edge) }
.chart path { fill: none; stroke: var(--line); stroke-width: 1.5; vector-effect: non-scaling-stroke }
table { width: 100%; border-collapse: collapse } th { text-align: left; font-weight: 500; color: var(--quiet) }
th, td.time { white-space: nowrap } td.owner, .faults, .pause { overflow-wrap: anywhere }
th, td { padding: .3rem .5rem .3rem 0; border-bottom: 1px solid var(--edge); vertical-align: middle }
td .chart { width: 100%; min-width: 4rem; height: 1.5rem } .others { color: var(--quiet) }
.faults { list-style: none; padding: 0; margin: 0 } .faults li { padding: .4rem 0; border-bottom: 1px solid var(--edge) }
time { color: var(--quiet) }
@media (max-width: 34rem) { body { padding: .6rem; font-size: 14px } td.owner { max-width: 9rem } }
`
}

function script(): string {
  return `
const main = document.querySelector('main')
const silence = document.querySelector('#silence')
let answered = Date.now()
async function look() {
  try {
    const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(5000) })
    if (!answer.ok) throw new Error('HTTP ' + answer.status)
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    // A selection is kept, so that a fault can be copied.
    if (getSelection().isCollapsed) main.replaceChildren(...page.querySelector('main').childNodes)
    document.title = page.title
    answered = Date.now()
    silence.hidden = true
  } catch {
    silence.textContent = 'The replica has not answered for ' + Math.round((Date.now() - answered) / 1000) +
      ' s. The page is out of date. If the replica ended, other replicas take over its shards.'
    silence.hidden = false
    document.title = 'NO ANSWER'
  }
  setTimeout(look, 2000)
}
setTimeout(look, 2000)
`
}

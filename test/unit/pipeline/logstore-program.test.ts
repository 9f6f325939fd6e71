import { expect, test } from 'vitest'
import type { Program, ProgramRoute } from '../../../src/pipeline/program.ts'
import { programAt } from '../../../src/pipeline/reference/logstore-program.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import { expressionOf } from './condition-logs.ts'

function route(name: string, when?: string, goesOn = false): ProgramRoute {
  return {
    name,
    ...(when !== undefined && { when: { text: when, expression: expressionOf(when) } }),
    continue: goesOn,
    shape: [],
    copies: [],
  }
}

/** Routes of the program of web/access in project p, each with its condition without places. */
function routesAt(...routes: ProgramRoute[]): [name: string, when: unknown][] {
  const program: Program = {
    topics: new TopicSelection([]),
    idScope: 'p/access',
    reservedKeys: 'override',
    shape: [],
    routes,
  }
  const at = { source: 'web', project: 'p', logstore: 'access' }
  return programAt(program, at).routes.map(({ name, when }) => [name, plain(when?.expression)])
}

const plain = (expression: unknown): string =>
  JSON.stringify(expression, (key, part) => (key === 'text' || key === 'offset' ? undefined : part)) ?? 'always'

test('routes of other logstores, projects and sources are left out, and conditions lose what is known', () => {
  expect(
    routesAt(
      route('errors', '@logstore = errors'),
      route('other', '@project startswith q or @source in (k8s)'),
      route('mixed', '@logstore = access and status >= 500'),
      route('later', '@shard = 3 or @time > 5 or @size > 5 or __topic__ = a or @source = k8s'),
      route('rest'),
    ),
  ).toEqual([
    ['mixed', plain(expressionOf('status >= 500'))],
    ['later', plain(expressionOf('@shard = 3 or @time > 5 or @size > 5 or __topic__ = a'))],
    ['rest', 'always'],
  ])
})

test('a route that takes every log of the logstore is the last, unless it only copies', () => {
  const routes = [route('all', 'not @logstore = errors'), route('rest')]
  expect(routesAt(...routes)).toEqual([['all', 'always']])
  expect(routesAt(route('copies', '@project = p', true), ...routes)).toEqual([
    ['copies', 'always'],
    ['all', 'always'],
  ])
})

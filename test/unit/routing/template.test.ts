import { describe, expect, test } from 'vitest'
import { constantOf, parseTemplate } from '../../../src/routing/template.ts'

describe('a template', () => {
  test.each<[string, string[]]>([
    ['', []],
    ['text', ['text']],
    ['{host}', ['<host>']],
    ['a {b} c{ d.e[0].f }', ['a ', '<b>', ' c', '<d.e[0].f>']],
    ['{__tag__:__hostname__}/{@project}', ['<__tag__:__hostname__>', '/', '<@project>']],
    ['{["my key"]}', ['<["my key"]>']],
    ['{["a}b"]}', ['<["a}b"]>']],
    ['{{not a field}} {a}}}', ['{not a field} ', '<a>', '}']],
    ['{{{a}}}', ['{', '<a>', '}']],
    ['语 {a}\n', ['语 ', '<a>', '\n']],
  ])('%j', (text, parts) => {
    const template = parseTemplate(text)
    if ('problem' in template) throw new Error(template.problem)
    expect(template.text).toBe(text)
    expect(template.parts.map((part) => (typeof part === 'string' ? part : `<${part.text}>`))).toEqual(parts)
  })

  test.each([
    ['{', 1, 'field'],
    ['a {', 3, 'field'],
    ['{}', 1, 'field'],
    ['{a', 2, "'}' expected"],
    ['{a b}', 2, "'}' expected"],
    ['{"a": 1}', 1, 'field'],
    ['a}', 1, "'}' closes nothing"],
    ['{a}}', 3, "'}' closes nothing"],
    ['{a.}', 3, ''],
  ])('%j is refused at %i: %s', (text, offset, problem) => {
    expect(parseTemplate(text)).toEqual({ offset, problem: expect.stringContaining(problem) })
  })

  test('is constant without a field', () => {
    const constants = ['', 'a', '{{a}}', '{a}', 'a{a}'].map((text) => {
      const template = parseTemplate(text)
      return 'problem' in template ? template.problem : constantOf(template)
    })
    expect(constants).toEqual(['', 'a', '{a}', undefined, undefined])
  })
})

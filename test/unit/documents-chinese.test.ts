import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

/** README.zh-CN.md says what README.md says: everything in it that is not prose is the same, in the same place. */

const file = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const english = file('README.md')
const chinese = file('README.zh-CN.md')

const CHINESE = /\p{Script=Han}/u
const BLOCK = /^```[^\n]*\n.*?^```$/gms
/** Links from one language to the other, which each has for itself. */
const OTHER_LANGUAGE = ['README.md', 'README.zh-CN.md']

const blocks = (text: string) => text.match(BLOCK) ?? []
const sections = (text: string) => text.replace(BLOCK, '').split(/^#+ /m).slice(1)
const heading = (section: string) => section.split('\n')[0]
const all = (pattern: RegExp, text: string) => [...text.matchAll(pattern)].map(([, found]) => found as string)
const codeIn = (text: string) => all(/`([^`\n]+)`/g, text).sort()
const linksIn = (text: string) =>
  all(/\]\(([^)]+)\)/g, text)
    .filter((target) => !OTHER_LANGUAGE.includes(target))
    .sort()
/** What counts stands in the text in digits, in whatever words around it. */
const numbersIn = (text: string) =>
  all(/(?<![\w.])(\d{3,}(?:,\d{3})*|\d{1,3}(?:,\d{3})+)(?!\w)/g, text.replace(/`[^`\n]+`/g, '')).sort()
const tablesIn = (text: string) =>
  (text.match(/(?:^\|.*\|\n)+/gm) ?? []).map((table) =>
    table
      .trim()
      .split('\n')
      .map((row) => row.split(/(?<!\\)\|/).length),
  )

test('the code blocks are the same, to the letter', () => {
  expect(blocks(english).length).toBeGreaterThan(4)
  expect(blocks(chinese)).toEqual(blocks(english))
})

test('there are as many headings, of the same levels', () => {
  const levels = (text: string) => all(/^(#+) /gm, text.replace(BLOCK, ''))
  expect(levels(chinese)).toEqual(levels(english))
})

test('no heading but the name is left in English', () => {
  expect(
    sections(chinese)
      .map(heading)
      .slice(1)
      .filter((title) => !CHINESE.test(title as string)),
  ).toEqual([])
})

describe('section by section', () => {
  const pairs = sections(english).map(
    (section, index) => [heading(section), section, sections(chinese)[index] ?? ''] as const,
  )

  test.each(pairs)('%s: variables, commands, metrics and paths', (_, ours, theirs) => {
    expect(codeIn(theirs)).toEqual(codeIn(ours))
  })

  test.each(pairs)('%s: links', (_, ours, theirs) => {
    expect(linksIn(theirs)).toEqual(linksIn(ours))
  })

  test.each(pairs)('%s: tables, row by row', (_, ours, theirs) => {
    expect(tablesIn(theirs)).toEqual(tablesIn(ours))
  })

  test.each(pairs)('%s: figures', (_, ours, theirs) => {
    expect(numbersIn(theirs)).toEqual(numbersIn(ours))
  })

  test.each(pairs)('%s: as many items in lists', (_, ours, theirs) => {
    expect(all(/^(- )/gm, theirs)).toEqual(all(/^(- )/gm, ours))
  })
})

test('each leads to the other', () => {
  expect(all(/\]\((README[^)]*)\)/g, chinese)).toEqual(['README.md'])
  expect(all(/\]\((README[^)]*)\)/g, english)).toEqual(['README.zh-CN.md'])
})

test('names only files that are there', () => {
  for (const target of all(/\]\((?!https?:)([^)#]+)/g, chinese)) expect(() => file(target)).not.toThrow()
})

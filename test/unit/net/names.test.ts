import type { LookupAddress } from 'node:dns'
import { describe, expect, test } from 'vitest'
import { Names } from '../../../src/net/names.ts'

const V4: LookupAddress = { address: '10.0.0.1', family: 4 }
const V6: LookupAddress = { address: '2001:db8::1', family: 6 }

/** A resolver whose answers come when the test says so. */
function resolver() {
  const asked: string[] = []
  const open = new Map<string, PromiseWithResolvers<readonly LookupAddress[]>>()
  const ask = (host: string): Promise<readonly LookupAddress[]> => {
    asked.push(host)
    const answer = Promise.withResolvers<readonly LookupAddress[]>()
    open.set(host, answer)
    return answer.promise
  }
  const fails = (host: string, code: string): void =>
    open.get(host)?.reject(Object.assign(new Error(`${code} ${host}`), { code }))
  return {
    names: new Names(ask),
    asked,
    answers: (host: string, found = [V4]) => open.get(host)?.resolve(found),
    fails,
  }
}

describe('names', () => {
  test('are looked up once for all that wait', async () => {
    const { names, asked, answers } = resolver()
    const found = Promise.all([names.addressesOf('hec'), names.addressesOf('hec')])
    answers('hec')
    expect(await found).toEqual([[V4], [V4]])
    expect(asked).toEqual(['hec'])
  })

  test('that resolved before keep their addresses while their zone is silent', async () => {
    const { names, answers } = resolver()
    const first = names.addressesOf('sls')
    answers('sls')
    await first
    expect(await names.addressesOf('sls')).toEqual([V4])
  })

  test('that resolved before keep their addresses when the resolver fails, and lose them when they do not exist', async () => {
    const { names, answers, fails } = resolver()
    const first = names.addressesOf('sls')
    answers('sls')
    await first
    const second = names.addressesOf('sls')
    fails('sls', 'EAI_AGAIN')
    expect(await second).toEqual([V4])
    const third = names.addressesOf('sls')
    fails('sls', 'ENOTFOUND')
    await expect(third).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  test('of a zone that never answered fail with a reason that names the resolution', async () => {
    const { names } = resolver()
    await expect(names.addressesOf('dead')).rejects.toMatchObject({
      code: 'EAI_AGAIN',
      message: expect.stringContaining('name resolution of dead'),
    })
  })

  test('that failed share one thread, so that others are resolved however many of them hang', async () => {
    const { names, asked, answers, fails } = resolver()
    for (const host of ['a', 'b', 'c', 'd']) {
      const failed = names.addressesOf(host)
      fails(host, 'EAI_AGAIN')
      await failed.catch(() => {})
    }
    asked.length = 0
    const hanging = ['a', 'b', 'c', 'd'].map((host) => names.addressesOf(host).catch(() => 'late'))
    const found = names.addressesOf('sls')
    answers('sls')
    expect(await found).toEqual([V4])
    expect(asked).toEqual(['a', 'sls'])
    expect(await Promise.all(hanging)).toEqual(['late', 'late', 'late', 'late'])
  })

  test('put the family first that could be connected to', async () => {
    const { names, answers } = resolver()
    const both = names.addressesOf('hec')
    answers('hec', [V6, V4])
    expect(await both).toEqual([V6, V4])
    names.prefer('hec', 4)
    const again = names.addressesOf('hec')
    answers('hec', [V6, V4])
    expect(await again).toEqual([V4, V6])
  })

  test('without an address have those of their alias', async () => {
    const { names, answers, fails } = resolver()
    const found = Promise.withResolvers<unknown>()
    names.lookupOr('logs.corp')('project.logs.corp', { all: true }, (error, addresses) =>
      found.resolve(error ?? addresses),
    )
    fails('project.logs.corp', 'ENOTFOUND')
    await new Promise((resolve) => setImmediate(resolve))
    answers('logs.corp')
    expect(await found.promise).toEqual([V4])
  })
})

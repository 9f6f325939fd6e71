import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import type { Issued } from '../../../src/sls/credentials.ts'
import { fixedCredentials, noCredentials, RenewedCredentials } from '../../../src/sls/credentials.ts'
import type { Credentials } from '../../../src/sls/signature.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A source that counts, gives new keys each time, and can be told to fail or to say nothing. */
class ScriptedSource {
  readonly clock = new ManualClock()
  readonly notices: string[] = []
  readonly credentials: RenewedCredentials
  fetches = 0
  lifeMs: number | undefined = HOUR
  fetch: () => Promise<Issued> = async () => this.issue(`key-${this.fetches}`)

  constructor() {
    this.credentials = new RenewedCredentials({
      fetch: () => {
        this.fetches++
        return this.fetch()
      },
      from: 'the test',
      clock: this.clock,
      telemetry: { notice: (level, message) => this.notices.push(`${level}: ${message}`) },
    })
  }

  issue(id: string): Issued {
    const expiresAt = this.lifeMs === undefined ? undefined : this.clock.wall() + this.lifeMs
    return { credentials: keys(id), expiresAt }
  }

  fails(): void {
    this.fetch = () => Promise.reject(noCredentials('the test', 'it is down'))
  }

  hangs(): void {
    this.fetch = () => new Promise(() => {})
  }

  gives(): void {
    this.fetch = async () => this.issue(`key-${this.fetches}`)
  }

  /** An hour later at every look, and so past what is good for less than two. */
  wallRunsAway(): void {
    let looks = 0
    const wall = this.clock.wall()
    vi.spyOn(this.clock, 'wall').mockImplementation(() => wall + ++looks * HOUR)
    this.lifeMs = 90 * MINUTE
  }

  async id(): Promise<string> {
    return (await this.credentials.get()).accessKeyId
  }
}

function keys(id: string): Credentials {
  return { accessKeyId: id, accessKeySecret: new Secret(`${id}-secret`), securityToken: new Secret(`${id}-token`) }
}

describe('an access key pair', () => {
  test('is what it is, refused or not', async () => {
    const pair = keys('a')
    const source = fixedCredentials(pair)
    expect(await source.get()).toBe(pair)
    expect(await source.refused(pair)).toBeUndefined()
  })
})

describe('renewal', () => {
  test('many requests at the start share one fetch', async () => {
    const source = new ScriptedSource()
    expect(await Promise.all([source.id(), source.id(), source.id()])).toEqual(['key-1', 'key-1', 'key-1'])
    expect(source.fetches).toBe(1)
  })

  test.each([
    ['6 hours', 6 * HOUR, 6 * HOUR - 15 * MINUTE],
    ['an hour', HOUR, 45 * MINUTE],
    ['15 minutes', 15 * MINUTE, 10 * MINUTE],
    ['3 seconds', 3_000, 2_000],
  ])('credentials good for %s are replaced before they expire, and not early', async (_, lifeMs, dueMs) => {
    const source = new ScriptedSource()
    source.lifeMs = lifeMs
    await source.id()
    await source.clock.advance(dueMs - 1)
    await source.id()
    await source.clock.settle()
    expect(source.fetches).toBe(1)
    await source.clock.advance(1)
    expect(await source.id()).toBe('key-1')
    await source.clock.settle()
    expect(await source.id()).toBe('key-2')
  })

  test('those that do not say when they expire are renewed after 10 minutes', async () => {
    const source = new ScriptedSource()
    source.lifeMs = undefined
    await source.id()
    await source.clock.advance(10 * MINUTE)
    await source.id()
    await source.clock.settle()
    expect(await source.id()).toBe('key-2')
    source.fails()
    await source.clock.advance(24 * HOUR)
    expect(await source.id()).toBe('key-2')
  })

  test('keeps no request waiting while those in use are good, and is one at a time', async () => {
    const source = new ScriptedSource()
    await source.id()
    source.hangs()
    await source.clock.advance(50 * MINUTE)
    for (let request = 0; request < 20; request++) expect(await source.id()).toBe('key-1')
    expect(source.fetches).toBe(2)
  })

  test('a source that is down meanwhile is worth one warning, and one word when it is back', async () => {
    const source = new ScriptedSource()
    await source.id()
    source.fails()
    await source.clock.advance(46 * MINUTE)
    for (let second = 0; second < 600; second++) {
      expect(await source.id()).toBe('key-1')
      await source.clock.advance(1_000)
    }
    expect(source.notices).toEqual([
      expect.stringMatching(/^warn: The test did not renew the credentials: it is down\. .* stay in use until 20/),
    ])
    expect(source.fetches).toBeGreaterThan(600 / 10)
    source.gives()
    await source.clock.advance(11_000)
    await source.id()
    await source.clock.settle()
    expect(await source.id()).toMatch(/^key-\d+/)
    expect(source.notices[1]).toBe('info: the test gives credentials again')
    expect(source.notices).toHaveLength(2)
  })
})

describe('without good credentials', () => {
  test('a request fails with what is wrong, and the source is asked every 10 seconds at the most, until it gives', async () => {
    const source = new ScriptedSource()
    source.fails()
    for (let tenth = 0; tenth < 1_200; tenth++) {
      await expect(source.credentials.get()).rejects.toMatchObject({ kind: 'configuration', code: 'credentials' })
      await source.clock.advance(100)
    }
    expect(source.fetches).toBeGreaterThan(10)
    expect(source.fetches).toBeLessThan(30)
    source.gives()
    await source.clock.advance(10_000)
    expect(await source.id()).toMatch(/^key-/)
  })

  test('a source that says nothing is waited for 10 seconds, by all together', async () => {
    const source = new ScriptedSource()
    source.hangs()
    const failures = [source.credentials.get(), source.credentials.get()].map((call) => call.catch((error) => error))
    await source.clock.advance(9_999)
    expect(await Promise.race([...failures, Promise.resolve('waiting')])).toBe('waiting')
    await source.clock.advance(1)
    for (const failure of await Promise.all(failures)) {
      expect(failure).toBeInstanceOf(Fault)
      expect((failure as Fault).message).toContain('did not answer within 10 s')
      expect(failure).toMatchObject({ kind: 'configuration', code: 'credentials_unreachable' })
    }
    expect(source.fetches).toBe(1)
  })

  test('expired ones are not used, whatever the source does', async () => {
    const source = new ScriptedSource()
    await source.id()
    source.fails()
    await source.clock.advance(HOUR)
    await expect(source.credentials.get()).rejects.toThrow('it is down')
  })

  test('some that come expired are named as what they are', async () => {
    const source = new ScriptedSource()
    source.lifeMs = -1_000
    const failure = await source.credentials.get().catch((error) => error)
    expect(failure).toBeInstanceOf(Fault)
    expect(failure.message).toMatch(/it gives some that expired at 2025-12-31T23:59:59/)
  })

  test('because of a bug: the bug is told with its stack, and without its text, which may hold anything', async () => {
    const source = new ScriptedSource()
    source.fetch = () => Promise.reject(new TypeError('body: {"AccessKeySecret":"hush"}'))
    const bug = await source.credentials.get().catch((error) => error)
    expect(bug).not.toBeInstanceOf(Fault)
    expect(bug.stack).toMatch(/^Error: a bug, TypeError, while .* the test\n +at .*credentials\.test\.ts/)
    expect(inspect(bug, { depth: 5 })).not.toContain('hush')
    expect(source.notices).toEqual([])
  })

  test('a wall clock that jumps over the expiry asks for new ones', async () => {
    const source = new ScriptedSource()
    await source.id()
    source.clock.setWallAhead(2 * HOUR)
    expect(await source.id()).toBe('key-2')
    source.clock.setWallAhead(0)
    expect(await source.id()).toBe('key-2')
  })

  test('a wall clock that runs away from what a source gives is told as that, not as what failed before', async () => {
    const source = new ScriptedSource()
    source.fails()
    await expect(source.credentials.get()).rejects.toThrow('it is down')
    await source.clock.advance(10_000)
    source.gives()
    source.wallRunsAway()
    const failure = await source.credentials.get().catch((error) => error)
    expect(failure).toBeInstanceOf(Fault)
    expect(failure).toMatchObject({ kind: 'configuration', code: 'credentials' })
    expect(failure.message).toMatch(/^no credentials from the test: .*expired/)
  })

  test('and so it is when nothing failed before', async () => {
    const source = new ScriptedSource()
    source.wallRunsAway()
    expect(await source.credentials.get().catch((error) => error)).toBeInstanceOf(Fault)
  })
})

describe('refused credentials', () => {
  test('are not replaced by some that have expired since', async () => {
    const source = new ScriptedSource()
    const slow = await source.credentials.get()
    await source.clock.advance(50 * MINUTE)
    await source.id()
    await source.clock.settle()
    expect(await source.id()).toBe('key-2')
    await source.clock.advance(HOUR)
    expect((await source.credentials.refused(slow))?.accessKeyId).toBe('key-3')
  })

  test('are replaced once for all requests that had them', async () => {
    const source = new ScriptedSource()
    const refused = await source.credentials.get()
    const others = await Promise.all([1, 2, 3].map(() => source.credentials.refused(refused)))
    expect(others.map((other) => other?.accessKeyId)).toEqual(['key-2', 'key-2', 'key-2'])
    expect((await source.credentials.refused(refused))?.accessKeyId).toBe('key-2')
    expect(source.fetches).toBe(2)
  })

  test('are not replaced by the same', async () => {
    const source = new ScriptedSource()
    source.fetch = async () => source.issue('the same')
    expect(await source.credentials.refused(await source.credentials.get())).toBeUndefined()
  })

  test('a right that is missing asks for others every 10 seconds at the most', async () => {
    const source = new ScriptedSource()
    for (let request = 0; request < 100; request++) {
      const others = await source.credentials.refused(await source.credentials.get())
      if (others) await source.credentials.refused(others)
      await source.clock.advance(100)
    }
    expect(source.fetches).toBe(2)
  })

  test('stay when there are no others', async () => {
    const source = new ScriptedSource()
    const refused = await source.credentials.get()
    source.fails()
    expect(await source.credentials.refused(refused)).toBeUndefined()
    expect(await source.credentials.get()).toBe(refused)
  })
})

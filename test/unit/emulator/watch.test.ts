import { expect, test } from 'vitest'
import { Watch } from '../../../src/emulator/watch.ts'

test('a condition that holds already resolves with what it found', async () => {
  expect(await new Watch().until(() => 'here')).toBe('here')
})

test('a condition is asked after each change, and no more once it held', async () => {
  const watch = new Watch()
  let [value, asked] = [0, 0]
  const waiting = watch.until(() => {
    asked += 1
    return value > 1
  })
  for (value of [1, 2, 3]) watch.changed()
  expect(await waiting).toBe(true)
  expect(asked).toBe(3)
})

test('a timeout says what was missing at its end', async () => {
  let found = 0
  const waiting = new Watch().until(
    () => found === 2,
    { timeoutMs: 20 },
    () => `${found} of 2`,
  )
  found = 1
  await expect(waiting).rejects.toThrow('1 of 2: not within 20 ms')
})

test('without words of its own a timeout shows the condition', async () => {
  const never = new Watch().until(() => 1 > 2, { timeoutMs: 1 })
  await expect(never).rejects.toThrow('() => 1 > 2: not within 1 ms')
})

test('what a condition throws ends the wait', async () => {
  const watch = new Watch()
  let broken = false
  const waiting = watch.until(() => {
    if (broken) throw new Error('broken')
    return false
  })
  broken = true
  watch.changed()
  await expect(waiting).rejects.toThrow('broken')
})

test('a condition that answers with a promise is refused: it would always hold', async () => {
  await expect(new Watch().until(async () => false)).rejects.toThrow(TypeError)
})

test('closing ends every wait, also one that begins later', async () => {
  const watch = new Watch()
  const waiting = watch.until(() => false)
  watch.close()
  await expect(waiting).rejects.toThrow('the server was closed')
  await expect(watch.until(() => false)).rejects.toThrow('the server was closed')
  expect(await watch.until(() => true)).toBe(true)
})
